"""Join is a join, and the dtype climbs with it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli.types.dtype import DTYPES, integer_range, kind_of, smallest_integer
from bigdata_cli.types.lattice import Form, Observed, resolve

OBSERVED = st.builds(
    Observed, st.integers(0, 511), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)
)
HEIGHT = {"null": 0, "bool": 1, "int": 1, "date": 1, "float": 2, "timestamp": 2, "text": 3}


def dtype_of(observed: Observed) -> str:
    return resolve(observed, n_distinct=None, n_rows=10)


@given(OBSERVED, OBSERVED, OBSERVED)
def test_join_is_associative_commutative_and_idempotent(a, b, c):
    assert a.join(b) == b.join(a)
    assert a.join(b).join(c) == a.join(b.join(c))
    assert a.join(a) == a
    assert a.join(Observed()) == a


@given(OBSERVED, OBSERVED)
def test_more_values_never_make_the_kind_lower(a, b):
    assert HEIGHT[kind_of(dtype_of(a.join(b)))] >= HEIGHT[kind_of(dtype_of(a))]
    assert dtype_of(a) in DTYPES


@given(st.integers(-(2**65), 2**65), st.integers(-(2**65), 2**65))
def test_the_smallest_integer_holds_the_range_and_no_narrower_one_does(a, b):
    low, high = min(a, b), max(a, b)
    dtype = smallest_integer(low, high)
    if dtype is None:
        assert low < -(2**63) or high > 2**64 - 1 or (low < 0 and high > 2**63 - 1)
        return
    smallest, largest = integer_range(dtype)
    assert smallest <= low <= high <= largest
    bits = int(dtype.lstrip("uint"))
    for narrower in (f"{sign}{bits // 2}" for sign in ("int", "uint") if bits > 8):
        lowest, highest = integer_range(narrower)
        assert not lowest <= low <= high <= highest


def test_categories_are_few_and_less_than_half_of_the_rows():
    text = Observed(Form.TEXT)
    assert resolve(text, n_distinct=4, n_rows=9) == "category"
    assert resolve(text, n_distinct=5, n_rows=9) == "text"
    assert resolve(text, n_distinct=65_536, n_rows=10**9) == "category"
    assert resolve(text, n_distinct=65_537, n_rows=10**9) == "text"
    assert resolve(text, n_distinct=None, n_rows=10**9) == "text"
