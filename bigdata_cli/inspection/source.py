"""The report of a source: from a sample of its rows, or from all of them."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from bigdata_cli.conversion.estimate.costs import Room, Wish, predict_costs
from bigdata_cli.conversion.estimate.rows import SampledRows, draw_rows
from bigdata_cli.errors import DataError, UsageError, did_you_mean
from bigdata_cli.formats.registry import FORMATS
from bigdata_cli.inspection.balance import class_balance
from bigdata_cli.inspection.facts import ClassBalance, CsvColumn
from bigdata_cli.inspection.footprint import (
    TABLE_BYTES,
    PandasColumn,
    examples,
    pandas_column,
    table_columns,
    values_of,
)
from bigdata_cli.inspection.full import Full, read_all
from bigdata_cli.inspection.relations import correlated_pairs, duplicate_rows, label_ties
from bigdata_cli.inspection.report import CsvReport
from bigdata_cli.inspection.values import Bins, choose_bins, value_counts
from bigdata_cli.inspection.warn import Seen, column_warnings, label_candidates
from bigdata_cli.resources.sizes import format_size
from bigdata_cli.resources.stages import begin_phase, report_decision
from bigdata_cli.sources.base import RowSource
from bigdata_cli.sources.csv.blocks import MAX_RECORD_BYTES
from bigdata_cli.sources.csv.detect import CERTAIN
from bigdata_cli.sources.csv.options import SourceOptions
from bigdata_cli.sources.csv.sample import Sample
from bigdata_cli.sources.registry import open_rows
from bigdata_cli.transforms.limits import DEFAULT_LIMITS
from bigdata_cli.transforms.shape import joined_tables, shaped
from bigdata_cli.transforms.split_values import split_before_fit
from bigdata_cli.types.distinct import estimate_distinct
from bigdata_cli.types.dtype import Kind
from bigdata_cli.types.footprint import column_bytes
from bigdata_cli.types.lattice import TypeOptions

if TYPE_CHECKING:
    from bigdata_cli.conversion.progress import ProgressListener
    from bigdata_cli.inspection.options import InspectOptions

SAMPLE_BYTES = 8 << 20
_PROFILED_COLUMNS = 400
"""Of wider tables only so many columns have histograms and counts of distinct values."""


def inspect_source(
    path: str, options: InspectOptions, room: Room, progress: ProgressListener | None = None
) -> CsvReport:
    """The report of CSV or text files, or of tables, from a sample of them or from all rows."""
    begin_phase("sampling")
    source = _shaped(open_rows([path], options.source), options)
    if options.label is not None and options.label not in source.names:
        raise UsageError(
            f'--label: there is no column "{options.label}"',
            hint=did_you_mean(options.label, source.names),
        )
    max_bytes = options.sample_bytes or SAMPLE_BYTES
    sample = source.sample(
        TypeOptions(),
        keep=source.names,
        max_bytes=max_bytes,
        skip_bad_rows=options.full or options.on_bad_row == "skip",
        max_record_bytes=MAX_RECORD_BYTES,
    )
    if not sample.rows and source.is_shaped:
        raise DataError(f"{path}: no row of the sample is left after --where and --sample")
    if not sample.rows:
        raise DataError(
            f"{path} has no rows",
            hint="--no-header, if its only line is not the columns' names"
            if "--header" in source.flags
            else None,
        )
    _report_decisions(source, sample)
    rows = draw_rows(source, sample, source.names, max_bytes=max_bytes)
    return _Inspection(path, options, room, source, sample, rows, max_bytes, progress).report()


def _report_decisions(source: RowSource, sample: Sample) -> None:
    """Say how the source is read, and what was read of it."""
    names = ", ".join(file.name for file in source.files[:5])
    more = f" and {len(source.files) - 5:,} more" if len(source.files) > 5 else ""
    size = format_size(source.bytes) if sample.size_known else "size not known"
    report_decision(f"source: {names}{more} ({size})")
    reasons = f": {'; '.join(source.reasons)}" if source.reasons else ""
    flags = " ".join(source.flags) or "none"
    report_decision(f"dialect, as flags: {flags} ({100 * source.confidence:.0f} % sure{reasons})")
    what = "all rows" if sample.exact else "a sample"
    report_decision(f"types: from {what}, {sample.rows:,} rows in {format_size(sample.bytes)}")


def _shaped(rows: RowSource, options: InspectOptions) -> RowSource:
    """The rows after the steps that were asked for; statistics are those of a sample, but for
    `--full`."""
    joins = joined_tables(options.shape, rows, DEFAULT_LIMITS)
    split = split_before_fit(
        options.splits, options.shape, rows.names, joins=joins, columns=None, drop=()
    )
    found = shaped(
        rows,
        options.shape,
        joins=joins,
        label=options.label,
        skip_bad_rows=options.full or options.on_bad_row == "skip",
        split=split,
        from_sample=not options.full or rows.comes_once,
    )
    options.order.check(found.names)
    return found


@dataclass
class _Inspection:
    """What is known of a source on the way to its report."""

    path: str
    options: InspectOptions
    room: Room
    source: RowSource
    sample: Sample
    rows: SampledRows
    max_bytes: int
    progress: ProgressListener | None
    full: Full | None = None
    notes: tuple[str, ...] = ()

    def report(self) -> CsvReport:
        source, sample = self.source, self.sample
        seen, columns = self._columns()
        options = self.options
        wish = Wish(
            path=self.path,
            flags=self._repeated_flags(),
            label=options.label,
            shape=options.shape,
            splits=options.splits,
            order=options.order,
        )
        begin_phase("encoding")
        costs = predict_costs(self.rows, wish, self.room)
        low, high = self._interval()
        batches, label = self.rows.batches, self.options.label
        report = CsvReport(
            path=self.path,
            source_bytes=source.bytes,
            dialect=source.dialect.to_json(),
            rows=self.rows.all_rows,
            exact=self.rows.exact or self.full is not None,
            is_full=self.full is not None,
            rows_low=low,
            rows_high=high,
            sample_rows=self.rows.rows if self.full is None else self.full.rows,
            sample_bytes=sample.bytes if self.full is None else source.bytes,
            columns=columns,
            next_command="",
            flags=source.flags,
            confidence=source.confidence,
            reasons=source.reasons,
            size_known=sample.size_known or self.full is not None,
            bad_rows=self._bad_rows(),
            label_candidates=label_candidates(seen),
            balance=self._balance(),
            label_ties=label_ties(batches, label) if label is not None and batches else (),
            correlated_pairs=correlated_pairs(batches) if batches else (),
            duplicate_rows=duplicate_rows(batches),
            room=self.room,
            costs=costs,
            notes=self._notes(),
        )
        best = report.recommended
        plain = shlex.join(["bigdata", "convert", self.path, "--to", FORMATS[0], *wish.flags])
        return replace(report, next_command=plain if best is None else best.command)

    def _columns(self) -> tuple[list[Seen], tuple[CsvColumn, ...]]:
        """What was seen of each column, and what is reported of it; reads all where asked to."""
        source = self.source
        # Before all is read: a pipe is used up then.
        stored = source.arrow_batches(TABLE_BYTES)
        values: Sequence[tuple[str, ...]] = ()
        if source.is_shaped:
            values = values_of(self.rows.batches, len(source.names))
        elif stored is None:
            values = examples(source, self.sample.plan)
        self.notes = (*source.notes, *source.hints(self.sample.plan).values())
        profiled = source.names[:_PROFILED_COLUMNS]
        bins = {name: self._bins(name) for name in profiled}
        known = {name: one for name, one in bins.items() if one is not None}
        if self.options.full:
            self._read_all(known)
        seen = [self._seen(name, name in profiled) for name in source.names]
        n_rows = self.rows.all_rows
        if stored is None:
            in_pandas = tuple(
                pandas_column(one.column, one.statistics, one.pieces, rows=n_rows) for one in seen
            )
        else:
            in_pandas, values = table_columns(stored, source.names, n_rows)
        return seen, tuple(
            self._column(one, in_pandas[place], values[place], known.get(one.column.name))
            for place, one in enumerate(seen)
        )

    def _read_all(self, bins: Mapping[str, Bins]) -> None:
        """Read everything, and draw rows again where their types turned out to be others."""
        begin_phase("reading")
        drawn = {column.name: column.dtype for column in self.rows.schema}
        plan = replace(self.sample.plan, skip_bad_rows=True)
        self.full = full = read_all(self.source, plan, bins, self.options.label, self.progress)
        self.sample = replace(
            self.sample, plan=replace(plan, columns=full.columns), estimated_rows=full.rows
        )
        rows = self.rows
        if not self.source.comes_once and drawn != {c.name: c.dtype for c in full.columns}:
            rows = draw_rows(
                self.source,
                self.sample,
                self.source.names,
                max_bytes=self.max_bytes,
                distinct=full.distinct,
            )
        self.rows = replace(
            rows,
            all_rows=full.rows,
            statistics=full.statistics,
            distinct=full.distinct,
            exact=rows.rows == full.rows,
        )

    def _pieces(self, name: str) -> list[pa.Array]:
        return [batch.column(name) for batch in self.rows.batches]

    def _bins(self, name: str) -> Bins | None:
        return choose_bins(self.rows.schema[name].kind, self._pieces(name))

    def _seen(self, name: str, is_profiled: bool) -> Seen:
        column, statistics = self.rows.schema[name], self.rows.statistics[name]
        distinct = self.rows.distinct.get(name)
        if distinct is None and is_profiled and self.rows.batches:
            distinct, _ = estimate_distinct(
                self._pieces(name), rows=self.rows.rows, all_rows=self.rows.all_rows
            )
        if distinct is not None and statistics.n_possible_values is not None:
            distinct = min(distinct, statistics.n_possible_values)  # it may be an estimate
        return Seen(
            column=column,
            statistics=statistics,
            pieces=self._pieces(name),
            distinct=distinct if is_profiled else None,
            rows=self.rows.rows,
            all_rows=self.rows.all_rows,
            n_bytes=column_bytes(column, statistics, rows=self.rows.all_rows),
            is_full=self.rows.exact or self.full is not None,
        )

    def _column(
        self, seen: Seen, in_pandas: PandasColumn, shown: tuple[str, ...], bins: Bins | None
    ) -> CsvColumn:
        column, known, full = seen.column, seen.statistics, self.full
        histogram = None
        if full is not None:
            histogram = full.histograms.get(column.name)
        elif bins is not None:
            histogram = bins.histogram(np.sum([bins.count(p) for p in seen.pieces], axis=0))
        exact = self.rows.exact if full is None else column.name in full.exact_distinct
        return CsvColumn(
            name=column.name,
            dtype=column.dtype,
            n_categories=column.n_values if column.vocabulary is not None else None,
            examples=shown,
            nulls_share=known.nulls / max(known.count, 1),
            pandas_dtype=in_pandas.dtype,
            pandas_bytes=in_pandas.bytes,
            bytes=seen.n_bytes,
            distinct=seen.distinct,
            distinct_exact=exact and seen.distinct is not None,
            minimum=known.minimum,
            maximum=known.maximum,
            mean=known.mean,
            std=known.std,
            histogram=histogram,
            warnings=column_warnings(seen),
        )

    def _balance(self) -> ClassBalance | None:
        label = self.options.label
        if label is None:
            return None
        counts: dict[str, int] | Mapping[str, int] | None = {}
        if self.full is not None:
            counts = self.full.label_counts
        else:
            counted: dict[str, int] = {}
            for piece in self._pieces(label):
                for value, count in value_counts(piece).items():
                    counted[value] = counted.get(value, 0) + count
            counts = counted
        known = self.rows.statistics[label]
        return class_balance(label, counts or {}, values=known.values, nulls=known.nulls)

    def _interval(self) -> tuple[int | None, int | None]:
        """Between which figures the rows are, in 19 of 20 samples.

        The error of a ratio that was taken from clusters (Cochran, "Sampling Techniques", 1977):
        how much the pieces differ in their rows for a byte.
        """
        rows = self.rows
        if self.full is not None or rows.exact or self.source.total_rows is not None:
            return rows.all_rows, rows.all_rows
        n = len(rows.pieces)
        if self.source.is_stream or n < 2:
            return None, None
        ratio = rows.rows / max(rows.text_bytes, 1)
        squares = sum((n_rows - ratio * n_bytes) ** 2 for n_rows, n_bytes in rows.pieces)
        error = math.sqrt(squares / (n * (n - 1))) / (rows.text_bytes / n)
        spread = max(1, round(1.96 * error * rows.all_bytes))
        return max(rows.rows, rows.all_rows - spread), rows.all_rows + spread

    def _repeated_flags(self) -> tuple[str, ...]:
        """The flags of the dialect, where a conversion without them might detect another one."""
        found = self.options.source == SourceOptions() and self.source.confidence >= CERTAIN
        skips = ("--on-bad-row", "skip") if self.options.on_bad_row == "skip" else ()
        return skips if found else (*self.source.flags, *skips)

    def _bad_rows(self) -> int | None:
        """Records that cannot be kept: of all, or of the sample where they are left out."""
        if self.full is not None:
            return self.full.bad_rows
        return self.sample.rejected if self.options.on_bad_row == "skip" else None

    def _notes(self) -> tuple[str, ...]:
        notes = [*self.notes, *self._shape_notes()]
        hidden = len(self.source.names) - _PROFILED_COLUMNS
        if hidden > 0:
            notes.append(
                f"distinct values and histograms are of the first {_PROFILED_COLUMNS:,} columns"
            )
        if self.full is not None:
            notes += self.full.notes
            if self.full.first_bad is not None:
                notes.append(f"{self.full.first_bad} (--on-bad-row skip sets such records aside)")
            return tuple(notes)
        if self.source.comes_once and not self.rows.exact:
            notes.append(
                "how long a pipe is is not known: rows, bytes and costs are of its beginning only "
                "(--full reads all of it)"
            )
        elif self.source.is_stream and self.source.total_rows is None and not self.rows.exact:
            notes.append(
                "it can be read from its start only: the sample is its beginning, and how sure "
                "the number of rows is is not known (--full reads all of it)"
            )
        texts = [c.name for c in self.rows.schema if c.kind is Kind.TEXT]
        if texts and len(texts) == len(self.source.names):
            notes.append("all columns are text: matrix and packed hold numbers only")
        return tuple(notes)

    def _shape_notes(self) -> Iterator[str]:
        """What becomes of the rows."""
        rows, splits = self.rows, self.options.splits.split
        if rows.filtered:
            share = rows.rows / (rows.rows + rows.filtered)
            yield f"--where and --sample keep {100 * share:.3g} % of the rows that were looked at"
        if splits:
            parts = (f"{name} {round(rows.all_rows * x):,}" for name, x in splits.items())
            yield f"rows of the splits, about: {', '.join(parts)}"
