"""What loaders share: the dataset that they read, and the encoders that make arrays of its rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import pyarrow as pa

from bigdata_cli.formats.base import Format, StorageOptions
from bigdata_cli.io.store import Store
from bigdata_cli.resources.pages import pages
from bigdata_cli.types.dtype import Column, Schema
from bigdata_cli.types.statistics import ColumnStatistics
from bigdata_cli.url import Place

if TYPE_CHECKING:
    from bigdata_cli.dataset.manifest import Manifest, ShardEntry

_MAPPED_BYTES = 1 << 20
"""Arrays of at least this size do not come from the heap."""


class ColumnsOfRows(Protocol):
    """Rows to encode, of a dataset or of another source: what messages call them, their columns."""

    @property
    def path(self) -> Place: ...
    @property
    def schema(self) -> Schema: ...


class ReadableDataset(Protocol):
    """What loaders need of a dataset; `bigdata_cli.dataset.Dataset` documents each member."""

    path: Place
    store: Store
    manifest: Manifest

    @property
    def split_names(self) -> tuple[str, ...]: ...
    def of_split(self, name: str) -> ReadableDataset: ...
    @property
    def schema(self) -> Schema: ...
    @property
    def storage(self) -> StorageOptions: ...
    @property
    def format(self) -> Format: ...
    @property
    def rows(self) -> int: ...
    @property
    def shards(self) -> tuple[ShardEntry, ...]: ...

    def statistics(self, name: str) -> ColumnStatistics: ...
    def select(self, columns: Sequence[str] | None) -> tuple[Column, ...]: ...
    def features(
        self, label: str | None, columns: Sequence[str] | None = None
    ) -> tuple[Column, ...]: ...
    def label(self, label: str | None = None) -> Column: ...
    def label_dtype(self, label: str | None = None) -> np.dtype: ...
    def read(
        self, columns: Sequence[str] | None = None, max_rows: int = ...
    ) -> Iterator[pa.RecordBatch]: ...
    def read_rows(self, columns: Iterable[Column]) -> int: ...
    def read_shard(
        self,
        index: int,
        columns: Sequence[str] | None = None,
        *,
        rows: range | None = None,
        max_rows: int = ...,
    ) -> Iterator[pa.RecordBatch]: ...
    def check_files(self, index: int) -> None: ...
    def check_rows(self, index: int, found: int, rows: range | None = None) -> None: ...


@dataclass(frozen=True, kw_only=True)
class ArraySpec:
    """One array of a window: its name, its dtype, and the shape of a row."""

    name: str
    dtype: np.dtype
    row_shape: tuple[int, ...] = ()

    def empty(self, n_rows: int) -> np.ndarray:
        """An uninitialised array; a large one returns its memory to the system when freed."""
        n_bytes = self.row_bytes * n_rows
        if self.dtype.hasobject or n_bytes < _MAPPED_BYTES:
            return np.empty((n_rows, *self.row_shape), self.dtype)
        return pages(n_bytes).view(self.dtype).reshape(n_rows, *self.row_shape)

    @property
    def row_bytes(self) -> int:
        return self.dtype.itemsize * int(np.prod(self.row_shape, dtype=np.int64))


class Encoder(ABC):
    """Makes arrays of the rows of some columns. Holds no open file and can be pickled.

    Attributes:
        specs: The arrays.
        columns: The columns to read.
        row_bytes: About the bytes of a row in all arrays.
        reads: What `encode` takes: "batches" of columns, or (X, y), the features and the label,
            as the layout "matrix" stores them or as the "floats" of `Format.read_floats`.
    """

    specs: tuple[ArraySpec, ...]
    columns: tuple[Column, ...]
    row_bytes: float
    reads: Literal["batches", "matrix", "floats"] = "batches"

    def empty(self, n_rows: int) -> list[np.ndarray]:
        """Uninitialised arrays for `n_rows` rows."""
        return [spec.empty(n_rows) for spec in self.specs]

    @abstractmethod
    def encode(self, batch: pa.RecordBatch) -> list[np.ndarray]:
        """Return the arrays of a batch with `columns`; they may be read-only."""

    def encode_matrix(self, X: np.ndarray, y: Any) -> list[np.ndarray]:
        """Return the arrays of (X, y) as `reads` says, of shapes (rows, features) and (rows,)."""
        raise TypeError(f"{type(self).__name__} reads batches of columns")

    @abstractmethod
    def batch(self, arrays: Sequence[Any]) -> Any:
        """Return what a caller gets for some rows of the arrays, or for what was made of them."""

    def structure(self, of_array: Callable[[ArraySpec], Any]) -> Any:
        """Return a batch with `of_array(spec)` in place of each array."""
        return self.batch([of_array(spec) for spec in self.specs])
