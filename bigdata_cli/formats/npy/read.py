"""Reading the .npy files of a shard: which is which, their rows, and whether they are whole."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa

from bigdata_cli.arrays.columns import arrow_column, arrow_text, matrix_columns
from bigdata_cli.errors import VerificationError
from bigdata_cli.formats.base import RowAccess, ShardName, StorageOptions
from bigdata_cli.formats.matrix import feature_columns
from bigdata_cli.formats.npy.file import copied_ranges, copied_rows, open_npy
from bigdata_cli.formats.row_ranges import clipped
from bigdata_cli.io.store import Files, StoredFile
from bigdata_cli.types.dtype import VALIDITY_SUFFIX, Column, Kind, Schema, numpy_dtype

OFFSETS_SUFFIX, BYTES_SUFFIX = ".offsets", ".bytes"
"""`name.offsets` says where in `name.bytes` each text begins, and where the last one ends."""
FEATURES, LABEL = "X", "y"
_MAX_BATCH_TEXT_BYTES = 1 << 26
_BLOCK_ROWS = 1 << 20
_PLACE = re.compile(r"-\d{5,}-of-\d{5,}\.npy$")


def value_parts(column: Column) -> tuple[str, ...]:
    """The files that hold a column's values, as parts of the shard's file names."""
    if column.kind is Kind.TEXT:
        return column.name + OFFSETS_SUFFIX, column.name + BYTES_SUFFIX
    return (column.name,)


def _middle(part: str) -> str:
    """A part as it stands in a file's name, with its dot."""
    return _PLACE.sub("", ShardName(stem="", index=0, count=1).file("npy", part))


def _parts(files: Sequence[str], required: Sequence[str], store: Files) -> Mapping[str, StoredFile]:
    """The shard's files by their part of the name.

    The stem may have dots, as columns have: it is what makes all required parts be there. (Of two
    stems that did, the longer would need an endless row of ever longer names.)
    """
    known = set(files)
    for file in files:
        place = _PLACE.search(file)
        first = _middle(required[0])
        if place is None or not file.removesuffix(place.group()).endswith(first):
            continue
        stem = file.removesuffix(place.group()).removesuffix(first)
        names = {part: stem + _middle(part) + place.group() for part in required}
        if known.issuperset(names.values()):
            optional = {
                part + VALIDITY_SUFFIX: stem + _middle(part + VALIDITY_SUFFIX) + place.group()
                for part in _bases(required)
            }
            present = {part: name for part, name in optional.items() if name in known}
            return {part: StoredFile(store, name) for part, name in (names | present).items()}
    raise VerificationError(f"a shard in {store} has no files of {', '.join(required[:5])}")


def _bases(required: Sequence[str]) -> set[str]:
    """The names of columns that the parts may belong to."""
    return {*required, *(part.removesuffix(OFFSETS_SUFFIX) for part in required)}


