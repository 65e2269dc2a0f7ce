"""`diff`: two datasets or files; and the drift between samples of them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from bigdata_cli.comparison.bins import ColumnBins, choose_column_bins, comparable
from bigdata_cli.comparison.drift import Drift
from bigdata_cli.comparison.options import DiffOptions
from bigdata_cli.comparison.report import ColumnDifference, ColumnSide, DiffReport
from bigdata_cli.comparison.rows import RowComparison, aligned
from bigdata_cli.comparison.sides import Side, open_side
from bigdata_cli.io.prefetch import Prefetch
from bigdata_cli.resources.progress import RowsProgress
from bigdata_cli.resources.stages import begin_phase, report_decision
from bigdata_cli.sources.csv.options import SourceOptions
from bigdata_cli.types.dtype import Column

_BATCH_BYTES = 4 << 20
_BATCHES_AHEAD = 2


ProgressListener = Callable[[RowsProgress], None]


def run(
    a: str | Path,
    b: str | Path,
    options: DiffOptions,
    *,
    progress: ProgressListener | None = None,
) -> DiffReport:
    """Compare two datasets or files: all rows, or samples."""
    a, b = options.cached.place(a), options.cached.place(b)
    if options.sample:
        return compare_samples(a, b, options.source, columns=options.columns)
    begin_phase("sampling")
    sides = (
        open_side(a, options.source, options.columns),
        open_side(b, options.source, options.columns),
    )
    pairs = _pairs(*sides)
    _report_decisions(sides, pairs)
    counts = _Counts(_bins(sides, pairs))
    begin_phase("comparing")
    compared = RowComparison(columns=pairs, max_shown=options.n_rows)
    row = 1
    streams = [_ahead(side) for side in sides]
    with closing(streams[0]), closing(streams[1]):
        for left, right in aligned(iter(streams[0]), iter(streams[1])):
            counts.add(0, left)
            counts.add(1, right)
            if left is not None and right is not None:
                compared.compare(row, left, right)
                row += left.num_rows
                if progress is not None:
                    all_rows = max(side.n_rows for side in sides)
                    progress(RowsProgress("comparing", row - 1, all_rows))
    return _report(sides, counts.drifts((sides[0].n_rows, sides[1].n_rows)), compared)


def compare_samples(
    a: str | Path,
    b: str | Path,
    options: SourceOptions,
    *,
    columns: Sequence[str] | None = None,
    sample_bytes: int | None = None,
) -> DiffReport:
    """Compare samples of two datasets or files: their columns, statistics and drift."""
    begin_phase("sampling")
    sides = (
        open_side(a, options, columns, sample_bytes=sample_bytes, is_full=False),
        open_side(b, options, columns, sample_bytes=sample_bytes, is_full=False),
    )
    pairs = _pairs(*sides)
    _report_decisions(sides, pairs)
    counts = _Counts(_bins(sides, pairs))
    for place, side in enumerate(sides):
        for batch in side.sample:
            counts.add(place, batch)
    return _report(sides, counts.drifts((sides[0].sampled_rows, sides[1].sampled_rows)), None)


class _Counts:
    """The counts of both sides in the bins of each column."""

    def __init__(self, bins: Mapping[str, ColumnBins]) -> None:
        self._bins = bins
        self._counts = tuple(
            {name: np.zeros(one.n_counts, np.int64) for name, one in bins.items()} for _ in range(2)
        )

    def add(self, side: int, batch: pa.RecordBatch | None) -> None:
        """Count a batch of a side."""
        if batch is not None:
            for name, one in self._bins.items():
                self._counts[side][name] += one.count(batch.column(name))

    def drifts(self, rows: tuple[int, int]) -> dict[str, Drift]:
        """The drift of each column between so many rows."""
        a, b = self._counts
        return {name: one.drift(a[name], b[name], rows) for name, one in self._bins.items()}


def _report_decisions(sides: Sequence[Side], pairs: Sequence[tuple[Column, Column]]) -> None:
    """Say what is compared."""
    for side in sides:
        all_rows = "all rows" if side.rows is not None else "a sample"
        report_decision(
            f"{side.name}: {side.n_rows:,} rows, {len(side.schema):,} columns; {all_rows} compared"
        )
    report_decision(f"columns that both have, of kinds that can be compared: {len(pairs):,}")


def _pairs(a: Side, b: Side) -> list[tuple[Column, Column]]:
    """The columns of both sides whose values can be compared."""
    return [
        (column, b.schema[column.name])
        for column in a.schema
        if column.name in b.schema.names and comparable(column.kind, b.schema[column.name].kind)
    ]


def _bins(sides: Sequence[Side], pairs: Sequence[tuple[Column, Column]]) -> dict[str, ColumnBins]:
    bins = {}
    for left, right in pairs:
        pieces = [batch.column(left.name) for side in sides for batch in side.sample]
        one = choose_column_bins((left.kind, right.kind), pieces)
        if one is not None:
            bins[left.name] = one
    return bins


def _ahead(side: Side) -> Prefetch[pa.RecordBatch]:
    """The rows of a side, read in a thread of their own."""
    assert side.rows is not None
    batches: Iterator[pa.RecordBatch] = side.rows.batches(_BATCH_BYTES)

    def generate() -> Generator[pa.RecordBatch]:
        yield from batches

    return Prefetch(generate(), depth=_BATCHES_AHEAD, name="read")


def _report(
    sides: tuple[Side, Side], drifts: Mapping[str, Drift], compared: RowComparison | None
) -> DiffReport:
    a, b = sides
    known_b = set(b.schema.names)
    both = [name for name in a.schema.names if name in known_b]
    names = [*a.schema.names, *(name for name in b.schema.names if name not in a.schema.names)]
    paired = {left.name for left, _ in compared.columns} if compared is not None else set()
    if compared is not None and a.n_rows == b.n_rows:
        drifts = {
            name: replace(drift, max_ks=drift.ks) if not compared.by_column[name] else drift
            for name, drift in drifts.items()
        }
    return DiffReport(
        a=a.name,
        b=b.name,
        rows_a=a.n_rows,
        rows_b=b.n_rows,
        is_full=compared is not None,
        same_order=both == [name for name in b.schema.names if name in both],
        columns=tuple(
            ColumnDifference(
                name=name,
                a=_column_side(a, name),
                b=_column_side(b, name),
                differing_values=compared.by_column[name]
                if compared is not None and name in paired
                else None,
                drift=drifts.get(name),
            )
            for name in names
        ),
        differing_rows=None if compared is None else compared.differing,
        first_rows=() if compared is None else tuple(compared.shown),
        notes=(*a.notes, *b.notes),
    )


def _column_side(side: Side, name: str) -> ColumnSide | None:
    if name not in side.schema.names:
        return None
    return ColumnSide.of(side.schema[name].dtype, side.statistics[name])
