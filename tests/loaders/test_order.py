"""Splits: every row once, and nothing that is no slice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.order import split_rows


@pytest.mark.parametrize(
    ("split", "rows"),
    [
        (None, range(1000)), ("[:80%]", range(800)), ("[80%:]", range(800, 1000)),
        ("[100:]", range(100, 1000)), ("[:250]", range(250)), ("[10%:20%]", range(100, 200)),
        ("[-10%:]", range(900, 1000)), ("[:-1]", range(999)), ("[:]", range(1000)),
        ("[33.3%:333]", None), (" [ 12.5% : ] ", range(125, 1000)), ("[-2000:5]", range(5)),
    ],
)  # fmt: skip
def test_splits(split, rows):
    if rows is None:
        with pytest.raises(UsageError, match="none of the 1,000 rows"):
            split_rows(split, 1000)
    else:
        assert split_rows(split, 1000) == rows


@given(n_rows=st.integers(1, 10**12), percent=st.integers(0, 1000).map(lambda p: p / 10))
def test_complementary_splits_have_every_row_once(n_rows, percent):
    def part(split: str) -> range:
        try:
            return split_rows(split, n_rows)
        except UsageError:  # it has no rows
            return range(0)

    head, tail = part(f"[:{percent}%]"), part(f"[{percent}%:]")
    assert len(head) + len(tail) == n_rows
    assert not head or not tail or head.stop == tail.start


@pytest.mark.parametrize(
    "split",
    ["train", "train[:80%]", "[80%]", "[:80%", "[:120%]", "[:x]", "[1.5:]", "[::2]", "[:2000]",
     "[1e3:]", 7, ""],
)  # fmt: skip
def test_other_splits_are_refused(split):
    with pytest.raises(UsageError, match=r"split|%"):
        split_rows(split, 1000)
