"""Parquet: each table becomes a row group, encoded in any thread, put into one file in order.

`encode` makes the pages of a row group, with offsets that are counted from its start
(`parquet_pages.py`, and the C library); `append` puts them into the shard's file, and so knows
where they lie. The page indexes and the footer are written at the end (`parquet_footer.py`).
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa

from bigdata_cli.checksum import FileEntry
from bigdata_cli.errors import VerificationError
from bigdata_cli.formats.base import (
    Change,
    Format,
    ShardName,
    ShardWriter,
    StorageOptions,
    check_options,
    clipped,
    partial_path,
    rows_of_file,
)
from bigdata_cli.formats.codecs import parse_codec
from bigdata_cli.formats.parquet.footer import footer
from bigdata_cli.formats.parquet.pages import PageEncoder, RowGroup
from bigdata_cli.formats.parquet.thrift_compact import encode_struct, parse_struct
from bigdata_cli.formats.parquet.traits import TRAITS
from bigdata_cli.formats.table_rows import rows_within
from bigdata_cli.formats.written_file import WrittenFile
from bigdata_cli.types.buffers import text_array
from bigdata_cli.types.dtype import Column, Kind, Schema, arrow_type

if TYPE_CHECKING:  # only for reading: they take 40 ms to import
    import pyarrow.parquet as pq

MAGIC = b"PAR1"
ROW_GROUP_BYTES = 25_000_000
"""Bytes of a row group in memory as Arrow columns, about."""
MAX_ROW_GROUP_BYTES = 32_000_000
MIN_ROW_GROUP_ROWS = 1024
MAX_ROW_GROUP_ROWS = 262_144
_WIDE_COLUMNS = 1000
"""Tables of so many columns have few rows in a row group, and may take MAX_ROW_GROUP_BYTES."""
_READ_ROWS = 65_536
_BUFFER_BYTES = 1 << 18
_COPY_BYTES = 1 << 22

_MAX_ORDINAL = 2**15 - 1
_FILE_ROWS, _FILE_ROW_GROUPS = 3, 4
"""Field ids of FileMetaData in parquet.thrift."""


class ParquetWriter(ShardWriter):
    """Writes one Parquet file."""

    batch_bytes = MAX_ROW_GROUP_BYTES

    def __init__(
        self, folder: Path, name: ShardName, schema: Schema, compression: tuple[str, int | None]
    ) -> None:
        self.batch_rows = row_group_rows(schema)
        if len(schema) < _WIDE_COLUMNS:
            self.batch_bytes = ROW_GROUP_BYTES
        self._schema = schema
        self._compression = compression
        self._encoder = PageEncoder(schema, *compression)
        self._file_name = name.file("parquet")
        self._path = partial_path(folder / self._file_name)
        self._file: WrittenFile | None = WrittenFile(self._path)
        self._place = self._file.write(MAGIC)
        self._rows = 0
        self._groups: list[bytes] = []
        self._indexed: dict[int, tuple[RowGroup, int, bytes]] = {}

    def encode(self, table: pa.Table) -> RowGroup | None:
        """The table as a row group; None for one without rows."""
        return self._encoder.encode(table) if table.num_rows else None

    def append(self, encoded: RowGroup | None) -> None:
        if encoded is None:
            return
        assert self._file is not None
        place, ordinal = self._place, len(self._groups)
        for piece in encoded.pieces:
            self._place += self._file.write(piece)
        encoded.pieces.clear()
        if encoded.has_index:
            index = encoded.index(place)
            self._indexed[ordinal] = (encoded.without_pages(), place, index)
            self._groups.append(b"")
        else:
            self._groups.append(self._metadata(encoded, place, 0, ordinal))
        self._rows += encoded.rows

    def _metadata(self, group: RowGroup, place: int, index_place: int, ordinal: int) -> bytes:
        # An ordinal is optional, and an i16.
        return self._encoder.group_metadata(
            group, place, index_place, ordinal if ordinal <= _MAX_ORDINAL else -1
        )

    def widen(self, schema: Schema) -> None:
        self._schema = schema
        self._encoder = PageEncoder(schema, *self._compression)

    def close(self) -> tuple[FileEntry, ...]:
        assert self._file is not None
        for ordinal, (group, place, index) in self._indexed.items():
            self._groups[ordinal] = self._metadata(group, place, self._place, ordinal)
            self._place += self._file.write(index)
        encoded = footer(self._schema, self._rows, self._groups)
        self._file.write(encoded + len(encoded).to_bytes(4, "little") + MAGIC)
        entry = self._file.finish(self._file_name)
        self._file = None
        return (entry,)

    def copy_row_groups(self, source: BinaryIO) -> None:
        """Take all row groups of a whole Parquet file, whose columns are stored as this one's."""
        assert self._file is not None
        size = os.fstat(source.fileno()).st_size
        source.seek(size - 8)
        n_bytes = int.from_bytes(source.read(4), "little")
        source.seek(size - 8 - n_bytes)
        before = parse_struct(memoryview(source.read(n_bytes)))
        source.seek(len(MAGIC))
        left = size - 8 - n_bytes - len(MAGIC)
        while left:
            data = source.read(min(left, _COPY_BYTES))
            self._place += self._file.write(data)
            left -= len(data)
        self._rows = before[_FILE_ROWS]
        self._groups = [encode_struct(group) for group in before[_FILE_ROW_GROUPS].items]

    def abort(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        self._path.unlink(missing_ok=True)


def row_group_rows(schema: Schema) -> int:
    """Rows of a row group: at most ROW_GROUP_BYTES of Arrow memory, or MIN_ROW_GROUP_ROWS.

    >>> row_group_rows(Schema((Column(name="a", dtype="float64"),)))
    262144
    """
    return rows_within(
        schema,
        ROW_GROUP_BYTES,
        smallest=MIN_ROW_GROUP_ROWS,
        largest=MAX_ROW_GROUP_ROWS,
        text_categories=True,
    )


def _page_bytes(column: Column) -> int:
    """The bytes of an integer in a page."""
    return 8 if column.dtype.endswith("64") else 4


class ParquetFormat(Format):
    """Parquet: a column of the dataset is a column of the file."""

    traits = TRAITS

    def physical(self, column: Column, options: StorageOptions) -> str:
        if column.kind is Kind.NULL:
            return "bool"
        # A category's strings are stored, not its codes: the vocabulary does not matter.
        return "text" if column.kind is Kind.CATEGORY else column.dtype

    def change(
        self, old: Column, new: Column, options: StorageOptions, *, has_values: bool
    ) -> Change:
        change = super().change(old, new, options, has_values=has_values)
        if change is Change.VALUES and old.kind is Kind.INT and new.kind is Kind.INT:
            # INT(8) to UINT(32) are annotations of INT32, and stand in the footer only. Values that
            # lie in both are the same bytes, in pages and in statistics.
            return Change.HEADER if _page_bytes(old) == _page_bytes(new) else change
        return change

    def max_table_bytes(self, schema: Schema, options: StorageOptions, row_bytes: float) -> int:
        return int(min(ParquetWriter.batch_bytes, row_group_rows(schema) * row_bytes))

    def encoded_row_bytes(self, schema: Schema, options: StorageOptions, row_bytes: float) -> float:
        return 1.5 * row_bytes

    def table_rows(self, schema: Schema, options: StorageOptions) -> int:
        return row_group_rows(schema)

    def rewrite_headers(
        self, folder: Path, old: ShardName, files: Sequence[str], new: ShardName,
        schema: Schema, options: StorageOptions,
    ) -> tuple[FileEntry, ...]:  # fmt: skip
        [file] = files
        writer = self.writer(folder, new, schema, options)
        try:
            with partial_path(folder / file).open("rb") as source:
                writer.copy_row_groups(source)
            return writer.close()
        except BaseException:
            writer.abort()
            raise

    def check(self, schema: Schema, options: StorageOptions) -> None:
        check_options(self, schema, options)
        parse_codec(self, options)

    def writer(
        self, folder: Path, name: ShardName, schema: Schema, options: StorageOptions
    ) -> ParquetWriter:
        return ParquetWriter(folder, name, schema, parse_codec(self, options))

    def read(
        self,
        folder: Path,
        files: Sequence[str],
        schema: Schema,
        options: StorageOptions,
        *,
        columns: Sequence[str] | None = None,
        max_rows: int = 65_536,
        rows: range | None = None,
    ) -> Iterator[pa.RecordBatch]:
        names = list(schema.names if columns is None else columns)
        wanted = [schema[name] for name in names]
        categories = [column.name for column in wanted if column.kind is Kind.CATEGORY]
        before = 0
        for file_name in files:
            path = folder / file_name
            with _opened(path, categories) as file:
                _check_columns(path, file, wanted)
                part = rows_of_file(rows, before)
                before += file.metadata.num_rows
                for batch in _batches(path, file, names, max_rows, part):
                    arrays = [_logical(batch.column(c.name), c, path) for c in wanted]
                    whole = pa.RecordBatch.from_arrays(arrays, names=names)
                    for start in range(0, whole.num_rows, max_rows):
                        yield whole.slice(start, max_rows)

    def block_rows(self, schema: Schema, options: StorageOptions) -> int:
        """Those of a row group, as a conversion without a memory limit makes them."""
        return row_group_rows(schema)

    def check_schema(
        self, folder: Path, files: Sequence[str], schema: Schema, options: StorageOptions
    ) -> int:
        rows = 0
        for file_name in files:
            path = folder / file_name
            with _opened(path) as file:
                _check_columns(path, file, schema.columns)
                found = tuple(file.schema_arrow.names)
                if found != schema.names:
                    other = next((n for n in found if n not in schema.names), None)
                    what = (
                        "the columns in another order" if other is None else f'a column "{other}"'
                    )
                    raise VerificationError(f"{path} has {what}")
                rows += file.metadata.num_rows
        return rows

    def count_rows(self, folder: Path, files: Sequence[str], options: StorageOptions) -> int:
        rows = 0
        for file_name in files:
            path = folder / file_name
            with _opened(path) as file:
                found = sum(b.num_rows for b in _batches(path, file, None, _READ_ROWS))
                if found != file.metadata.num_rows:
                    raise VerificationError(
                        f"{path}: the footer says {file.metadata.num_rows:,} rows, "
                        f"and there are {found:,}"
                    )
                rows += found
        return rows


@contextmanager
def _opened(path: Path, categories: Sequence[str] = ()) -> Iterator[pq.ParquetFile]:
    """A file, some of whose columns are read as dictionaries where they are stored as such.

    pyarrow makes no dictionary of other pages of texts than plain ones.
    """
    import pyarrow.parquet as pq

    with _damage_of(path):
        metadata = pq.read_metadata(path) if categories else None
        file = pq.ParquetFile(
            path,
            metadata=metadata,
            read_dictionary=_dictionaries(metadata, categories) if metadata else [],
            page_checksum_verification=True,
            # Else the row groups that are ahead are held too, and columns as a whole.
            pre_buffer=False,
            buffer_size=_BUFFER_BYTES,
        )
    with file:
        yield file


def _dictionaries(metadata: pq.FileMetaData, names: Sequence[str]) -> list[str]:
    """Those of the columns that have a dictionary in every row group."""
    places = {metadata.schema.column(i).name: i for i in range(metadata.num_columns)}
    groups = [metadata.row_group(g) for g in range(metadata.num_row_groups)]
    return [
        name
        for name in names
        if name in places and all(g.column(places[name]).has_dictionary_page for g in groups)
    ]


@contextmanager
def _damage_of(path: Path) -> Iterator[None]:
    """What pyarrow says of a damaged file as VerificationError."""
    try:
        yield
    except FileNotFoundError as error:
        raise VerificationError(f"{path} is missing") from error
    except KeyError as error:  # of a column that was asked for
        raise VerificationError(f"{path} has no column {error}") from error
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        raise VerificationError(f"{path} is damaged: {error}") from error


def _batches(
    path: Path,
    file: pq.ParquetFile,
    names: list[str] | None,
    max_rows: int,
    rows: range | None = None,
) -> Iterator[pa.RecordBatch]:
    """Record batches of the rows; larger than `max_rows` where that is few, for speed."""
    groups, skipped, left = _groups_of(path, file, rows)
    with _damage_of(path):
        batches = file.iter_batches(
            batch_size=max(max_rows, 8192), columns=names, row_groups=groups
        )
    while left:
        with _damage_of(path):
            batch: Any = next(batches, None)
        if batch is None:
            return
        if skipped < batch.num_rows:
            wanted = batch.slice(skipped, int(min(left, batch.num_rows)))
            left -= wanted.num_rows
            yield wanted
        skipped = max(0, skipped - batch.num_rows)


def _groups_of(
    path: Path, file: pq.ParquetFile, rows: range | None
) -> tuple[list[int], int, float]:
    """The row groups that hold the rows, how many of theirs come before, how many are wanted."""
    with _damage_of(path):
        sizes = [file.metadata.row_group(g).num_rows for g in range(file.num_row_groups)]
    if rows is None:
        return list(range(len(sizes))), 0, math.inf
    groups: list[int] = []
    skipped = end = 0
    for group, size in enumerate(sizes):
        start, end = end, end + size
        if start < rows.stop and rows.start < end:
            if not groups:
                skipped = rows.start - start
            groups.append(group)
    return groups, skipped, len(clipped(rows, end))


def _check_columns(path: Path, file: pq.ParquetFile, wanted: Sequence[Column]) -> None:
    with _damage_of(path):
        found = {field.name: field.type for field in file.schema_arrow}
    for column in wanted:
        expected = arrow_type(column.dtype)
        if column.kind is Kind.CATEGORY and found.get(column.name) == pa.string():
            continue
        if found.get(column.name) != expected:
            raise VerificationError(
                f'{path}: column "{column.name}" is {found.get(column.name, "missing")}, '
                f"and should be {expected}"
            )


def _logical(array: pa.Array, column: Column, path: Path) -> pa.Array:
    """A column as the schema has it: a category with the dataset's vocabulary."""
    if column.kind is not Kind.CATEGORY:
        return array
    import pyarrow.compute as pc

    vocabulary = text_array(column.vocabulary or ())
    if pa.types.is_dictionary(array.type):
        codes = pc.index_in(array.dictionary, vocabulary).take(array.indices)
    else:
        codes = pc.index_in(array, vocabulary)
    if codes.null_count != array.null_count:
        raise VerificationError(
            f'{path}: column "{column.name}" has a value that is not among its categories'
        )
    return pa.DictionaryArray.from_arrays(codes, vocabulary)


FORMAT = ParquetFormat()