class ColumnFiles:
    """The open files of one column; `is_whole` says whether all of them is looked at."""

    def __init__(
        self, column: Column, parts: Mapping[str, StoredFile], *, is_whole: bool = True
    ) -> None:
        self.column = column
        names = value_parts(column)
        self._bytes: np.ndarray = np.empty(0, np.uint8)
        self._path = parts[names[0]]
        if column.kind is Kind.TEXT:
            self._values = open_npy(self._path, dtype=np.dtype(np.int64))
            self._bytes = open_npy(parts[names[1]], dtype=np.dtype(np.uint8))
            n_bytes = len(self._bytes)
            check_offsets(self._values, n_bytes, self._path, is_whole=is_whole)
            self.rows = len(self._values) - 1
        else:
            dtype = numpy_dtype(column.dtype, n_values=column.n_values)
            self._values = open_npy(self._path, dtype=dtype)
            self.rows = len(self._values)
        valid = parts.get(column.name + VALIDITY_SUFFIX)
        self._valid = None if valid is None else open_npy(valid, dtype=np.dtype(bool))
        if self._valid is not None and len(self._valid) != self.rows:
            raise VerificationError(f"{valid} does not have the {self.rows:,} rows of its column")

    def last_row(self, start: int, stop: int) -> int:
        """Where a batch from `start` to `stop` must end so that its text fits in memory."""
        if self.column.kind is not Kind.TEXT or start >= stop:
            return stop
        limit = self._values[start] + _MAX_BATCH_TEXT_BYTES
        fitting = int(np.searchsorted(self._values[start : stop + 1], limit, side="right")) - 1
        return start + max(1, min(fitting, stop - start))

    def arrays(self) -> dict[str, np.ndarray]:
        """The mapped arrays, by the part of the name that each file has."""
        parts = value_parts(self.column)
        found = dict(zip(parts, (self._values, self._bytes), strict=False))
        if self._valid is not None:
            found[self.column.name + VALIDITY_SUFFIX] = self._valid
        return found

    def take(self, rows: np.ndarray) -> pa.Array:
        """The values of single rows, in order."""
        valid = None if self._valid is None else self._valid[rows]
        try:
            if self.column.kind is not Kind.TEXT:
                return arrow_column(self._values[rows], valid, self.column)
            starts, ends = self._values[rows], self._values[rows + 1]
            offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(ends - starts)])
            parts = [self._bytes[a:b] for a, b in zip(starts, ends, strict=True)]
            content = np.concatenate([np.empty(0, np.uint8), *parts])
            return arrow_text(offsets, content, valid, self.column)
        except VerificationError as error:
            raise VerificationError(f"{self._path}: {error.message}") from error

    def gather(self, ranges: Sequence[range]) -> pa.Array:
        """The rows of ranges, one after the other."""
        if self.column.kind is Kind.TEXT:
            return pa.concat_arrays([self.read(rows.start, rows.stop) for rows in ranges])
        valid = None if self._valid is None else copied_ranges(self._valid, ranges)
        try:
            return arrow_column(copied_ranges(self._values, ranges), valid, self.column)
        except VerificationError as error:
            raise VerificationError(f"{self._path}: {error.message}") from error

    def read(self, start: int, stop: int) -> pa.Array:
        valid = None if self._valid is None else copied_rows(self._valid, start, stop)
        try:
            if self.column.kind is not Kind.TEXT:
                return arrow_column(copied_rows(self._values, start, stop), valid, self.column)
            offsets = copied_rows(self._values, start, stop + 1)
            content = copied_rows(self._bytes, int(offsets[0]), int(offsets[-1]))
            return arrow_text(offsets, content, valid, self.column)
        except VerificationError as error:
            raise VerificationError(f"{self._path}: {error.message}") from error


def check_offsets(
    offsets: np.ndarray, n_bytes: int, path: StoredFile, *, is_whole: bool = True
) -> None:
    """Raise VerificationError where offsets do not ascend from 0 to `n_bytes`.

    Only their ends are looked at where not `is_whole`.
    """
    if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != n_bytes:
        raise VerificationError(
            f"{path} is damaged: it does not span the {n_bytes:,} bytes of text"
        )
    for start in range(0, len(offsets) - 1, _BLOCK_ROWS) if is_whole else ():
        piece = offsets[start : start + _BLOCK_ROWS + 1]
        if (piece[1:] < piece[:-1]).any():
            raise VerificationError(f"{path} is damaged: its offsets do not ascend")


def open_columns(
    store: Files,
    files: Sequence[str],
    schema: Schema,
    columns: Sequence[str],
    *,
    is_whole: bool = True,
) -> tuple[list[ColumnFiles], int]:
    """The open files of columns of a shard of the layout columns, and its rows."""
    required = [part for column in schema for part in value_parts(column)]
    parts = _parts(files, required, store)
    sources = [ColumnFiles(schema[name], parts, is_whole=is_whole) for name in columns]
    return sources, _common_length(
        {parts[value_parts(s.column)[0]]: s.rows for s in sources}, store
    )


