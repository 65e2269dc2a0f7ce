"""Statistics of values, as the C library measures them."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bigdata_cli.native import parser as native
from bigdata_cli.native.library import address, lib

MODES = {"int64": native.INT64, "uint64": native.UINT64, "float64": native.FLOAT64}


def measure(values: np.ndarray, valid: np.ndarray | None = None) -> np.void:
    """What the library says of values; valid: which of them are there."""
    result = np.zeros((), native.RESULT)
    mask = np.ones(len(values), np.uint8) if valid is None else valid.astype(np.uint8)
    cells = np.ascontiguousarray(values).view(np.int64)
    mode = MODES[values.dtype.name]
    lib.bd_measure_cells(mode, address(cells), address(mask), len(cells), address(result))
    return result


NUMBERS = {
    "int64": st.integers(-(2**63), 2**63 - 1) | st.integers(-200, 200),
    "uint64": st.integers(0, 2**64 - 1) | st.integers(0, 200),
    "float64": st.floats(-1e150, 1e150)
    | st.floats(-10, 10)
    | st.sampled_from([math.inf, math.nan]),
}


@pytest.mark.parametrize("dtype", NUMBERS)
@given(data=st.data())
def test_statistics_are_those_of_exact_arithmetic(dtype: str, data: st.DataObject) -> None:
    size = st.integers(1, 40) | st.integers(2040, 2060)
    values = data.draw(hnp.arrays(dtype, size, elements=NUMBERS[dtype], fill=st.just(7)))
    valid = data.draw(hnp.arrays(bool, len(values)))
    values[~valid] = 0
    result = measure(values, valid)
    kept = [value for value in values[valid].tolist() if math.isfinite(value)]
    assert result["n_finite"] == len(kept)
    assert result["n_infinite"] == valid.sum() - len(kept)
    assert result["has_range"] == bool(kept)
    if not kept:
        return
    assert result["low"].view(dtype) == min(kept)
    assert result["high"].view(dtype) == max(kept)
    scale = float(max(abs(min(kept)), abs(max(kept)), 1e-300))
    mean = statistics.mean(kept)
    assert math.isclose(result["mean"], mean, rel_tol=1e-11, abs_tol=1e-12 * scale)
    m2 = float(statistics.pvariance(kept, mean) * len(kept))
    assert math.isclose(result["m2"], m2, rel_tol=1e-9, abs_tol=1e-10 * scale * scale)


def test_values_close_to_each_other_and_far_from_zero_keep_their_deviations() -> None:
    values = np.arange(5000, dtype=np.int64) % 10 + 2**40
    assert math.isclose(measure(values)["m2"], 5000 * 8.25, rel_tol=1e-12)
    assert math.isclose(measure(values.astype(np.float64))["m2"], 5000 * 8.25, rel_tol=1e-12)


def test_sums_of_small_integers_are_exact() -> None:
    values = np.array([1, 2, 4] * 1000, np.int64)
    result = measure(values)
    assert result["mean"] == 7000 / 3000
    assert math.isclose(result["m2"], 3000 * 14 / 9, rel_tol=1e-15)


def test_the_error_of_float32_is_that_of_the_worst_value() -> None:
    values = np.array([0.5, 1e-300, 0.1, 3.0, 0.25])
    assert measure(values)["float32_error"] == 1.0
    values[1] = 2.0
    assert measure(values)["float32_error"] == abs(float(np.float32(0.1)) - 0.1) / 0.1


def test_deviations_whose_squares_are_beyond_float64_are_infinite() -> None:
    result = measure(np.array([1e200, 1.0, 2.5]))
    assert math.isclose(result["mean"], 1e200 / 3)
    assert result["m2"] == math.inf
    result = measure(np.array([1e4, *[1.0] * 4, 1.7976931348623157e308]))
    assert math.isclose(result["mean"], 1.7976931348623157e308 / 6)
