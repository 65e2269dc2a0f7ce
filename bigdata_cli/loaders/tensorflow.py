"""Datasets as `tf.data`: whole batches from a generator, never a Python call per row."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

from bigdata_cli.errors import MissingDependencyError, UsageError
from bigdata_cli.loaders.base import ArraySpec, ReadableDataset
from bigdata_cli.loaders.encode import Encoding
from bigdata_cli.loaders.epochs import StreamOptions
from bigdata_cli.loaders.make_encoder import make_encoder
from bigdata_cli.loaders.mixture import MixedStream
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


@dataclass(frozen=True, kw_only=True)
class TensorFlowOptions:
    """How TensorFlow gets batches.

    Attributes:
        prefetch: The batches ahead.
        start: An epoch, and how many batches of it were taken before.
        device: Where the tensors are, as "/GPU:0"; None for the CPU.
    """

    prefetch: int = 8
    start: tuple[int, int] = (0, 0)
    device: str | None = None


def tf_dataset(
    dataset: ReadableDataset,
    options: StreamOptions,
    encoding: Encoding,
    given: TensorFlowOptions,
) -> Any:
    """Return a `tf.data.Dataset` of the batches of a dataset; see `Dataset.to_tf`."""
    import_tensorflow(purpose="to_tf")
    encoder = make_encoder(dataset, encoding, plain=True)
    return tf_batches(BatchStream(dataset, encoder, options), given)


def tf_batches(stream: BatchStream | MixedStream, given: TensorFlowOptions) -> Any:
    """Return a `tf.data.Dataset` of the batches of a stream.

    The generator gives several batches at a time, which TensorFlow cuts: a Python call per batch
    costs more than reading it.
    """
    tf = import_tensorflow(purpose="to_tf")
    check_count("prefetch", given.prefetch)
    device = None if given.device is None else known_device(tf, given.device)
    stream.load_state_dict(stream.state_at(*given.start))
    options = stream.options
    rows = options.batch_size if options.drop_remainder else None

    def signature(array: ArraySpec) -> Any:
        is_text = array.dtype == object
        return tf.TensorSpec(
            (None, rows, *array.row_shape), tf.string if is_text else tf.as_dtype(array.dtype)
        )

    stacked = tf.data.Dataset.from_generator(
        lambda: stream.stacked(HANDOVER_BYTES), output_signature=stream.encoder.structure(signature)
    )
    batches = stacked.flat_map(
        lambda *parts: tf.data.Dataset.from_tensor_slices(parts if len(parts) > 1 else parts[0])
    )
    n_batches = stream.batches_of_every_epoch
    if n_batches is not None and given.start[1] == 0:
        batches = batches.apply(tf.data.experimental.assert_cardinality(n_batches))
    if device is None:
        return batches.prefetch(given.prefetch)
    return batches.apply(tf.data.experimental.prefetch_to_device(device, given.prefetch))


def known_device(tf: Any, name: str) -> str:
    """Return the full name of a device.

    Raises:
        UsageError: TensorFlow has no such device.
    """
    known = [device.name for device in tf.config.list_logical_devices()]
    wanted = name if name.startswith("/") else f"/{name}"
    kind, _, number = wanted.rpartition("/")[2].removeprefix("device:").partition(":")
    full = f"/device:{kind.upper()}:{number or 0}"
    if full not in known:
        shown = ", ".join(f'"{one.removeprefix("/device:")}"' for one in known)
        raise UsageError(
            f'device is "{name}", and TensorFlow has only {shown} here',
            hint="without device, or install TensorFlow with its GPU libraries",
        )
    return full


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
