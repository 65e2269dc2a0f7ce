"""What is to be done for one shard, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import msgspec

from bigdata_cli.checksum import FileEntry
from bigdata_cli.conversion.rest import Rest
from bigdata_cli.conversion.widening import Stored
from bigdata_cli.formats.base import ShardName, StorageOptions
from bigdata_cli.io.store import Store
from bigdata_cli.sources.bad_values import RecordError
from bigdata_cli.sources.base import RowSource
from bigdata_cli.sources.csv.blocks import UNIT_BYTES, ByteRange
from bigdata_cli.sources.csv.records import ParsePlan
from bigdata_cli.sources.tally import Tally
from bigdata_cli.types.dtype import Schema
from bigdata_cli.types.lattice import Observed
from bigdata_cli.types.statistics import ColumnStatistics


class SharedSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What the shards of a conversion have in common; it travels once to each worker.

    Attributes:
        source: The source as a whole.
        fields: For each file and field of a record its column, -1 where it is left out.
        plan: How records are parsed, with the columns as far as they are known.
        schema: The columns to store, with their vocabularies.
        format, storage: How they are stored.
        store: Where the files are written.
        unit_bytes: Of the source that is parsed at a time.
        max_table_bytes: In memory of the tables that are encoded, where the format's are too many.
        max_vocabulary_bytes: Of the distinct texts of all columns together.
        keeps_all: Values that do not fit are kept apart even where their shard cannot be made of
            what is stored.
        holds_text: Whether the layout does; else text may only be a category.
    """

    source: RowSource
    fields: tuple[tuple[int, ...], ...]
    plan: ParsePlan
    schema: Schema
    format: str
    storage: StorageOptions
    store: Store
    unit_bytes: int = UNIT_BYTES
    max_table_bytes: int | None = None
    max_vocabulary_bytes: int | None = None
    keeps_all: bool = False
    holds_text: bool = True


class ShardSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One shard: small, picklable, and with the same result wherever it is made.

    Attributes:
        names: Of the files of its parts (`parts.Parts`), in order; None for one that is not wanted.
        ranges: The pieces of the source whose records it holds; empty for a stream.
        start: Where the first record starts, None where that is to be guessed.
    """

    names: tuple[ShardName | None, ...]
    ranges: tuple[ByteRange, ...] = ()
    start: int | None = None


class ReadProgress(NamedTuple):
    """The event that a part of the source is converted: its bytes and rows."""

    n_bytes: int
    n_rows: int


@dataclass(frozen=True, kw_only=True)
class ShardResult:
    """What became of a shard, or of its part in a split.

    Attributes:
        index: Of the part (`parts.Parts`).
        name: Of its files, which are under partial names.
        files: None where `unusable`: a value did not fit the schema, and what was written cannot be
            used.
        schema: With which they were written.
        rejected, rejects, tally: The rejected records of the shard, the file with them, and what
            else was done with its records; of its first part only.
        starts: For each range of its specification, where its first record starts.
        stops: For each range, where the record after its last one starts.
        pieces: Of the source, that it holds.
        error: A record that cannot be kept, with the index of its file.
        rest: The rows that follow those in the files, where these could not hold them.
        room: See `Rebatcher.room`.
        recounted: The columns whose statistics and distinct texts are those of text, though they
            are stored as something else.
    """

    index: int
    name: ShardName
    files: tuple[FileEntry, ...]
    unusable: bool
    schema: Schema
    rows: int
    rejected: int
    rejects: FileEntry | None
    tally: Tally
    starts: tuple[int, ...]
    stops: tuple[int, ...]
    pieces: tuple[ByteRange, ...]
    observed: tuple[Observed, ...]
    distinct: tuple[frozenset[str] | None, ...]
    statistics: tuple[ColumnStatistics, ...]
    error: tuple[int, RecordError] | None = None
    rest: Rest | None = None
    room: float = -1.0
    recounted: frozenset[int] = frozenset()

    def stored(self, column: int) -> tuple[Stored, ...]:
        """The values of a column, as they are stored."""
        known = self.statistics[column]
        is_exact = known.float32_error == 0.0
        if self.rest is None:
            in_files = Stored(
                self.schema.columns[column], self.observed[column], known.values > 0, is_exact
            )
            return (in_files,)
        before = self.rest.before[column]
        kept = (before, *self.rest.columns[column])
        return tuple(replace(one, float32_exact=is_exact) for one in kept)
