"""The facts that `inspect` reports: of a source (text or tables), and of a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bigdata_cli.conversion.estimate.costs import Cost, Room
from bigdata_cli.inspection.relations import CorrelatedPair, LabelTie
from bigdata_cli.resources.memory import available_cpus, available_memory_bytes

if TYPE_CHECKING:
    from bigdata_cli.loaders.shuffle_score import ShuffleScore


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="minutes")


@dataclass(frozen=True, kw_only=True)
class Made:
    """When a report was made, in ISO 8601, and on what."""

    at: str = field(default_factory=_now)
    processors: int = field(default_factory=available_cpus)
    memory_bytes: int = field(default_factory=available_memory_bytes)


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """How the values of a column are spread.

    kind: "numbers", "times" (seconds since 1970), "lengths" (characters of text): counts[i] values
    from edges[i] up to edges[i + 1], `below` and `above` beyond the first and the last edge.
    "values": counts[i] times values[i], `others` for all that are not listed. is_log: each bin but
    the first is as many times as wide as the one before.
    """

    kind: str
    counts: tuple[int, ...]
    edges: tuple[float, ...] = ()
    values: tuple[str, ...] = ()
    below: int = 0
    above: int = 0
    others: int = 0
    is_log: bool = False


@dataclass(frozen=True, kw_only=True)
class CsvColumn:
    """A column of a source: the dtype it would get, what its values are, and its bytes.

    Figures are of the rows that were read (`rows_read` of the report). n_categories: of a category.
    distinct: values in all rows but null, an estimate unless distinct_exact; None where it was not
    looked at. examples: some values that are not null, as in the file. nulls_share: of the rows.
    minimum, maximum, mean, std: of numbers, of dates and times as ISO 8601. pandas_bytes: with
    what pandas.read_csv makes of it; bytes: in the dtype, with a mask of a byte where there are
    nulls; both of all rows. warnings: what is worth money.
    """

    name: str
    dtype: str
    n_categories: int | None
    examples: tuple[str, ...]
    nulls_share: float
    pandas_dtype: str
    pandas_bytes: int
    bytes: int
    distinct: int | None = None
    distinct_exact: bool = False
    minimum: Any = None
    maximum: Any = None
    mean: float | None = None
    std: float | None = None
    histogram: Histogram | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ClassBalance:
    """How often the label has each value, the most frequent first, in the rows that were read.

    others: rows with values that are not listed; nulls: rows without one.
    """

    column: str
    values: tuple[str, ...]
    counts: tuple[int, ...]
    others: int
    nulls: int

    @property
    def rows(self) -> int:
        return sum(self.counts) + self.others + self.nulls


@dataclass(frozen=True, kw_only=True)
class SourceFacts:
    """A source: how it is written, its columns, the memory of its rows, what datasets would cost.

    flags: the dialect as words of a command line; confidence, reasons: of what was detected of it.
    rows is an estimate unless `exact`: then all of it was read. rows_low, rows_high: where it lies
    in 19 of 20 samples, None where that is not known. size_known: rows is of all, and not only of
    the beginning of a pipe; source_bytes of a pipe is 0. bad_rows: records that cannot be kept,
    where all were read, or those of the sample where they are left out. label_ties,
    correlated_pairs, duplicate_rows: of the sample. notes: what could not be done.
    """

    path: str
    source_bytes: int
    dialect: Mapping[str, Any]
    rows: int
    exact: bool
    sample_rows: int
    sample_bytes: int
    columns: tuple[CsvColumn, ...]
    next_command: str
    flags: tuple[str, ...] = ()
    confidence: float = 1.0
    reasons: tuple[str, ...] = ()
    size_known: bool = True
    rows_low: int | None = None
    rows_high: int | None = None
    is_full: bool = False
    bad_rows: int | None = None
    label_candidates: tuple[str, ...] = ()
    balance: ClassBalance | None = None
    label_ties: tuple[LabelTie, ...] = ()
    correlated_pairs: tuple[CorrelatedPair, ...] = ()
    duplicate_rows: int = 0
    made: Made = field(default_factory=Made, compare=False)
    room: Room | None = field(default=None, compare=False)
    costs: tuple[Cost, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def pandas_bytes(self) -> int:
        """Bytes of all columns as pandas.read_csv holds them."""
        return sum(column.pandas_bytes for column in self.columns)

    @property
    def bytes(self) -> int:
        """Bytes of all columns in the dtypes that they would get."""
        return sum(column.bytes for column in self.columns)

    @property
    def ratio(self) -> float | None:
        """How many times smaller than in pandas; None where there is nothing."""
        return self.pandas_bytes / self.bytes if self.bytes else None

    @property
    def recommended(self) -> Cost | None:
        """The cost that is marked; None where nothing fits."""
        return next((cost for cost in self.costs if cost.is_recommended), None)


@dataclass(frozen=True, kw_only=True)
class DatasetColumn:
    """A column of a dataset, with its statistics over all rows (None: it has none such).

    bytes: of all its rows in memory; pandas_bytes: as pandas.read_csv would hold its text.
    """

    name: str
    dtype: str
    n_categories: int | None
    nulls: int
    minimum: Any
    maximum: Any
    mean: float | None
    std: float | None
    bytes: int = 0
    pandas_bytes: int = 0


@dataclass(frozen=True, kw_only=True)
class DatasetShard:
    """A shard of a dataset: the names of its files, its rows and bytes."""

    files: tuple[str, ...]
    rows: int
    bytes: int


@dataclass(frozen=True, kw_only=True)
class DatasetSplit:
    """A split of a dataset: its rows, shards and bytes, and the classes of its label."""

    name: str
    rows: int
    shards: int
    bytes: int
    balance: ClassBalance | None = None


@dataclass(frozen=True, kw_only=True)
class DatasetFacts:
    """A dataset, from its manifest; the balance of its label may be from rows of it.

    ratio: bytes of the source for one of the dataset. memory_bytes: to hold all rows. loaders:
    lines of Python that load it, by library. notes: what could not be done.
    """

    path: str
    format: str
    layout: str
    label: str | None
    compression: str | None
    rows: int
    rejected_rows: int
    filtered_rows: int
    bytes: int
    source_bytes: int
    sources: tuple[str, ...]
    shards: tuple[DatasetShard, ...]
    columns: tuple[DatasetColumn, ...]
    next_command: str
    memory_bytes: int = 0
    made: Made = field(default_factory=Made, compare=False)
    room: Room | None = field(default=None, compare=False)
    loaders: Mapping[str, str] | None = None
    balance: ClassBalance | None = None
    splits: tuple[DatasetSplit, ...] = ()
    shuffle_score: ShuffleScore | None = None
    notes: tuple[str, ...] = ()

    @property
    def ratio(self) -> float | None:
        """How many times smaller than the source; None where there is nothing."""
        return self.source_bytes / self.bytes if self.bytes else None
