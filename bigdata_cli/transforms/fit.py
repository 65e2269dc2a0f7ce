"""Statistics of all rows that steps need, from a pass over just the columns that they are of."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bigdata_cli.engines.ordered import ordered_map
from bigdata_cli.errors import UsageError
from bigdata_cli.resources.memory import available_cpus
from bigdata_cli.sources.base import FedRows, RowSource, all_in_one
from bigdata_cli.sources.csv.blocks import MAX_RECORD_BYTES, UNIT_BYTES
from bigdata_cli.sources.csv.evidence import Evidence
from bigdata_cli.sources.csv.records import Chunk, ParsePlan
from bigdata_cli.sources.csv.sample import SAMPLE_BYTES
from bigdata_cli.sources.csv.units import Unit
from bigdata_cli.splits.rule import HashSplit
from bigdata_cli.transforms.quantiles import QuantileSketch
from bigdata_cli.transforms.rows import filter_rows
from bigdata_cli.types.buffers import numbers_of
from bigdata_cli.types.lattice import TypeOptions
from bigdata_cli.types.statistics import ColumnStatistics
from bigdata_cli.types.vocabulary import MAX_CATEGORIES


class Fitted:
    """What all rows showed of a column.

    counts: how often each value is there; None where there are too many. seconds: of a processor
    that a byte of the source took, where a sample was read.
    """

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        self.statistics = ColumnStatistics()
        self.counts: Counter[object] | None = Counter()
        self.quantiles = QuantileSketch()
        self.seconds = 0.0

    def add(self, array: pa.Array, *, counts: bool, quantiles: bool) -> None:
        """Take values, in the order of the source."""
        if counts and self.counts is not None:
            found = pc.value_counts(array.drop_null())
            for pair in found.to_pylist():
                self.counts[pair["values"]] += pair["counts"]
            if len(self.counts) > MAX_CATEGORIES:
                self.counts = None
        if quantiles:
            numbers = pc.cast(array.drop_null(), pa.float64(), safe=False)
            self.quantiles.add(numbers_of(numbers))


@dataclass(frozen=True)
class TrainingRows:
    """The rows of the split for training.

    Attributes:
        rule: By which rows are split.
        place: That of the split.
        columns: To read, so that rows can be split.
    """

    rule: HashSplit
    place: int
    columns: tuple[str, ...]

    def of(self, chunk: Chunk) -> Chunk:
        """These rows of a chunk."""
        assert chunk.hashes is not None
        return filter_rows(chunk, self.rule.assign(chunk.hashes) == self.place)


def fit(
    source: RowSource,
    types: TypeOptions,
    columns: Sequence[str],
    *,
    counts: Sequence[str] = (),
    quantiles: Sequence[str] = (),
    skip_bad_rows: bool = False,
    training: TrainingRows | None = None,
    from_sample: bool = False,
) -> dict[str, Fitted]:
    """Read some columns of a source once.

    Args:
        source: Its rows as they are before the steps that are to be fitted.
        types: The dtypes that the user fixed.
        columns: Those to read.
        counts, quantiles: Those whose values are counted, or sketched.
        skip_bad_rows: Whether records that cannot be kept are left out.
        training: Which rows count; None for all.
        from_sample: Look at a sample of the rows only, as an estimate.

    Raises:
        UsageError: It comes once.
        DataError: A record cannot be kept.
    """
    if source.comes_once and not from_sample:
        raise UsageError(
            "statistics of all rows take a pass over the source before, and a pipe is read once",
            hint="convert a file, or give the values: --fill COL=VALUE, --bin COL=1,10,100",
        )
    keep = tuple(columns) if training is None else training.columns
    sample = source.sample(
        TypeOptions(float_mode="64", fixed=types.fixed),
        keep=keep,
        max_bytes=SAMPLE_BYTES,
        skip_bad_rows=skip_bad_rows,
        max_record_bytes=MAX_RECORD_BYTES,
    )
    plan = sample.plan if training is None else replace(sample.plan, split=training.rule)
    evidence = Evidence(plan.columns)
    fitted = {state.name: Fitted(state.dtype) for state in plan.columns}
    read = _sampled if from_sample else _all_units
    started, n_bytes = time.thread_time(), 0
    for unit in read(source, plan, skip_bad_rows=skip_bad_rows):
        if unit.chunk is None:
            continue
        n_bytes += unit.chunk.position - unit.start
        chunk = unit.chunk if training is None else training.of(unit.chunk)
        evidence.join(chunk)
        for place, state in enumerate(chunk.columns):
            one = fitted[state.name]
            one.dtype = state.dtype
            one.add(
                chunk.batch.column(place),
                counts=state.name in counts,
                quantiles=state.name in quantiles,
            )
    seconds = (time.thread_time() - started) / max(n_bytes, 1)
    for name, statistics in zip(fitted, evidence.statistics(), strict=True):
        fitted[name].statistics = statistics
        fitted[name].seconds = seconds
    return {name: fitted[name] for name in columns}


def _all_units(source: RowSource, plan: ParsePlan, *, skip_bad_rows: bool) -> Iterator[Unit]:
    """All rows of a source in order; raises DataError for a record that cannot be kept."""
    keep = [state.name for state in plan.columns]
    fields = source.fields_of(keep)

    def parse(fed: FedRows) -> Unit:
        return fed.parse(fields[fed.file], plan)

    feed = source.feed(
        all_in_one,
        keep=keep,
        unit_bytes=UNIT_BYTES,
        max_record_bytes=MAX_RECORD_BYTES,
        strict=not skip_bad_rows,
    )
    jobs = available_cpus()
    with feed, ThreadPoolExecutor(jobs, thread_name_prefix="fit") as pool:
        for fed, unit in ordered_map(pool, parse, feed, max_in_flight=jobs + 1):
            if unit.chunk is None:
                assert unit.error is not None
                raise source.located(fed.file, unit.error) from unit.error
            yield unit


def _sampled(source: RowSource, plan: ParsePlan, *, skip_bad_rows: bool) -> Iterator[Unit]:
    """Rows from all over a source; what is wrong with others a conversion says."""
    keep = [state.name for state in plan.columns]
    yield from source.sample_units(plan, keep, SAMPLE_BYTES)


def is_finite(*numbers: float | None) -> bool:
    """Whether all of these are numbers."""
    return all(one is not None and np.isfinite(one) for one in numbers)
