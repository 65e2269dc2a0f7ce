"""What `inspect` reports: of a CSV or text file, and of a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class CsvColumn:
    """A column of a CSV: the dtype it would get, and its bytes for all rows.

    n_categories: distinct values in the sample, of a category. examples: some values as they
    stand in the file, not null. nulls_share: of the rows of the sample. pandas_bytes: with
    what pandas.read_csv makes of it; bytes: in the dtype, with a mask of a byte where the
    sample has nulls; both scaled from the sample.
    """

    name: str
    dtype: str
    n_categories: int | None
    examples: tuple[str, ...]
    nulls_share: float
    pandas_dtype: str
    pandas_bytes: int
    bytes: int


@dataclass(frozen=True, kw_only=True)
class CsvReport:
    """A CSV or text file: its dialect, its columns, and the memory that its rows need.

    flags: the dialect as words of a command line; confidence, reasons: of what was detected of it.
    rows is an estimate unless `exact`: then the sample was the whole file. size_known: rows is of
    all, and not only of the beginning of a pipe; source_bytes of a pipe is 0.
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

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return {
            "kind": "source",
            "path": self.path,
            "source_bytes": self.source_bytes,
            "dialect": dict(self.dialect),
            "flags": list(self.flags),
            "confidence": self.confidence,
            "reasons": list(self.reasons),
            "rows": self.rows,
            "exact": self.exact,
            "size_known": self.size_known,
            "sample_rows": self.sample_rows,
            "sample_bytes": self.sample_bytes,
            "pandas_bytes": self.pandas_bytes,
            "bytes": self.bytes,
            "ratio": self.ratio,
            "columns": [{**vars(c), "examples": list(c.examples)} for c in self.columns],
            "next_command": self.next_command,
        }


@dataclass(frozen=True, kw_only=True)
class DatasetColumn:
    """A column of a dataset, with its statistics over all rows (None: it has none such)."""

    name: str
    dtype: str
    n_categories: int | None
    nulls: int
    minimum: Any
    maximum: Any
    mean: float | None
    std: float | None


@dataclass(frozen=True, kw_only=True)
class DatasetShard:
    """A shard of a dataset: the names of its files, its rows and bytes."""

    files: tuple[str, ...]
    rows: int
    bytes: int


@dataclass(frozen=True, kw_only=True)
class DatasetReport:
    """A dataset, as its manifest has it; nothing but the manifest is read."""

    path: str
    format: str
    layout: str
    label: str | None
    compression: str | None
    rows: int
    rejected_rows: int
    bytes: int
    source_bytes: int
    sources: tuple[str, ...]
    shards: tuple[DatasetShard, ...]
    columns: tuple[DatasetColumn, ...]
    next_command: str

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return {
            "kind": "dataset",
            **vars(self),
            "sources": list(self.sources),
            "shards": [{**vars(s), "files": list(s.files)} for s in self.shards],
            "columns": [vars(column) for column in self.columns],
        }


InspectReport = CsvReport | DatasetReport
