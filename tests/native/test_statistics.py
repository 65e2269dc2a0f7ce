"""Statistics of values, as the C library measures them."""

from __future__ import annotations

import math
import sys
from fractions import Fraction

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


def moments(result: np.void) -> tuple[float, float]:
    """Mean and sum of squared deviations of a result."""
    means, m2 = native.finish_moments(np.array([result]))
    return float(means[0]), float(m2[0])


def merged(parts: list[np.ndarray]) -> np.ndarray:
    """What the library says of parts that are measured one by one."""
    results = [np.array([measure(part)]) for part in parts]
    mode = np.array([MODES[parts[0].dtype.name]], np.int32)
    for more in results[1:]:
        lib.bd_merge_results(address(results[0]), address(more), address(mode), 1)
    return results[0]


def exact_moments(values: list[float]) -> tuple[Fraction, Fraction]:
    """Mean and squared deviations of doubles, by integers in units of the smallest double."""
    ratios = [value.as_integer_ratio() for value in values]
    units = [top << 1075 - bottom.bit_length() for top, bottom in ratios]
    total = sum(units)
    squares = len(units) * sum(unit * unit for unit in units) - total * total
    return Fraction(total, len(units) << 1074), Fraction(squares, len(units) << 2148)


def rounded(exact: Fraction) -> float:
    if abs(exact) > sys.float_info.max:
        return math.inf if exact > 0 else -math.inf
    return float(exact)


NUMBERS = {
    "int64": st.integers(-(2**63), 2**63 - 1) | st.integers(-200, 200) | st.integers(0, 2**22),
    "uint64": st.integers(0, 2**64 - 1) | st.integers(0, 200),
    "float64": st.floats(-1e150, 1e150)
    | st.floats(-10, 10)
    | st.integers(-(2**22), 2**22).map(float)
    | st.sampled_from([math.inf, math.nan, 5e-324, -1.7976931348623157e308]),
}
SIZES = st.integers(1, 40) | st.integers(2040, 2060)


@pytest.mark.parametrize("dtype", NUMBERS)
@given(data=st.data())
def test_statistics_are_those_of_exact_arithmetic(dtype: str, data: st.DataObject) -> None:
    values = data.draw(hnp.arrays(dtype, SIZES, elements=NUMBERS[dtype], fill=st.just(7)))
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
    numbers = [float(value) for value in kept]
    mean, m2 = exact_moments(numbers)
    # Of each number 2**-66 of the largest is rounded away at most.
    largest = Fraction(max(map(abs, numbers)))
    means = [rounded(mean + sign * largest / 2**66) for sign in (-1, 1)]
    miss = len(numbers) * largest * largest / 2**63
    deviations = [rounded(max(m2 + sign * miss, Fraction(0))) for sign in (-1, 1)]
    found = moments(result)
    assert means[0] <= found[0] <= means[1]
    assert deviations[0] <= found[1] <= deviations[1]


@pytest.mark.parametrize("dtype", NUMBERS)
@given(data=st.data())
def test_sums_do_not_depend_on_how_values_are_divided(dtype: str, data: st.DataObject) -> None:
    values = data.draw(hnp.arrays(dtype, SIZES, elements=NUMBERS[dtype], fill=st.just(7)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=4)))
    shuffled = data.draw(st.permutations(np.split(values, cuts)))
    whole, parts = measure(values), merged(shuffled)[0]
    assert parts["sums"].tobytes() == whole["sums"].tobytes()
    assert moments(parts) == moments(whole)
    assert parts["float32_error"] == whole["float32_error"]


@given(hnp.arrays(np.int64, SIZES, elements=st.integers(-(2**53), 2**53), fill=st.just(7)))
def test_integers_have_the_moments_of_equal_floats(values: np.ndarray) -> None:
    assert measure(values)["sums"].tobytes() == measure(values.astype(float))["sums"].tobytes()


@pytest.mark.parametrize("scale", [1.0, 2.0**600, 2.0**-1000])
def test_values_of_one_size_are_summed_without_any_error(scale: float) -> None:
    values = np.random.default_rng(5).normal(size=3000) * scale
    mean, m2 = exact_moments(values.tolist())
    assert moments(measure(values)) == (float(mean), rounded(m2))
    assert moments(measure(values))[0] == pytest.approx(math.fsum(values) / 3000, rel=1e-15)


def test_values_close_to_each_other_and_far_from_zero_keep_their_deviations() -> None:
    values = np.arange(5000, dtype=np.int64) % 10 + 2**40
    assert moments(measure(values))[1] == 5000 * 8.25
    assert moments(measure(values.astype(np.float64)))[1] == 5000 * 8.25
    seconds = 1.6e9 + np.random.default_rng(1).normal(0, 1e-3, 2000)
    assert moments(measure(seconds)) == tuple(map(float, exact_moments(seconds.tolist())))


def test_sums_of_small_integers_are_exact() -> None:
    values = np.array([1, 2, 4] * 1000, np.int64)
    assert moments(measure(values)) == (7000 / 3000, 3000 * 14 / 9)


def test_numbers_that_float64_barely_holds_have_moments() -> None:
    tiny = np.array([5e-324, 15e-324])
    assert moments(measure(tiny)) == (10e-324, 0.0)
    huge = np.full(3, sys.float_info.max)
    assert moments(measure(huge)) == (sys.float_info.max, 0.0)


def test_the_error_of_float32_is_that_of_the_worst_value() -> None:
    values = np.array([0.5, 1e-300, 0.1, 3.0, 0.25])
    assert measure(values)["float32_error"] == 1.0
    values[1] = 2.0
    assert measure(values)["float32_error"] == abs(float(np.float32(0.1)) - 0.1) / 0.1


def test_deviations_whose_squares_are_beyond_float64_are_infinite() -> None:
    mean, m2 = moments(measure(np.array([1e200, 1.0, 2.5])))
    assert mean == 1e200 / 3
    assert m2 == math.inf
    mean, _ = moments(measure(np.array([1e4, *[1.0] * 4, sys.float_info.max])))
    assert mean == sys.float_info.max / 6
