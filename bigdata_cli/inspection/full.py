"""A source read to its end, in constant memory: exact rows, types, statistics and counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from bigdata_cli.conversion.progress import Progress, ProgressListener
from bigdata_cli.engines.ordered import ordered_map
from bigdata_cli.inspection.facts import Histogram
from bigdata_cli.inspection.values import Bins, value_counts
from bigdata_cli.resources.memory import available_cpus
from bigdata_cli.sources.base import FedRows, RowSource, all_in_one
from bigdata_cli.sources.csv.blocks import MAX_RECORD_BYTES, UNIT_BYTES
from bigdata_cli.sources.csv.records import Chunk, ParsePlan
from bigdata_cli.sources.csv.sample import settle
from bigdata_cli.types.dtype import FLOAT_DTYPES, Kind, kind_of
from bigdata_cli.types.sketch import DistinctSketch, hash_values, hashes_per_column
from bigdata_cli.types.state import ColumnState, join_all
from bigdata_cli.types.statistics import ColumnStatistics
from bigdata_cli.types.vocabulary import MAX_CATEGORIES

_MAX_PASSES = 3


@dataclass(frozen=True, kw_only=True)
class Full:
    """What all rows of a source show.

    columns: settled states. distinct: values but null; exact_distinct: the columns where that is
    no estimate. label_counts: rows per value of the label, None where there are too many values.
    bad_rows: records that cannot be kept; first_bad: where the first one is and why. notes: what
    one pass could not tell.
    """

    rows: int
    columns: tuple[ColumnState, ...]
    statistics: Mapping[str, ColumnStatistics]
    distinct: Mapping[str, int]
    exact_distinct: frozenset[str]
    histograms: Mapping[str, Histogram]
    label_counts: Mapping[str, int] | None
    bad_rows: int
    first_bad: str | None
    notes: tuple[str, ...]


def read_all(
    source: RowSource,
    plan: ParsePlan,
    bins: Mapping[str, Bins],
    label: str | None,
    progress: ProgressListener | None = None,
) -> Full:
    """Read all records; those that cannot be kept are counted.

    Where a column turns out to be of another kind than the sample had shown, what was summed up of
    it does not hold: the source is read again, if it can be.
    """
    # `hash_values` needs it: threads that import pandas at the same time lock each other out.
    import pandas.util  # noqa: F401

    plan = replace(plan, skip_bad_rows=True)
    for _ in range(_MAX_PASSES):
        taken = _Pass(source, plan, bins, label)
        taken.run(progress)
        changed = taken.changed_kinds()
        if not changed or source.comes_once:
            break
        plan = replace(plan, columns=taken.columns)
        bins = {name: one for name, one in bins.items() if name not in changed}
    return taken.result(changed)


class _Counted(NamedTuple):
    """What a worker finds in a chunk: hashes of values, counts of bins, per column or None."""

    chunk: Chunk
    hashes: list[np.ndarray]
    counts: dict[str, np.ndarray]
    label: dict[str, int]


class _Pass:
    """One look at all rows."""

    def __init__(
        self, source: RowSource, plan: ParsePlan, bins: Mapping[str, Bins], label: str | None
    ) -> None:
        self._source, self._plan, self._bins, self._label = source, plan, bins, label
        self._names = [state.name for state in plan.columns]
        self._fields = source.fields_of(self._names)
        self.columns = self._begun = plan.columns
        self._rows = self._bad_rows = 0
        self._first_bad: str | None = None
        most = hashes_per_column(len(plan.columns))
        self._sketches = [DistinctSketch(most) for _ in plan.columns]
        self._statistics = [ColumnStatistics() for _ in plan.columns]
        self._counts: dict[str, np.ndarray] = {}
        self._label_counts: dict[str, int] | None = {}

    def run(self, progress: ProgressListener | None) -> None:
        total = 0 if self._source.comes_once else self._source.bytes
        processors = available_cpus()
        with (
            self._source.feed(
                all_in_one,
                keep=self._names,
                unit_bytes=UNIT_BYTES,
                max_record_bytes=MAX_RECORD_BYTES,
                strict=False,
            ) as feed,
            ThreadPoolExecutor(processors) as pool,
        ):
            blocks = ((fed, self._plan) for fed in feed)
            in_flight = processors + 1
            for (fed, _), counted in ordered_map(
                pool, lambda block: self._count(*block), blocks, max_in_flight=in_flight
            ):
                self._take(counted, fed)
                if progress is not None:
                    done = min(fed.consumed, total) if total else fed.consumed
                    progress(
                        Progress(phase="read", bytes_done=done, bytes_total=total, rows=self._rows)
                    )

    def _count(self, fed: FedRows, plan: ParsePlan) -> _Counted:
        unit = fed.parse(self._fields[fed.file], plan)
        if unit.chunk is None:
            assert unit.error is not None  # records are set aside, so that this one cannot be
            raise self._source.located(fed.file, unit.error) from unit.error
        batch = unit.chunk.batch
        counts = {}
        for name, bins in self._bins.items():
            column = batch.column(name)
            if bins.fits(column.type):
                counts[name] = bins.count(column)
        label = {} if self._label is None else value_counts(batch.column(self._label))
        hashes = [hash_values(column) for column in batch.columns]
        return _Counted(unit.chunk, hashes, counts, label)

    def _take(self, counted: _Counted, fed: FedRows) -> None:
        chunk = counted.chunk
        self._rows += chunk.rows
        self._bad_rows += len(chunk.rejects)
        if chunk.rejects and self._first_bad is None:
            first = chunk.rejects[0]
            where = f"line {first.line:,}" if first.line is not None else f"byte {first.offset:,}"
            self._first_bad = f"{self._source.files[fed.file].name} {where}: {first.reason}"
        joined = join_all(self.columns, chunk.observed, chunk.distinct, self._plan.float_mode)
        if joined != self.columns:
            self.columns = joined
            self._plan = replace(self._plan, columns=joined)
        for sketch, hashes in zip(self._sketches, counted.hashes, strict=True):
            sketch.add(hashes)
        self._statistics = [
            a.merge(b) if _is_comparable(a.minimum, b.minimum) else b
            for a, b in zip(self._statistics, chunk.statistics, strict=True)
        ]
        for name, counts in counted.counts.items():
            self._counts[name] = self._counts.get(name, 0) + counts
        self._add_label(counted.label)

    def _add_label(self, label: Mapping[str, int]) -> None:
        if self._label_counts is None:
            return
        for value, count in label.items():
            self._label_counts[value] = self._label_counts.get(value, 0) + count
        if len(self._label_counts) > MAX_CATEGORIES:
            self._label_counts = None

    def changed_kinds(self) -> list[str]:
        """The columns that are of another kind than the pass began with.

        What was summed up of their first values is then not what the last ones were summed up to.
        """
        changed = []
        for before, state in zip(self._begun, self.columns, strict=True):
            old, new = kind_of(before.dtype), kind_of(state.dtype)
            same_values = old is new or {old, new} in _COMPATIBLE_KINDS or old is Kind.NULL
            if not same_values or (before.dtype, state.dtype) == FLOAT_DTYPES:
                changed.append(state.name)
        return changed

    def result(self, unsure: Sequence[str]) -> Full:
        """What the pass has found. unsure: columns of which that is not all."""
        columns = tuple(
            replace(state, dtype=settle(state, self._plan.float_mode, self._rows))
            for state in self.columns
        )
        names = [state.name for state in columns]
        sketches = dict(zip(names, self._sketches, strict=True))
        counted = {
            name: self._bins[name].histogram(counts)
            for name, counts in self._counts.items()
            if name not in unsure
        }
        return Full(
            rows=self._rows,
            columns=columns,
            statistics=dict(zip(names, self._statistics, strict=True)),
            distinct={name: sketch.count for name, sketch in sketches.items()},
            exact_distinct=frozenset(
                name for name in names if sketches[name].is_exact and name not in unsure
            ),
            histograms=counted,
            label_counts=self._label_counts if self._label is not None else None,
            bad_rows=self._bad_rows,
            first_bad=self._first_bad,
            notes=tuple(
                f'column "{name}" is of another kind than the beginning shows, and a pipe is read '
                "once: its statistics are not of all rows"
                for name in unsure
            ),
        )


_COMPATIBLE_KINDS = ({Kind.INT, Kind.FLOAT}, {Kind.TEXT, Kind.CATEGORY})


def _is_comparable(a: object, b: object) -> bool:
    return a is None or b is None or isinstance(a, str) == isinstance(b, str)
