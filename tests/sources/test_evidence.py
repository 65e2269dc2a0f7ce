"""What the chunks of a shard showed, joined: the same whatever types they were parsed with."""

from __future__ import annotations

import numpy as np
import pytest

from bigdata_cli.sources.csv.blocks import PADDING_BYTES, Block
from bigdata_cli.sources.csv.dialect import Dialect
from bigdata_cli.sources.csv.evidence import Evidence
from bigdata_cli.sources.csv.records import Chunk, ParsePlan, parse_block
from bigdata_cli.types.lattice import Form, Observed
from bigdata_cli.types.state import ColumnState
from bigdata_cli.types.statistics import ColumnStatistics

NARROW = ColumnState(name="a", dtype="int64", observed=Observed(Form.INT, 0, 2**50))
WIDE = {
    "float64": Observed(Form.FLOAT | Form.FLOAT32_LOSES),
    "uint64": Observed(Form.INT, 0, 2**64 - 1),
}


def parsed(texts: list[str], state: ColumnState) -> Chunk:
    text = "".join(f"{one}\n" for one in texts).encode()
    data = np.full(len(text) + PADDING_BYTES, 10, np.uint8)
    data[: len(text)] = np.frombuffer(text, np.uint8)
    plan = ParsePlan(dialect=Dialect(delimiter=","), columns=(state,))
    return parse_block(Block(data, 0, len(text), True), 0, len(text), (0,), plan)


def shown(parts: list[list[str]], n_narrow: int, dtype: str) -> ColumnStatistics:
    """The statistics of parts of which the first ones are parsed as int64."""
    evidence = Evidence((NARROW,))
    for i, part in enumerate(parts):
        wide = ColumnState(name="a", dtype=dtype, observed=WIDE[dtype])
        evidence.join(parsed(part, NARROW if i < n_narrow else wide))
    return evidence.statistics()[0]


@pytest.mark.parametrize("dtype", sorted(WIDE))
@pytest.mark.parametrize("digits", [1, 5, 9, 15])
@pytest.mark.parametrize("has_nulls", [False, True])
def test_means_do_not_depend_on_when_a_column_was_widened(dtype, digits, has_nulls):
    rng = np.random.default_rng(digits)
    parts = [[str(x) for x in rng.integers(0, 10**digits, 2500)] for _ in range(4)]
    if has_nulls:
        parts = [["" if rng.random() < 0.1 else x for x in part] for part in parts]
    if dtype == "float64":
        parts.append([f"{x:.3f}" for x in rng.normal(0, 9, 2000)])
    found = [shown(parts, n_narrow, dtype) for n_narrow in range(5)]
    assert len({(s.mean, s.m2, s.nulls, s.float32_error, s.minimum, s.maximum) for s in found}) == 1
    assert found[0].mean == pytest.approx(np.mean([float(x) for p in parts for x in p if x]))
