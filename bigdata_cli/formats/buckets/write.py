"""Writing a bucket file: the rows of each table, bucket after bucket.

Buckets of random keys are the same for all tables. Those of a sorted table are parts of it, each of
about as many rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from bigdata_cli.checksum import FileEntry
from bigdata_cli.errors import DataError
from bigdata_cli.formats.base import ShardName, ShardWriter, StorageOptions
from bigdata_cli.formats.buckets.footer import TableEntry, encode_footer
from bigdata_cli.formats.buckets.keys import buckets_of, row_keys
from bigdata_cli.formats.buckets.sort_keys import Keys, SortColumn
from bigdata_cli.formats.hive import MAX_PARTITIONS
from bigdata_cli.io.store import Store, partial_name
from bigdata_cli.types.dtype import Schema

TABLE_BYTES = 16 << 20
TABLE_ROWS = 1 << 20
CODEC = "lz4_raw"
_MAX_GAP = (1 << 16) - 1
_LEAST_ROWS = 16
"""Of a bucket of a sorted table: the keys of first rows take little beside the rows."""


@dataclass(frozen=True, kw_only=True)
class BucketOptions(StorageOptions):
    """How rows are scattered.

    bits: 2**bits is the number of buckets. seed: of random keys, whose first bits are the number of
    the bucket. by: the columns that tables are sorted by instead; of a sorted table no bucket has
    rows that differ in the first n_grouped of them, so that there may be more buckets.
    """

    layout: str = "rows"
    bits: int
    seed: int = 0
    by: tuple[SortColumn, ...] = ()
    n_grouped: int = 0


class PlacedTable(NamedTuple):
    """A table, and the number of its first row in the part."""

    first_row: int
    table: pa.Table


class ScatteredTable(NamedTuple):
    """The rows of a table as they are written.

    pieces: compressed, of each bucket that has rows. sizes: int64 (buckets, 3), see `Footer`.
    firsts: see `TableEntry`.
    """

    first_row: int
    rows: int
    schema: pa.Schema
    is_wide: bool
    pieces: list[pa.Buffer]
    sizes: np.ndarray
    firsts: bytes


def scatter(placed: PlacedTable, options: BucketOptions, part: int) -> ScatteredTable:
    """The rows of a table bucket after bucket, within each in their order; pure."""
    first_row, table = placed
    if options.by:
        order, counts = _sorted_buckets(table, options)
    else:
        order, counts = _random_buckets(placed, options, part)
    columns, names = _sorted_columns(table, order)
    gaps = np.diff(order, prepend=0)
    starts = np.concatenate(([0], np.cumsum(counts)))
    firsts = starts[:-1][counts > 0]
    gaps[firsts] = order[firsts]
    is_wide = bool(options.by) or (bool(len(gaps)) and int(gaps.max()) > _MAX_GAP)
    positions = pa.array(gaps.astype(np.int32 if is_wide else np.uint16))
    batch = pa.RecordBatch.from_arrays([positions, *columns], names=["", *names])
    pieces, sizes = _compressed(batch, starts, counts)
    schema = pa.schema(list(batch.schema)[1:])
    heads = b""
    if options.by:
        keys = batch.select(["", *(one.name for one in options.by)])
        heads = keys.take(pa.array(firsts)).serialize().to_pybytes()
    return ScatteredTable(first_row, table.num_rows, schema, is_wide, pieces, sizes, heads)


def _random_buckets(
    placed: PlacedTable, options: BucketOptions, part: int
) -> tuple[np.ndarray, np.ndarray]:
    """(rows of a table in the order of their buckets: int64 (n,), rows of each: int64 (2**bits,)),
    by random keys."""
    first_row, table = placed
    rows = np.arange(first_row, first_row + table.num_rows, dtype=np.uint64)
    buckets = buckets_of(row_keys(options.seed, part, rows), options.bits)
    order = np.argsort(buckets, kind="stable")  # a radix sort, of 16 bits
    return order, np.bincount(buckets, minlength=1 << options.bits)


def _sorted_buckets(table: pa.Table, options: BucketOptions) -> tuple[np.ndarray, np.ndarray]:
    """(rows of a table in the order of their keys: int64 (n,), rows of each bucket: int64 (k,))."""
    keys = Keys.of([_whole(table.column(one.name)) for one in options.by], options.by)
    order = keys.order()
    n_rows = len(order)
    n_parts = max(1, min(1 << options.bits, n_rows // _LEAST_ROWS))
    cuts = np.linspace(0, n_rows, n_parts + 1).astype(np.int64)
    if options.n_grouped:
        changes = keys.changes(order, options.n_grouped)
        check_groups(len(changes) + 1)
        cuts = np.union1d(cuts, changes)
    return order, np.diff(cuts)


def check_groups(n_groups: int) -> None:
    """Raise DataError where rows have too many values for a folder each."""
    if n_groups > MAX_PARTITIONS:
        raise DataError(
            f"--partition-by: there are more than {MAX_PARTITIONS:,} different values, and each "
            "would be a folder",
            hint="a column of fewer values, such as --derive 'part = substring(id, 1, 2)'; or "
            "--sort-by, by which readers skip row groups",
        )


def _whole(column: pa.ChunkedArray) -> pa.Array:
    """A column in one piece."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # of no rows, in some versions of pyarrow
        return pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    return array