def read_columns(
    store: Files,
    files: Sequence[str],
    schema: Schema,
    *,
    columns: Sequence[str],
    max_rows: int,
    rows: range | None = None,
) -> Iterator[pa.RecordBatch]:
    """The rows of a shard of the layout columns, as `Format.read` gives them."""
    sources, n_rows = open_columns(store, files, schema, columns, is_whole=rows is None)
    return _column_batches(sources, clipped(rows, n_rows), max_rows)


def _column_batches(
    sources: Sequence[ColumnFiles], rows: range, max_rows: int
) -> Iterator[pa.RecordBatch]:
    names = [source.column.name for source in sources]
    start = rows.start
    while start < rows.stop:
        stop = min(start + max_rows, rows.stop)
        for source in sources:
            stop = source.last_row(start, stop)
        arrays = [source.read(start, stop) for source in sources]
        yield pa.RecordBatch.from_arrays(arrays, names=names)
        start = stop


def read_matrix(
    store: Files,
    files: Sequence[str],
    schema: Schema,
    options: StorageOptions,
    *,
    columns: Sequence[str],
    max_rows: int,
    rows: range | None = None,
) -> Iterator[pa.RecordBatch]:
    """The rows of a shard of the layout matrix, as `Format.read` gives them."""
    access = NpyRows(store, files, schema, options, columns)
    yield from access.read(range(access.rows) if rows is None else rows, max_rows)


