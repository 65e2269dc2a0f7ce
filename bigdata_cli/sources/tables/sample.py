"""A sample spread over tables, and the types that follow from it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa

from bigdata_cli.sources.csv.records import ParsePlan
from bigdata_cli.sources.csv.sample import Sample, SampleTaker
from bigdata_cli.sources.csv.units import Unit
from bigdata_cli.sources.tables.rows import parse_rows
from bigdata_cli.types.lattice import TYPE_FORMS, Form, Observed

if TYPE_CHECKING:
    from bigdata_cli.sources.tables.source import TableSource

_MAX_PARTS = 8


def take_sample(
    source: TableSource, plan: ParsePlan, keep: Sequence[str], max_bytes: int
) -> Sample:
    """What the first rows of some parts show; the plan's columns are those of nothing seen.

    Raises DataError where no part can be kept.
    """
    taker = SampleTaker(plan)
    failed: Unit | None = None
    n_bytes = 0
    for file, first_row, batch in read_parts(source, keep, max_bytes):
        unit = parse_rows(batch, file, first_row, taker.plan)
        n_bytes += batch.nbytes
        if not taker.take(unit):
            failed = failed or unit
    if failed is not None and failed.error is not None and not taker.chunks:
        raise source.located(failed.piece.file, failed.error)
    taker.plan = _with_bounds(source, taker.plan)
    rows = source.total_rows
    sample = taker.summarise(failed is None and taker.rows == rows, rows)
    return replace(sample, bytes=n_bytes)


def sample_units(
    source: TableSource, plan: ParsePlan, keep: Sequence[str], max_bytes: int
) -> Iterator[Unit]:
    """Parsed rows from some parts, of about `max_bytes` together."""
    for file, first_row, batch in read_parts(source, keep, max_bytes):
        yield parse_rows(batch, file, first_row, plan)


def read_parts(
    source: TableSource, keep: Sequence[str], max_bytes: int
) -> Iterator[tuple[int, int, pa.RecordBatch]]:
    """(table, first row, batch) of the first rows of parts from all over the source."""
    parts = [
        (file, part, sum(table.parts[:part]))
        for file, table in enumerate(source.files)
        for part in range(len(table.parts))
        if table.parts[part] and sum(table.parts[:part]) < table.rows
    ]
    n_parts = min(len(parts), _MAX_PARTS)
    last = max(1, n_parts - 1)
    for place in range(n_parts):
        file, part, row = parts[(len(parts) - 1) * place // last]
        left = max_bytes // n_parts
        batches = source.files[file].read(keep, batch_bytes=max(1, left // 4), part=part)
        for whole in batches:
            batch = whole.slice(0, source.files[file].rows - row)
            if not batch.num_rows:
                break
            yield file, row, batch
            row += batch.num_rows
            left -= batch.nbytes
            if left <= 0:
                break


def _with_bounds(source: TableSource, plan: ParsePlan) -> ParsePlan:
    """The plan with integers as wide as the tables say they are; each value is checked later."""
    free = [
        s.name for s in plan.columns if not s.fixed and s.observed.forms & TYPE_FORMS == Form.INT
    ]
    seen = {name: Observed() for name in free}
    for table in source.files:
        for name, (low, high) in table.integer_bounds(free).items():
            seen[name] = seen[name].join(Observed(Form.INT, max(0, -low), max(0, high)))
    columns = (
        replace(s, observed=s.observed.join(seen[s.name])) if s.name in seen else s
        for s in plan.columns
    )
    return replace(plan, columns=tuple(columns))
