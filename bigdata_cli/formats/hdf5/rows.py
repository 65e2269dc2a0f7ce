"""Rows of an HDF5 shard that stays open.

Where chunks are stored as they are, their rows are at known places of the file, and one gather from
the mapped file takes them, or a copy of each chunk. Compressed chunks and text are read through
HDF5.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa

from bigdata_cli.arrays.columns import matrix_columns
from bigdata_cli.errors import VerificationError
from bigdata_cli.formats.base import RowAccess, StorageOptions
from bigdata_cli.formats.hdf5.read import (
    DAMAGE,
    arrow_values,
    damaged,
    equal_length,
    max_rows_at_once,
    open_columns,
    open_file,
    open_matrix,
)
from bigdata_cli.formats.row_ranges import clipped
from bigdata_cli.io.store import Files, StoredFile
from bigdata_cli.types.dtype import Schema


class Hdf5Rows(RowAccess):
    """Rows of a shard; its file stays open."""

    def __init__(
        self,
        store: Files,
        files: Sequence[str],
        schema: Schema,
        options: StorageOptions,
        columns: Sequence[str],
    ) -> None:
        if len(files) != 1:
            raise VerificationError(f"a shard in {store} has {len(files)} files, and not one")
        self._path = StoredFile(store, files[0])
        self._source = schema, options
        self._columns = [schema[name] for name in columns]
        self._masks: dict[str, _Selected | _Placed] = {}
        try:
            # HDF5 would keep a megabyte of chunks of each dataset of every open file.
            self._file = open_file(self._path, rdcc_nbytes=0)
            local = self._path.local_path()
            content = None if local is None else _FileContent(local)
            if options.layout == "matrix":
                self._datasets = open_matrix(self._file, schema, options, columns)
            else:
                values, masks = open_columns(self._file, self._columns)
                self._datasets = dict(zip(columns, values, strict=True))
                self._masks = {name: _places(mask, content) for name, mask in masks.items()}
            self.rows = equal_length(self._file, list(self._datasets.values()))
            self._values = {n: _places(found, content) for n, found in self._datasets.items()}
        except DAMAGE as error:
            raise damaged(self._path, str(error)) from error

    def take(self, rows: np.ndarray) -> pa.RecordBatch:
        if len(rows) and rows[-1] >= self.rows:
            raise VerificationError(f"{self._path} has {self.rows:,} rows")
        try:
            return self._batch(
                {name: found.take(rows) for name, found in self._values.items()},
                {name: mask.take(rows) for name, mask in self._masks.items()},
            )
        except DAMAGE as error:
            raise damaged(self._path, str(error)) from error

    def read(self, rows: range, max_rows: int) -> Iterator[pa.RecordBatch]:
        rows = clipped(rows, self.rows)
        step = max_rows_at_once(list(self._datasets.values()), max_rows)
        for start in range(rows.start, rows.stop, step):
            stop = min(start + step, rows.stop)
            try:
                batch = self._batch(
                    {name: found.read(start, stop) for name, found in self._values.items()},
                    {name: mask.read(start, stop) for name, mask in self._masks.items()},
                )
            except DAMAGE as error:
                raise damaged(self._path, str(error)) from error
            yield batch

    def gather(self, ranges: Sequence[range]) -> pa.RecordBatch:
        if ranges[-1].stop > self.rows:
            return super().gather(ranges)
        try:
            return self._batch(
                {name: found.gather(ranges) for name, found in self._values.items()},
                {name: mask.gather(ranges) for name, mask in self._masks.items()},
            )
        except DAMAGE as error:
            raise damaged(self._path, str(error)) from error

    def read_matrix(
        self, rows: range, max_rows: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        rows = clipped(rows, self.rows)
        step = max_rows_at_once(list(self._datasets.values()), max_rows)
        label = self._values.get("y")
        for start in range(rows.start, rows.stop, step):
            stop = min(start + step, rows.stop)
            try:
                X = self._values["X"].read(start, stop)
                y = None if label is None else label.read(start, stop)
            except DAMAGE as error:
                raise damaged(self._path, str(error)) from error
            yield X, y

    def _batch(
        self, values: Mapping[str, np.ndarray], valid: Mapping[str, np.ndarray]
    ) -> pa.RecordBatch:
        schema, options = self._source
        names = [column.name for column in self._columns]
        if options.layout == "matrix":
            return matrix_columns(
                values.get("X"), values.get("y"), schema, options.label, columns=names
            )
        arrays = [
            arrow_values(values[name], valid.get(name), schema[name], self._file) for name in names
        ]
        return pa.RecordBatch.from_arrays(arrays, names=names)


class _Selected:
    """Rows of a dataset, read by HDF5."""

    def __init__(self, dataset: h5py.Dataset) -> None:
        self._dataset = dataset

    def take(self, rows: np.ndarray) -> np.ndarray:
        return self._dataset[rows]

    def gather(self, ranges: Sequence[range]) -> np.ndarray:
        return np.concatenate([self._dataset[rows.start : rows.stop] for rows in ranges])

    def read(self, start: int, stop: int) -> np.ndarray:
        return self._dataset[start:stop]


class _FileContent:
    """The bytes of a file, which stays open for all of its datasets."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115
        self.size = os.fstat(self._file.fileno()).st_size

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()

    @cached_property
    def map(self) -> mmap.mmap:
        """The file, mapped: what is touched of it counts as memory of this process."""
        return mmap.mmap(self._file.fileno(), self.size, access=mmap.ACCESS_READ)

    def read_into(self, at: int, out: np.ndarray) -> None:
        """Copy bytes to `out`, uint8 (n,), without the map where the system can."""
        if hasattr(os, "preadv"):
            filled = 0
            while filled < len(out):
                n_read = os.preadv(self._file.fileno(), [out[filled:]], at + filled)
                if not n_read:
                    raise OSError("the file has become shorter")
                filled += n_read
            return
        out[:] = np.frombuffer(self.map, np.uint8, len(out), at)


