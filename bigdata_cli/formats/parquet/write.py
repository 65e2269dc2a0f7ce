"""Writing Parquet files: row groups in order, then their page indexes and the footer."""

from __future__ import annotations

import os
from collections.abc import Sequence

import pyarrow as pa

from bigdata_cli.checksum import FileEntry
from bigdata_cli.formats.base import ShardName, ShardWriter
from bigdata_cli.formats.parquet.footer import footer
from bigdata_cli.formats.parquet.pages import PageEncoder, RowGroup
from bigdata_cli.formats.parquet.thrift_compact import encode_struct, parse_struct
from bigdata_cli.formats.table_rows import TEXT_BYTES, rows_within
from bigdata_cli.io.store import ByteSink, ByteSource, Store, partial_name
from bigdata_cli.types.dtype import Schema

MAGIC = b"PAR1"
ROW_GROUP_BYTES = 26_000_000
"""Bytes of a row group in memory as Arrow columns, about."""
MAX_ROW_GROUP_BYTES = 56_000_000
MIN_ROW_GROUP_ROWS = 1024
MAX_ROW_GROUP_ROWS = 262_144
_WIDE_COLUMNS = 1000
"""Tables of so many columns have few rows in a row group, and may take MAX_ROW_GROUP_BYTES."""
_FEW_ROWS, _SHORT_TEXT_BYTES = 16_384, 8
"""Row groups of fewer rows are large on disk: each has dictionaries of its own, and metadata of all
columns. So texts are taken to be short, or mostly null, in tables of many; where they are not, the
limit in bytes cuts the row groups."""
_COPY_BYTES = 1 << 22

_MAX_ORDINAL = 2**15 - 1
_FILE_ROWS, _FILE_ROW_GROUPS = 3, 4
"""Field ids of FileMetaData in parquet.thrift."""


class ParquetWriter(ShardWriter):
    """Writes one Parquet file."""

    batch_bytes = MAX_ROW_GROUP_BYTES

    def __init__(
        self,
        store: Store,
        name: ShardName,
        schema: Schema,
        compression: tuple[str, int | None],
        *,
        left_out: Sequence[str] = (),
    ) -> None:
        """left_out: columns of the tables that are not in the file."""
        self.batch_rows = row_group_rows(schema)
        if len(schema) < _WIDE_COLUMNS:
            self.batch_bytes = ROW_GROUP_BYTES
        self._left_out = left_out
        self._compression = compression
        self.widen(schema)
        self._file_name = name.file("parquet")
        self._store = store
        self._file: ByteSink | None = store.create(partial_name(self._file_name))
        self._place = self._file.write(MAGIC)
        self._rows = 0
        self._groups: list[bytes] = []
        self._indexed: dict[int, tuple[RowGroup, int, bytes]] = {}

    def encode(self, table: pa.Table) -> RowGroup | None:
        """The table as a row group; None for one without rows."""
        if not table.num_rows:
            return None
        return self._encoder.encode(table.drop_columns(self._left_out) if self._left_out else table)

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
        self._schema = Schema(tuple(one for one in schema if one.name not in self._left_out))
        self._encoder = PageEncoder(self._schema, *self._compression)

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

    def copy_row_groups(self, source: ByteSource) -> None:
        """Take all row groups of a whole Parquet file, whose columns are stored as this one's."""
        assert self._file is not None
        size = source.seek(-8, os.SEEK_END) + 8
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
        self._store.remove([partial_name(self._file_name)])


def row_group_rows(schema: Schema) -> int:
    """Rows of a row group: at most ROW_GROUP_BYTES of Arrow memory, or MIN_ROW_GROUP_ROWS.

    >>> from bigdata_cli.types.dtype import Column
    >>> row_group_rows(Schema((Column(name="a", dtype="float64"),)))
    262144
    """
    rows = _fitting_rows(schema, TEXT_BYTES)
    if rows >= _FEW_ROWS:
        return rows
    return max(rows, min(_FEW_ROWS, _fitting_rows(schema, _SHORT_TEXT_BYTES)))


def _fitting_rows(schema: Schema, text_bytes: int) -> int:
    return rows_within(
        schema,
        ROW_GROUP_BYTES if len(schema) < _WIDE_COLUMNS else MAX_ROW_GROUP_BYTES,
        smallest=MIN_ROW_GROUP_ROWS,
        largest=MAX_ROW_GROUP_ROWS,
        text_categories=True,
        text_bytes=text_bytes,
    )