def _sorted_columns(table: pa.Table, order: np.ndarray) -> tuple[list[pa.Array], list[str]]:
    """The columns in that order; those of categories as their texts."""
    indices = pa.array(order)
    columns = []
    for column in table.columns:
        array = _whole(column).take(indices)
        if pa.types.is_dictionary(array.type):
            array = array.dictionary.take(
                array.indices
            )  # `dictionary_decode` takes eight times as long
        columns.append(array)
    return columns, table.column_names


def _compressed(
    batch: pa.RecordBatch, starts: np.ndarray, counts: np.ndarray
) -> tuple[list[pa.Buffer], np.ndarray]:
    """The rows of each bucket as a compressed message of Arrow, and their sizes."""
    codec = pa.Codec(CODEC)
    pieces = []
    sizes = np.zeros((len(counts), 3), np.int64)
    sizes[:, 2] = counts
    for bucket in np.flatnonzero(counts).tolist():
        plain = batch.slice(int(starts[bucket]), int(counts[bucket])).serialize()
        piece = codec.compress(plain)
        sizes[bucket, :2] = piece.size, plain.size
        pieces.append(piece)
    return pieces, sizes


class BucketWriter(ShardWriter):
    """Writes a file of buckets; the number of the shard is that of the part of the source."""

    batch_rows = TABLE_ROWS
    batch_bytes = TABLE_BYTES

    def __init__(self, store: Store, name: ShardName, options: BucketOptions) -> None:
        self._store, self._name = store, name.file("buckets")
        self._part, self._options = name.index, options
        self._file = store.create(partial_name(self._name))
        self._placed_rows = self._bytes = 0
        self._schemas: list[pa.Schema] = []
        self._tables: list[TableEntry] = []
        self._sizes: list[np.ndarray] = []

    def place(self, table: pa.Table) -> PlacedTable:
        placed = PlacedTable(self._placed_rows, table)
        self._placed_rows += table.num_rows
        return placed

    def encode(self, table: PlacedTable) -> ScatteredTable:
        return scatter(table, self._options, self._part)

    def append(self, encoded: ScatteredTable) -> None:
        if encoded.schema not in self._schemas:
            self._schemas.append(encoded.schema)
        self._tables.append(
            TableEntry(
                encoded.first_row,
                encoded.rows,
                self._schemas.index(encoded.schema),
                encoded.is_wide,
                self._bytes,
                len(encoded.sizes),
                encoded.firsts,
            )
        )
        self._sizes.append(encoded.sizes)
        for piece in encoded.pieces:
            self._bytes += self._file.write(piece)

    def widen(self, schema: Schema) -> None:
        """Each table has a schema of its own."""

    def close(self) -> tuple[FileEntry, ...]:
        options = self._options
        footer = encode_footer(
            part=self._part,
            seed=options.seed,
            bits=options.bits,
            by=[one.name for one in options.by],
            schemas=self._schemas,
            tables=self._tables,
            sizes=self._sizes,
        )
        self._file.write(footer)
        return (self._file.finish(self._name),)

    def abort(self) -> None:
        self._file.close()
        self._store.remove([partial_name(self._name)])