class NpyRows(RowAccess):
    """Rows of a shard, from its mapped files."""

    def __init__(
        self,
        store: Files,
        files: Sequence[str],
        schema: Schema,
        options: StorageOptions,
        columns: Sequence[str],
    ) -> None:
        self._source = schema, options
        self._columns = list(columns)
        self._files: list[ColumnFiles] = []
        self._path = StoredFile(store, files[0])
        if options.layout == "matrix":
            self._X, self._y, self.rows = open_matrix(store, files, schema, options)
        else:
            self._files, self.rows = open_columns(store, files, schema, columns)

    def take(self, rows: np.ndarray) -> pa.RecordBatch:
        if len(rows) and rows[-1] >= self.rows:
            raise VerificationError(f"{self._path} has {self.rows:,} rows")
        if self._files:
            arrays = [file.take(rows) for file in self._files]
            return pa.RecordBatch.from_arrays(arrays, names=self._columns)
        return self._of_matrix(self._X[rows], None if self._y is None else self._y[rows])

    def read(self, rows: range, max_rows: int) -> Iterator[pa.RecordBatch]:
        rows = clipped(rows, self.rows)
        if self._files:
            yield from _column_batches(self._files, rows, max_rows)
            return
        for X, y in self.read_matrix(rows, max_rows):
            yield self._of_matrix(X, y)

    def gather(self, ranges: Sequence[range]) -> pa.RecordBatch:
        if not self._files or ranges[-1].stop > self.rows:
            return super().gather(ranges)
        arrays = [file.gather(ranges) for file in self._files]
        return pa.RecordBatch.from_arrays(arrays, names=self._columns)

    def read_matrix(
        self, rows: range, max_rows: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        rows = clipped(rows, self.rows)
        for start in range(rows.start, rows.stop, max_rows):
            part = start, min(start + max_rows, rows.stop)
            y = None if self._y is None else copied_rows(self._y, *part)
            yield copied_rows(self._X, *part), y

    def _of_matrix(self, X: np.ndarray, y: np.ndarray | None) -> pa.RecordBatch:
        try:
            return matrix_columns(
                X, y, self._source[0], self._source[1].label, columns=self._columns
            )
        except VerificationError as error:
            raise VerificationError(f"{self._path}: {error.message}") from error


def open_matrix(
    store: Files, files: Sequence[str], schema: Schema, options: StorageOptions
) -> tuple[np.memmap, np.memmap | None, int]:
    """The features, the label, and the number of rows of a shard of the layout matrix."""
    required = [FEATURES] if options.label is None else [FEATURES, LABEL]
    parts = _parts(files, required, store)
    features = open_npy(parts[FEATURES], dtype=np.dtype(options.matrix_dtype), ndim=2)
    n_features = len(feature_columns(schema, options))
    if features.shape[1] != n_features:
        raise VerificationError(
            f"{parts[FEATURES]} has {features.shape[1]} features, and should have {n_features}"
        )
    lengths, labels = {parts[FEATURES]: len(features)}, None
    if options.label is not None:
        label = schema[options.label]
        dtype = numpy_dtype(label.dtype, n_values=label.n_values)
        labels = open_npy(parts[LABEL], dtype=dtype)
        lengths[parts[LABEL]] = len(labels)
    return features, labels, _common_length(lengths, store)


def check_matrix_files(
    store: Files, files: Sequence[str], schema: Schema, options: StorageOptions
) -> int:
    """The rows of a shard of the layout matrix, whose files are those of the schema."""
    _, labels, rows = open_matrix(store, files, schema, options)
    if len(files) != 1 + (labels is not None):
        raise VerificationError(f"a shard in {store} has {len(files)} files, which is too many")
    return rows


def check_column_files(store: Files, files: Sequence[str], schema: Schema) -> int:
    """The rows of a shard of the layout columns, whose files are those of the schema."""
    parts = _parts(files, [part for column in schema for part in value_parts(column)], store)
    others = set(files) - {path.name for path in parts.values()}
    if others:
        raise VerificationError(f"{StoredFile(store, min(others))} is of no column")
    lengths = {parts[value_parts(column)[0]]: ColumnFiles(column, parts).rows for column in schema}
    return _common_length(lengths, store)


def count_matrix_rows(store: Files, files: Sequence[str]) -> int:
    """The rows of a shard of the layout matrix; all its files are checked."""
    lengths = {}
    for file in files:
        is_matrix = _PLACE.sub("", file).endswith(_middle(FEATURES))
        path = StoredFile(store, file)
        lengths[path] = len(open_npy(path, ndim=2 if is_matrix else 1))
    return _common_length(lengths, store)


def count_column_rows(store: Files, files: Sequence[str]) -> int:
    """The rows of a shard of the layout columns; all its files are checked."""
    parts = {_PLACE.sub("", file): StoredFile(store, file) for file in files}
    lengths = {}
    for part, path in parts.items():
        content = parts.get(part.removesuffix(OFFSETS_SUFFIX) + BYTES_SUFFIX)
        if (
            part.endswith(BYTES_SUFFIX)
            and part.removesuffix(BYTES_SUFFIX) + OFFSETS_SUFFIX in parts
        ):
            continue  # checked with its offsets
        if part.endswith(OFFSETS_SUFFIX) and content is not None:
            offsets = open_npy(path, dtype=np.dtype(np.int64))
            check_offsets(offsets, len(open_npy(content, dtype=np.dtype(np.uint8))), path)
            lengths[path] = len(offsets) - 1
        elif _is_validity(part, parts):
            lengths[path] = len(open_npy(path, dtype=np.dtype(bool)))
        else:
            lengths[path] = len(open_npy(path))
    return _common_length(lengths, store)


def _is_validity(part: str, parts: Mapping[str, StoredFile]) -> bool:
    base = part.removesuffix(VALIDITY_SUFFIX)
    return base != part and (base in parts or base + OFFSETS_SUFFIX in parts)


def _common_length(lengths: Mapping[StoredFile, int], store: Files) -> int:
    """The number of rows that all files have; raises VerificationError where they differ."""
    if not lengths:
        raise VerificationError(f"a shard in {store} has no files")
    first, rows = next(iter(lengths.items()))
    for path, length in lengths.items():
        if length != rows:
            raise VerificationError(f"{path} has {length:,} rows, and {first.name} {rows:,}")
    return rows
