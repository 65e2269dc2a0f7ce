"""Datasets as `tf.data`: whole batches from a generator, never a Python call per row."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from bigdata_cli.errors import MissingDependencyError
from bigdata_cli.loaders.base import ArraySpec, ReadableDataset
from bigdata_cli.loaders.encode import Encoding
from bigdata_cli.loaders.epochs import StreamOptions
from bigdata_cli.loaders.make_encoder import make_encoder
from bigdata_cli.loaders.order import check_count
from bigdata_cli.loaders.stream import BatchStream

HANDOVER_BYTES = 4_000_000
"""Of the batches that TensorFlow gets at a time."""
_NOTICE = re.compile(rb"WARNING: All log messages before absl|[IW]0000 ")


def import_tensorflow(*, purpose: str) -> Any:
    """Import TensorFlow without its messages about the machine.

    TF_CPP_MIN_LOG_LEVEL decides about the messages where it is set. GPUs then allocate memory as
    they need it, and not all at once.

    Raises:
        MissingDependencyError: It is not installed.
    """
    is_new = "tensorflow" not in sys.modules and "TF_CPP_MIN_LOG_LEVEL" not in os.environ
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with _without_notices() if is_new else nullcontext():
            import tensorflow as tf
        if is_new:
            tf.get_logger().setLevel("ERROR")  # it also warns of every model after the fifth
    except ModuleNotFoundError as error:
        if error.name != "tensorflow":
            raise
        raise MissingDependencyError.for_extra("tensorflow", "train", purpose=purpose) from error
    for gpu in tf.config.list_physical_devices("GPU"):
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError:
            break  # the caller has used the GPUs before and chose how
    return tf


@contextmanager
def _without_notices() -> Iterator[None]:
    """Hide what the C++ side of TensorFlow writes to stderr before its log level applies.

    All other lines are written afterwards.
    """
    try:
        sys.stderr.flush()
        saved = os.dup(2)
    except (OSError, AttributeError, ValueError):  # no stderr at all
        yield
        return
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
            kept.seek(0)
            others = [line for line in kept if not _NOTICE.match(line)]
            os.write(2, b"".join(others))


def tf_dataset(
    dataset: ReadableDataset,
    options: StreamOptions,
    encoding: Encoding,
    *,
    prefetch: int,
    start: tuple[int, int],
) -> Any:
    """Return a `tf.data.Dataset` of the batches of a stream; see `Dataset.to_tf`.

    The generator gives several batches at a time, which TensorFlow cuts: a Python call per batch
    costs more than reading it.
    """
    tf = import_tensorflow(purpose="to_tf")
    check_count("prefetch", prefetch)
    encoder = make_encoder(dataset, encoding, plain=True)
    stream = BatchStream(dataset, encoder, options)
    stream.load_state_dict(stream.state_at(*start))
    rows = options.batch_size if options.drop_remainder else None

    def signature(array: ArraySpec) -> Any:
        is_text = array.dtype == object
        return tf.TensorSpec(
            (None, rows, *array.row_shape), tf.string if is_text else tf.as_dtype(array.dtype)
        )

    stacked = tf.data.Dataset.from_generator(
        lambda: stream.stacked(HANDOVER_BYTES), output_signature=encoder.structure(signature)
    )
    batches = stacked.flat_map(
        lambda *parts: tf.data.Dataset.from_tensor_slices(parts if len(parts) > 1 else parts[0])
    )
    n_batches = stream.batches_of_every_epoch
    if n_batches is not None and start[1] == 0:
        batches = batches.apply(tf.data.experimental.assert_cardinality(n_batches))
    return batches.prefetch(prefetch)


def tf_feature_spec(dataset: ReadableDataset) -> dict[str, Any]:
    """Return the spec that `tf.io.parse_example` takes; see `Dataset.feature_spec`."""
    entries = dataset.format.feature_spec(dataset.manifest.to_json())
    tf = import_tensorflow(purpose="feature_spec")
    types = {"int64": tf.int64, "float": tf.float32, "bytes": tf.string}
    return {
        name: tf.io.VarLenFeature(types[entry["type"]])
        if entry["shape"] == "ragged"
        else tf.io.FixedLenFeature(entry["shape"], types[entry["type"]], entry["default"])
        for name, entry in entries.items()
    }
