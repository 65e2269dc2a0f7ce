"""Statistics of all rows that steps need, from a pass over just the columns that they are of."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bigdata_cli.sources.base import RowSource
from bigdata_cli.sources.csv.evidence import Evidence
from bigdata_cli.sources.csv.records import Chunk
from bigdata_cli.splits.rule import HashSplit
from bigdata_cli.transforms.first_pass import FirstPass
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
    first_pass = FirstPass.of(
        source,
        types,
        columns if training is None else training.columns,
        why="statistics of all rows take",
        hint="convert a file, or a dataset that the pipe was converted to; or give the values: "
        "--fill COL=VALUE, --bin COL=1,10,100, "
        "--stats-from DIR",
        split=None if training is None else training.rule,
        from_sample=from_sample,
        skip_bad_rows=skip_bad_rows,
    )
    plan = first_pass.plan
    evidence = Evidence(plan.columns)
    fitted = {state.name: Fitted(state.dtype) for state in plan.columns}
    started, n_bytes = time.thread_time(), 0
    for found, n_read in _chunks(first_pass, from_sample=from_sample):
        n_bytes += n_read
        chunk = found if training is None else training.of(found)
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


def _chunks(first_pass: FirstPass, *, from_sample: bool) -> Iterator[tuple[Chunk, int]]:
    """The rows of a pass, or a sample of them, each chunk with the bytes of a sample it is of."""
    if not from_sample:
        for _, chunk in first_pass.chunks():
            yield chunk, 0
        return
    for unit in first_pass.sampled():
        assert unit.chunk is not None
        yield unit.chunk, unit.chunk.position - unit.start


def is_finite(*numbers: float | None) -> bool:
    """Whether all of these are numbers."""
    return all(one is not None and np.isfinite(one) for one in numbers)
