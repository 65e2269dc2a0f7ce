"""Bucket files: the rows of a part of a source, scattered by random keys, or sorted.

They are no format of datasets. A conversion that changes the order of all rows writes them, reads
them bucket by bucket, and removes them (`conversion/reorder.py`). A file has tables of about 16 MB,
each with its own schema, and of each table the rows of bucket 0, of bucket 1, …; each as a
compressed message of Arrow. So one file is open at a time, however many buckets there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from bigdata_cli.errors import VerificationError
from bigdata_cli.formats.base import (
    Change,
    Format,
    ShardName,
    StorageOptions,
)
from bigdata_cli.formats.buckets.read import BucketFile
from bigdata_cli.formats.buckets.traits import TRAITS
from bigdata_cli.formats.buckets.write import (
    TABLE_BYTES,
    TABLE_ROWS,
    BucketOptions,
    BucketWriter,
)
from bigdata_cli.io.store import Files, Store, StoredFile
from bigdata_cli.types.buffers import text_array
from bigdata_cli.types.dtype import Column, Kind, Schema

_KEY_BYTES = 24
"""Of a value to sort by: as a key, the same while it is compared."""


class BucketFormat(Format):
    """`NAME-00000-of-00003.buckets`."""

    traits = TRAITS

    def physical(self, column: Column, options: StorageOptions) -> str:
        return "text" if column.kind is Kind.CATEGORY else column.dtype

    def change(
        self, old: Column, new: Column, options: StorageOptions, *, has_values: bool
    ) -> Change:
        """Integers of any width are what they are: they are widened when they are read."""
        if not has_values or old.kind is new.kind is Kind.INT:
            return Change.SAME
        return super().change(old, new, options, has_values=has_values)

    def max_table_bytes(self, schema: Schema, options: StorageOptions, row_bytes: float) -> int:
        return int(min(TABLE_BYTES, TABLE_ROWS * row_bytes))

    def encoded_row_bytes(self, schema: Schema, options: StorageOptions, row_bytes: float) -> float:
        # The chunks of a table as one, its rows sorted, the same compressed; keys and their order.
        assert isinstance(options, BucketOptions)
        return 3.2 * row_bytes + 32 + _KEY_BYTES * len(options.by)

    def writer(
        self, store: Store, name: ShardName, schema: Schema, options: StorageOptions
    ) -> BucketWriter:
        assert isinstance(options, BucketOptions)
        return BucketWriter(store, name, options)

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
            with BucketFile(StoredFile(store, name)) as file:
                for batch in file.tables(wanted):
                    part = batch
                    if rows is not None:
                        first = max(0, rows.start - before)
                        part = batch.slice(first, max(0, rows.stop - before - first))
                    before += batch.num_rows
                    for place in range(0, part.num_rows, max_rows):
                        yield _with_vocabularies(part.slice(place, max_rows), wanted)

    def block_rows(self, schema: Schema, options: StorageOptions) -> None:
        return None

    def count_rows(self, store: Files, files: Sequence[str], options: StorageOptions) -> int:
        rows = 0
        for name in files:
            with BucketFile(StoredFile(store, name)) as file:
                rows += sum(batch.num_rows for batch in file.tables(()))
        return rows

    def check_schema(
        self, store: Files, files: Sequence[str], schema: Schema, options: StorageOptions
    ) -> int:
        rows = 0
        for name in files:
            with BucketFile(StoredFile(store, name)) as file:
                for found in file.schemas:
                    if tuple(found.names) != schema.names:
                        raise VerificationError(
                            f"{store.where(name)} has the columns {', '.join(found.names)}"
                        )
                rows += file.rows
        return rows


def _with_vocabularies(batch: pa.RecordBatch, columns: Sequence[Column]) -> pa.RecordBatch:
    """The batch with categories as codes of their vocabularies."""
    import pyarrow.compute as pc

    arrays = []
    for array, column in zip(batch.columns, columns, strict=True):
        if column.kind is Kind.CATEGORY:
            words = text_array(column.vocabulary or ())
            codes = pc.index_in(array, words)
            array = pa.DictionaryArray.from_arrays(codes, words)
        arrays.append(array)
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)


FORMAT = BucketFormat()
