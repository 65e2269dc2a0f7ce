"""The work of one shard, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from bigdata_cli.checksum import FileEntry
from bigdata_cli.conversion.rest import Rest
from bigdata_cli.conversion.widening import Stored
from bigdata_cli.formats.base import ShardName, StorageOptions
from bigdata_cli.sources.bad_values import RecordError
from bigdata_cli.sources.base import RowSource
from bigdata_cli.sources.csv.blocks import UNIT_BYTES, ByteRange
from bigdata_cli.sources.csv.records import ParsePlan
from bigdata_cli.types.dtype import Schema
from bigdata_cli.types.lattice import Observed
from bigdata_cli.types.statistics import ColumnStatistics


@dataclass(frozen=True, kw_only=True)
class ShardTask:
    """The work of one shard: picklable, the same result wherever it is done.

    ranges: the pieces of the source whose records it holds. start: where the first record starts,
    None where that is to be guessed. fields: per file and field the column, -1 for dropped ones.
    schema: the columns to store, with their vocabularies. in_flight: units parsed at a time.
    most_table_bytes: in memory of the tables that are encoded, where the format's are too many.
    most_vocabulary_bytes: of the distinct texts of all columns together. keeps_all: values that do
    not fit are kept apart even where their shard cannot be made of what is stored. holds_text:
    whether the layout does; else text may only be a category.
    """

    source: RowSource
    ranges: tuple[ByteRange, ...]
    start: int | None
    fields: tuple[tuple[int, ...], ...]
    plan: ParsePlan
    schema: Schema
    format: str
    storage: StorageOptions
    folder: Path
    name: ShardName
    unit_bytes: int = UNIT_BYTES
    in_flight: int = 3
    most_table_bytes: int | None = None
    most_vocabulary_bytes: int | None = None
    keeps_all: bool = False
    holds_text: bool = True


@dataclass(frozen=True, kw_only=True)
class ShardResult:
    """What became of a task.

    name: that of its files, which are under partial names. files: empty where `spoiled`: a value
    did not fit the schema, and what was written cannot be used. schema: the one that they were
    written with. rest: the rows that follow those in the files, where these could not hold them.
    room: see `Rebatcher.room`. recounted: the columns whose statistics and distinct texts are those
    of text, though they are stored as something else.
    rejects: the file with its rejected records, where there are any. starts, stops: per range of
    the task, where its first record starts and where the record after its last one does. pieces: of
    the source, that it holds. error: a record that cannot be kept, with the index of its file.
    """

    index: int
    name: ShardName
    files: tuple[FileEntry, ...]
    spoiled: bool
    schema: Schema
    rows: int
    rejected: int
    rejects: FileEntry | None
    blank_lines: int
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
