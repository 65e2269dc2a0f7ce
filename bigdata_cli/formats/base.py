"""What a format is: how a column is stored, a writer of shards, and a reader of them.

A shard is written by `ShardWriter`: `encode` turns a table into bytes (pure, in any thread, with
the GIL released where the time goes), `append` puts the encoded tables into the files, in order.
All files are written under `partial_name(final)` and become visible only at commit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from bigdata_cli.checksum import FileEntry
from bigdata_cli.errors import UsageError
from bigdata_cli.formats.registry import formats_that
from bigdata_cli.formats.traits import FormatTraits
from bigdata_cli.types.dtype import Column, Schema
from bigdata_cli.types.footprint import column_bytes

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from bigdata_cli.io.store import Files, Store
    from bigdata_cli.types.statistics import ColumnStatistics


class Change(IntEnum):
    """What a shard needs where a column turned out to have another dtype than it was written with.

    SAME: nothing, its bytes are what they should be. HEADER: another header or footer around the
    same bytes. VALUES: they are stored otherwise, and can be made of those that are stored. SOURCE:
    they cannot, as their text is not in the shard.
    """

    SAME = 0
    HEADER = 1
    VALUES = 2
    SOURCE = 3


@dataclass(frozen=True, kw_only=True)
class StorageOptions:
    """How a dataset is stored.

    layout: one of the format's layouts. label: the column that a model learns, or None.
    compression: a name the format knows, "none", or None for the format's default; a level
    may follow a colon ("zstd:9"). matrix_dtype: float32 or float64, of feature matrices.
    partition_by: columns whose values are in the names of folders, and not in the files.
    """

    layout: str
    label: str | None = None
    compression: str | None = None
    matrix_dtype: str = "float32"
    partition_by: tuple[str, ...] = ()


class ShardName(msgspec.Struct, frozen=True, kw_only=True):
    """The place of a shard in a dataset: `stem-00000-of-00003`."""

    stem: str
    index: int
    count: int

    def file(self, extension: str, part: str | None = None) -> str:
        """The name of a file of the shard; a part (a column's name) is percent-encoded.

        >>> ShardName(stem="trips", index=0, count=3).file("npy", "fare/total")
        'trips.fare%2Ftotal-00000-of-00003.npy'
        """
        middle = "" if part is None else "." + quote(part, safe=" ()+,=@[]{}~$&;!'#^")
        return f"{self.stem}{middle}-{self.index:05d}-of-{self.count:05d}.{extension}"


class ShardWriter(ABC):
    """Writes the files of one shard into a store, under their partial names."""

    batch_rows: int | None = None
    """Rows of each table given to `encode` (the last may be shorter); None: any number."""
    batch_bytes: int | None = None
    """A table is cut before `batch_rows` where it would exceed these bytes in memory."""
    pads_tables: bool = False
    """Whether a last table of fewer rows takes nearly the room of a full one in the files."""

    def place(self, table: pa.Table) -> Any:
        """What `encode` is given of a table; called in the order of the rows, from one thread."""
        return table

    @abstractmethod
    def encode(self, table: Any) -> Any:
        """The table as bytes, ready for `append`. Thread-safe and pure: no I/O, no state.

        table: what `place` gave of a `pa.Table`.
        """

    @abstractmethod
    def append(self, encoded: Any) -> None:
        """Write what `encode` gave; called in the order of the rows, from one thread."""

    @abstractmethod
    def widen(self, schema: Schema) -> None:
        """Go on with a schema that leaves what is written as it is, but for headers.

        All its columns are SAME or HEADER (`Format.change`), and no `encode` is under way.
        """

    @abstractmethod
    def close(self) -> tuple[FileEntry, ...]:
        """Finish the files; returns their final names (they still bear the partial suffix).

        Their checksums are those of the bytes that were written. Nothing need be on the disk yet.
        """

    @abstractmethod
    def abort(self) -> None:
        """Close and remove what was written; safe to call at any time, also twice."""


class RowAccess(ABC):
    """The open files of a shard, whose rows can be had one by one, and from several threads."""

    rows: int
    """How many the files have."""

    @abstractmethod
    def take(self, rows: np.ndarray) -> pa.RecordBatch:
        """The rows of these numbers, int64 (n,), ascending, none twice, as `Format.read` has them.

        Raises VerificationError where a file does not hold them.
        """

    @abstractmethod
    def read(self, rows: range, max_rows: int) -> Iterator[pa.RecordBatch]:
        """What `Format.read` gives of these rows, without opening the files for each range."""

    def gather(self, ranges: Sequence[range]) -> pa.RecordBatch:
        """What `read` gives of ranges of rows that there are, one after the other, as one batch."""
        from bigdata_cli.types.buffers import concat_batches

        return concat_batches(
            [batch for rows in ranges for batch in self.read(rows, max(1, len(rows)))]
        )

    def read_matrix(
        self, rows: range, max_rows: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """These rows of a shard of the layout matrix as they are stored: (X, y).

        X is (rows, features) of the matrix dtype, y (rows,) of the label's, None where the label is
        not among the columns; both are the caller's.
        """
        raise TypeError(f"{type(self).__name__} has no layout matrix")


class Format(ABC):
    """A storage format: its layouts, and how to write and read a shard."""

    traits: FormatTraits

    @property
    def name(self) -> str:
        return self.traits.name

    @abstractmethod
    def physical(self, column: Column, options: StorageOptions) -> str:
        """How a column is stored, as a string; equal strings mean equal bytes.

        Where codes of a vocabulary are stored, the vocabulary is part of the string.
        """

    def change(
        self, old: Column, new: Column, options: StorageOptions, *, has_values: bool
    ) -> Change:
        """What becomes of a column that was written as `old` and is `new`: never SOURCE.

        has_values: whether the shard has a value in it, and not only nulls.
        """
        same = self.physical(old, options) == self.physical(new, options)
        return Change.SAME if same else Change.VALUES

    def feature_spec(self, manifest: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """What a parser of the records needs to know; see `formats/tfrecord/layout.py`.

        Raises UsageError where the format has no records to parse.
        """
        raise UsageError(
            f"{self.name} has no records of features to parse", hint="to_tf() reads every format"
        )

    def stores_codes(self, name: str, options: StorageOptions) -> bool:
        """Whether a category of that name is stored as codes of a vocabulary, not as texts."""
        one, other = (Column(name=name, dtype="category", vocabulary=(text,)) for text in "ab")
        return self.physical(one, options) != self.physical(other, options)

    def holds_text(self, options: StorageOptions) -> bool:
        """Whether the layout holds columns of text, and not only of numbers and categories."""
        return self.traits.layout(options.layout).holds_text

    def kept_dtype(self, column: Column, options: StorageOptions) -> str:
        """The dtype of the values that `read` gives back: a wider one was rounded to it."""
        return column.dtype

    def table_rows(self, schema: Schema, options: StorageOptions) -> int | None:
        """The rows of a table, where the bytes depend on how rows are cut into tables."""
        return None

    def max_table_bytes(
        self, schema: Schema, options: StorageOptions, row_bytes: float
    ) -> int | None:
        """Arrow bytes of the largest table given to `encode`; None where that may be any chunk.

        row_bytes: of a row in a table, on average.
        """
        return None

    @abstractmethod
    def encoded_row_bytes(self, schema: Schema, options: StorageOptions, row_bytes: float) -> float:
        """Memory that `encode` takes for a row, with the copies that are made on the way.

        row_bytes: of a row in a table, on average.
        """

    def array_bytes(
        self, column: Column, known: ColumnStatistics, options: StorageOptions, n_rows: int
    ) -> float:
        """Memory of a column of so many rows as the arrays that a loader makes of it.

        known: the statistics of some of these rows.
        """
        return column_bytes(column, known, rows=n_rows)

    def as_read(self, array: pa.Array, column: Column, options: StorageOptions) -> pa.Array:
        """The values of a source as `read` gives them back, once they are stored."""
        return array

    def rewrite_headers(
        self, store: Store, old: ShardName, files: Sequence[str], new: ShardName,
        schema: Schema, options: StorageOptions,
    ) -> tuple[FileEntry, ...]:  # fmt: skip
        """Write a finished shard under another name, with the headers of another schema.

        All columns are SAME or HEADER. files: those of the shard `old`, which stay; they and the
        new ones are under their partial names. Returns the new ones, as `ShardWriter.close` does.
        """
        raise UsageError(f"{self.name} has no headers to be written by themselves")

    def check(self, schema: Schema, options: StorageOptions) -> None:
        """Raise UsageError where the format or layout cannot hold the schema."""
        check_options(self, schema, options)

    @abstractmethod
    def writer(
        self, store: Store, name: ShardName, schema: Schema, options: StorageOptions
    ) -> ShardWriter:
        """A writer of one shard."""

    @abstractmethod
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
        """The rows of a shard in order, in batches of at most `max_rows`, in bounded memory.

        `files` are the shard's file names as in the manifest. `rows` are those of the shard that
        are read, by random access where the files allow it (`block_rows`); None for all. Rows
        that there are not are left out. Columns have the types of
        `schema.arrow()`, categories with the schema's vocabulary as their dictionary. What a
        layout stores only as a number (a matrix) comes back as the number it stores: features of
        the matrix dtype with null for NaN, categories as categories, the label as its own type.
        Raises VerificationError where a file does not hold what it should.
        """

    def open_rows(
        self,
        store: Files,
        files: Sequence[str],
        schema: Schema,
        options: StorageOptions,
        *,
        columns: Sequence[str],
    ) -> RowAccess:
        """Some columns of a shard, for reading single rows, or one range after another."""
        raise UsageError(
            f"{self.name} gives no single rows",
            hint=formats_that(lambda traits: traits.has_row_access),
        )

    @abstractmethod
    def block_rows(self, schema: Schema, options: StorageOptions) -> int | None:
        """How many rows, counted from a shard's first, are best read together.

        A range of rows that begins at a multiple of them costs what its rows cost. None where a
        shard can only be read on from its start.
        """

    def has_floats(
        self, schema: Schema, options: StorageOptions, features: Sequence[str], label: str
    ) -> bool:
        """Whether there is `read_floats` for these columns."""
        return False

    def read_floats(
        self,
        store: Files,
        files: Sequence[str],
        schema: Schema,
        options: StorageOptions,
        *,
        features: Sequence[str],
        label: str,
        max_rows: int = 65_536,
        rows: range | None = None,
    ) -> Iterator[tuple[np.ndarray, pa.Array]]:
        """The rows of a shard as (X, label), made at once where the layout is none of a matrix.

        X is float32 (rows, features), NaN where there is no value, and the caller's; the label is
        what `read` gives, as are `files`, `max_rows` and `rows`.
        """
        raise UsageError(f"{self.name} gives no matrix of floats")

    @abstractmethod
    def count_rows(self, store: Files, files: Sequence[str], options: StorageOptions) -> int:
        """The rows of a shard, read back through the format's own library.

        Every check that the format has (CRCs, footers, equal lengths) is made; raises
        VerificationError with what is wrong.
        """

    @abstractmethod
    def check_schema(
        self, store: Files, files: Sequence[str], schema: Schema, options: StorageOptions
    ) -> int | None:
        """The rows that the headers of a shard promise, None where it has none.

        Raises VerificationError where its columns are not those of the schema: their names, how
        they are stored, and no others. Only headers and first records are read.
        """

    def sidecars(self, dataset: Mapping[str, Any]) -> dict[str, str]:
        """Extra text files of a dataset (name → content), from its manifest as JSON."""
        return {}


def check_options(form: Format, schema: Schema, options: StorageOptions) -> None:
    """Raise UsageError for a layout, compression or label that the format does not have."""
    if options.layout not in form.traits.layout_names:
        raise UsageError(
            f'{form.name} has no layout "{options.layout}"',
            hint=f"--layout {'|'.join(form.traits.layout_names)}",
        )
    if options.compression is not None:
        name = options.compression.partition(":")[0]
        if name not in form.traits.compressions:
            raise UsageError(
                f'{form.name} has no compression "{name}"',
                hint=f"--compression {'|'.join(form.traits.compressions)}",
            )
    if options.label is not None:
        schema[options.label]
    if options.partition_by:
        if not form.traits.has_partitions:
            able = formats_that(lambda one: one.has_partitions)
            raise UsageError(
                f"--partition-by: {form.name} has no folders for values", hint=f"--to {able}"
            )
        from bigdata_cli.formats.hive import check_partitions

        check_partitions(schema, options.partition_by)
