"""Parquet: each table becomes a row group, encoded in any thread, put into one file in order.

`encode` makes the pages of a row group, with offsets that are counted from its start
(`pages.py`, and the C library); `append` puts them into the shard's file, and so knows
where they lie (`write.py`). The page indexes and the footer are written at the end (`footer.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from bigdata_cli.checksum import FileEntry
from bigdata_cli.formats.base import (
    Change,
    Format,
    ShardName,
    StorageOptions,
    check_options,
)
from bigdata_cli.formats.codecs import parse_codec
from bigdata_cli.formats.parquet.read import check_schema, count_rows, read_rows
from bigdata_cli.formats.parquet.traits import TRAITS
from bigdata_cli.formats.parquet.write import ParquetWriter, row_group_rows
from bigdata_cli.io.store import Files, Store, partial_name
from bigdata_cli.types.dtype import Column, Kind, Schema


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
        self, store: Store, old: ShardName, files: Sequence[str], new: ShardName,
        schema: Schema, options: StorageOptions,
    ) -> tuple[FileEntry, ...]:  # fmt: skip
        [file] = files
        writer = self.writer(store, new, schema, options)
        try:
            with store.open(partial_name(file)) as source:
                writer.copy_row_groups(source)
            return writer.close()
        except BaseException:
            writer.abort()
            raise

    def check(self, schema: Schema, options: StorageOptions) -> None:
        check_options(self, schema, options)
        parse_codec(self, options)

    def writer(
        self, store: Store, name: ShardName, schema: Schema, options: StorageOptions
    ) -> ParquetWriter:
        codec = parse_codec(self, options)
        return ParquetWriter(store, name, schema, codec, left_out=options.partition_by)

    def read(
        self,
        store: Files,
        files: Sequence[str],
        schema: Schema,
        options: StorageOptions,
        *,
        columns: Sequence[str] | None = None,
        max_rows: int = 65_536,
        rows: range | None = None,
    ) -> Iterator[pa.RecordBatch]:
        wanted = [schema[name] for name in (schema.names if columns is None else columns)]
        return read_rows(
            store, files, wanted, constants=options.partition_by, max_rows=max_rows, rows=rows
        )

    def block_rows(self, schema: Schema, options: StorageOptions) -> int:
        """Those of a row group, as a conversion without a memory limit makes them."""
        return row_group_rows(schema)

    def check_schema(
        self, store: Files, files: Sequence[str], schema: Schema, options: StorageOptions
    ) -> int:
        return check_schema(store, files, schema, constants=options.partition_by)

    def count_rows(self, store: Files, files: Sequence[str], options: StorageOptions) -> int:
        return count_rows(store, files)


def _page_bytes(column: Column) -> int:
    """The bytes of an integer in a page."""
    return 8 if column.dtype.endswith("64") else 4


FORMAT = ParquetFormat()
