"""Datasets as `tf.data`: whole batches from a generator, never a Python call per row."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from bigdata_cli.errors import MissingDependencyError

if TYPE_CHECKING:
    from bigdata_cli.dataset import Dataset

PREFETCH_BATCHES = 8
_NOTICE = re.compile(rb"WARNING: All log messages before absl|[IW]0000 ")


def import_tensorflow(*, purpose: str) -> Any:
    """TensorFlow, without its messages about the machine; MissingDependencyError where absent.

    TF_CPP_MIN_LOG_LEVEL decides over the messages where it is set. GPUs take memory as they need
    it instead of all at once.
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
    """Keep off stderr what TensorFlow's C++ side says before its log level counts.

    All other lines are passed on afterwards.
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


class BatchFeed:
    """A `tf.data.Dataset` of the batches that a function makes, each time it is iterated.

    signature: the `tf.TensorSpec`s of a batch. TensorFlow turns an error in the generator into
    its own; `batches` raises the one that happened.
    """

    def __init__(
        self,
        make: Callable[[], Iterable[Any]],
        signature: Any,
        *,
        prefetch: int = PREFETCH_BATCHES,
    ) -> None:
        tf = import_tensorflow(purpose="a tf.data.Dataset")
        self._make = make
        self._error: BaseException | None = None
        self.dataset = tf.data.Dataset.from_generator(
            self._generate, output_signature=signature
        ).prefetch(prefetch)

    def _generate(self) -> Iterator[Any]:
        try:
            yield from self._make()
        except Exception as error:
            self._error = error
            raise

    def batches(self) -> Iterator[Any]:
        """The batches as tensors; raises what the generator raised."""
        import tensorflow as tf

        self._error = None
        try:
            yield from self.dataset
        except tf.errors.OpError:
            if self._error is not None:
                raise self._error from None
            raise


def tensorflow_dataset(
    dataset: Dataset,
    batch_size: int,
    *,
    label: str | None = None,
    dtype: str = "float32",
    prefetch: int = PREFETCH_BATCHES,
) -> Any:
    """A `tf.data.Dataset` of (X, y) as `Dataset.xy_batches` gives them.

    X is of `dtype`, shape (batch, features); y of the label's dtype, shape (batch,), a date or
    timestamp as int64 days or ticks. Raises UsageError for text columns.
    """
    import numpy as np

    tf = import_tensorflow(purpose="a tf.data.Dataset")

    def plain(y: np.ndarray) -> np.ndarray:
        return y.view(np.int64) if y.dtype.kind == "M" else y

    y_dtype = dataset.label_dtype(label)
    signature = (
        tf.TensorSpec((None, len(dataset.features(dataset.label(label).name))), dtype),
        tf.TensorSpec((None,), "int64" if y_dtype.kind == "M" else y_dtype),
    )

    def make() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for X, y in dataset.xy_batches(batch_size, label=label, dtype=dtype):
            yield X, plain(y)

    return BatchFeed(make, signature, prefetch=prefetch).dataset
