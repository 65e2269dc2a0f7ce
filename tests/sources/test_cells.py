"""The compiled passes over the cells of a column."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bigdata_cli.sources.cells import measure, measure_all


def flags_of(values: np.ndarray) -> np.ndarray:
    return np.zeros(len(values), np.uint8)


ARRAYS = st.sampled_from(["float64", "int64", "uint64"]).flatmap(
    lambda dtype: hnp.arrays(dtype, st.integers(1, 40))
)


@given(ARRAYS)
def test_values_that_are_all_there_are_measured_as_others_are(values: np.ndarray) -> None:
    expected = measure(values, flags_of(values))
    found = measure_all(values)
    wide = values.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        overflows = not np.isfinite(wide.sum()) or not np.isfinite(
            ((wide - wide.mean()) ** 2).sum()
        )
    if not np.isfinite(wide).all():
        assert found[1] == -1
        return
    if overflows:
        return
    assert found[:4] == expected[:4]
    scale = float(np.abs(wide).max()) or 1.0
    assert math.isclose(found[4], expected[4], rel_tol=1e-12, abs_tol=1e-12 * scale)
    assert math.isclose(found[5], expected[5], rel_tol=1e-9, abs_tol=1e-12 * scale * scale)
    assert math.isclose(found[6], expected[6], rel_tol=1e-8)


@pytest.mark.parametrize("place", range(6))
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_left_to_the_other(value: float, place: int) -> None:
    values = np.arange(6.0)
    values[place] = value
    assert measure_all(values)[1] == -1


def test_the_error_of_float32_is_that_of_the_worst_value() -> None:
    values = np.array([0.5, 1e-300, 0.1, 3.0, 0.25])
    assert measure_all(values)[6] == 1.0
    values[1] = 2.0
    assert measure_all(values)[6] == abs(float(np.float32(0.1)) - 0.1) / 0.1
