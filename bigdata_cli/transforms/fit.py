"""Statistics of all rows that steps need, from a pass over just the columns that they are of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bigdata_cli.sources.base import RowSource
from bigdata_cli.sources.csv.evidence import Evidence
from bigdata_cli.transforms.first_pass import FirstPass
from bigdata_cli.transforms.quantiles import QuantileSketch
from bigdata_cli.types.buffers import numbers_of
from bigdata_cli.types.lattice import TypeOptions
from bigdata_cli.types.statistics import ColumnStatistics
from bigdata_cli.types.vocabulary import MAX_CATEGORIES


class Fitted:
    """What all rows showed of a column.

    counts: how often each value is there; None where there are too many.
    """

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        self.statistics = ColumnStatistics()
        self.counts: Counter[object] | None = Counter()
        self.quantiles = QuantileSketch()

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


def fit(
    source: RowSource,
    types: TypeOptions,
    columns: Sequence[str],
    *,
    counts: Sequence[str] = (),
    quantiles: Sequence[str] = (),
    skip_bad_rows: bool = False,
) -> dict[str, Fitted]:
    """Read some columns of a source once.

    Args:
        source: Its rows as they are before the steps that are to be fitted.
        types: The dtypes that the user fixed.
        columns: Those to read.
        counts, quantiles: Those whose values are counted, or sketched.
        skip_bad_rows: Whether records that cannot be kept are left out.

    Raises:
        UsageError: It comes once.
        DataError: A record cannot be kept.
    """
    first_pass = FirstPass.of(
        source,
        types,
        columns,
        why="statistics of all rows take",
        hint="convert a file, or give the values: --fill COL=VALUE, --bin COL=1,10,100",
        skip_bad_rows=skip_bad_rows,
    )
    plan = first_pass.plan
    evidence = Evidence(plan.columns)
    fitted = {state.name: Fitted(state.dtype) for state in plan.columns}
    for _, chunk in first_pass.chunks():
        evidence.join(chunk)
        for place, state in enumerate(chunk.columns):
            one = fitted[state.name]
            one.dtype = state.dtype
            one.add(
                chunk.batch.column(place),
                counts=state.name in counts,
                quantiles=state.name in quantiles,
            )
    for name, statistics in zip(fitted, evidence.statistics(), strict=True):
        fitted[name].statistics = statistics
    return fitted


def is_finite(*numbers: float | None) -> bool:
    """Whether all of these are numbers."""
    return all(one is not None and np.isfinite(one) for one in numbers)
