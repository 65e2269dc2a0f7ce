"""Arrow IPC files: what Arrow has in memory, on the disk, a record batch after the other.

A column of the dataset is a column of the file; a category is a dictionary with the vocabulary of
the dataset, the same in all files. Readers that map a file use its values where they lie, if it is
not compressed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from bigdata_cli.errors import VerificationError
from bigdata_cli.formats.arrow.file import ArrowFile
from bigdata_cli.formats.arrow.read import ArrowRows, batches_of, check_columns
from bigdata_cli.formats.arrow.traits import TRAITS
from bigdata_cli.formats.arrow.write import MAX_BATCH_BYTES, ArrowWriter, batch_rows
from bigdata_cli.formats.base import Format, ShardName, StorageOptions, check_options
from bigdata_cli.formats.codecs import parse_codec, parse_compression
from bigdata_cli.formats.matrix import vocabulary_digest
from bigdata_cli.formats.row_ranges import rows_of_file
from bigdata_cli.io.store import Files, Store, StoredFile
from bigdata_cli.types.dtype import Column, Kind, Schema


class ArrowFormat(Format):
    """`NAME-00000-of-00003.arrow`."""

    traits = TRAITS

    def physical(self, column: Column, options: StorageOptions) -> str:
        if column.kind is Kind.NULL:
            return "bool"
        if column.kind is Kind.CATEGORY:
            return f"category {vocabulary_digest(column)}"
        return column.dtype

    def table_rows(self, schema: Schema, options: StorageOptions) -> int:
        return batch_rows(schema)

    def max_table_bytes(self, schema: Schema, options: StorageOptions, row_bytes: float) -> int:
        return int(min(MAX_BATCH_BYTES, batch_rows(schema) * row_bytes))

    def encoded_row_bytes(self, schema: Schema, options: StorageOptions, row_bytes: float) -> float:
        # The arrays; where they are compressed, the buffers of that, as large as they may become.
        return row_bytes * (1.2 if parse_compression(self, options)[0] == "none" else 2.4)

    def check(self, schema: Schema, options: StorageOptions) -> None:
        check_options(self, schema, options)
        parse_codec(self, options)

    def writer(
        self, store: Store, name: ShardName, schema: Schema, options: StorageOptions
    ) -> ArrowWriter:
        return ArrowWriter(store, name, schema, parse_codec(self, options))

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
        before = 0
        for name in files:
            # A map would count all of a file as memory when it is read to its end.
            with ArrowFile(StoredFile(store, name), wanted, is_mapped=rows is not None) as file:
                yield from batches_of(file, rows_of_file(rows, before), max_rows, file.batch)
                before += file.rows

    def block_rows(self, schema: Schema, options: StorageOptions) -> int:
        """Those of a record batch; of what is not compressed any row is read by itself."""
        return 1 if parse_compression(self, options)[0] == "none" else batch_rows(schema)

    def open_rows(
        self,
        store: Files,
        files: Sequence[str],
        schema: Schema,
        options: StorageOptions,
        *,
        columns: Sequence[str],
    ) -> ArrowRows:
        is_compressed = parse_compression(self, options)[0] != "none"
        wanted = [schema[name] for name in columns]
        return ArrowRows(store, files, wanted, is_compressed=is_compressed)

    def check_schema(
        self, store: Files, files: Sequence[str], schema: Schema, options: StorageOptions
    ) -> int:
        rows = 0
        for name in files:
            with ArrowFile(StoredFile(store, name), schema.columns) as file:
                check_columns(StoredFile(store, name), file.schema, schema)
                rows += file.rows
        return rows

    def count_rows(self, store: Files, files: Sequence[str], options: StorageOptions) -> int:
        rows = 0
        for name in files:
            with ArrowFile(StoredFile(store, name)) as file:
                found = sum(file.batch(number).num_rows for number in range(file.n_batches))
                if found != file.rows:
                    raise VerificationError(
                        f"{store.where(name)}: {file.rows:,} rows are promised, and there "
                        f"are {found:,}"
                    )
                rows += found
        return rows


FORMAT = ArrowFormat()