class _Placed:
    """Rows of a dataset, by their places in the file. starts: the byte of each chunk, int64."""

    def __init__(
        self, dataset: h5py.Dataset, starts: np.ndarray, chunk_rows: int, content: _FileContent
    ) -> None:
        self._dtype = dataset.dtype
        self._row_shape = dataset.shape[1:]
        self._row_bytes = self._dtype.itemsize * int(np.prod(self._row_shape, dtype=np.int64))
        self._starts = starts
        self._chunk_rows = chunk_rows
        self._content = content
        last = content.size - chunk_rows * self._row_bytes
        if len(starts) and not 0 <= starts.min() <= starts.max() <= last:
            raise damaged(str(content.path), f'chunks of "{dataset.name[1:]}" are beyond its end')

    def take(self, rows: np.ndarray) -> np.ndarray:
        chunk, place = np.divmod(rows, self._chunk_rows)
        at = self._starts[chunk] + place * self._row_bytes
        # Rows may begin at any byte: as many overlapping items as there are bytes.
        item = np.dtype((np.void, self._row_bytes))
        n_items = self._content.size - self._row_bytes + 1
        items = np.ndarray((n_items,), item, buffer=self._content.map, strides=(1,))
        return items[at].view(self._dtype).reshape(len(rows), *self._row_shape)

    def read(self, start: int, stop: int) -> np.ndarray:
        return self.gather([range(start, stop)])

    def gather(self, ranges: Sequence[range]) -> np.ndarray:
        """Rows of ranges one after the other, a copy of each chunk's part."""
        out = np.empty((sum(map(len, ranges)), *self._row_shape), self._dtype)
        content = out.reshape(-1).view(np.uint8)
        first = 0
        for rows in ranges:
            row = rows.start
            while row < rows.stop:
                chunk, place = divmod(row, self._chunk_rows)
                n_rows = min(rows.stop - row, self._chunk_rows - place)
                at = int(self._starts[chunk]) + place * self._row_bytes
                last = first + n_rows * self._row_bytes
                self._content.read_into(at, content[first:last])
                first, row = last, row + n_rows
        return out


def _places(dataset: h5py.Dataset, content: _FileContent | None) -> _Selected | _Placed:
    """How the rows of a dataset are had."""
    plist = dataset.id.get_create_plist()
    if content is None or dataset.dtype.kind == "O" or plist.get_nfilters():
        return _Selected(dataset)
    if dataset.chunks is None:
        at = dataset.id.get_offset()
        if at is None:
            return _Selected(dataset)
        return _Placed(dataset, np.array([at]), dataset.shape[0], content)
    chunk_rows, whole_rows = dataset.chunks[0], dataset.chunks[1:] == dataset.shape[1:]
    starts = np.full(-(-dataset.shape[0] // chunk_rows), -1, np.int64)
    for index in range(dataset.id.get_num_chunks()):
        chunk = dataset.id.get_chunk_info(index)
        if chunk.filter_mask or chunk.byte_offset is None:
            return _Selected(dataset)
        starts[chunk.chunk_offset[0] // chunk_rows] = chunk.byte_offset
    if not whole_rows or (starts < 0).any():  # what was never written has no place
        return _Selected(dataset)
    return _Placed(dataset, starts, chunk_rows, content)
