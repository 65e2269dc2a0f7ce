"""The rows of a block divided among splits: each has the statistics of its rows alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli.native.library import address, lib
from bigdata_cli.sources.csv.blocks import PADDING_BYTES, Block
from bigdata_cli.sources.csv.dialect import Dialect
from bigdata_cli.sources.csv.records import Chunk, ParsePlan, parse_block
from bigdata_cli.splits.options import SplitOptions
from bigdata_cli.splits.rule import HashSplit
from bigdata_cli.types.state import ColumnState
from tests.examples import examples

SPLITS = {
    "most in one": {"train": 0.8, "val": 0.1, "test": 0.1},
    "two halves": {"a": 0.5, "b": 0.5},
    "most in the last": {"a": 0.2, "b": 0.3, "c": 0.5},
}
VALUES = {
    "int64": st.one_of(
        st.integers(-3, 3), st.integers(-(2**21), 2**21), st.integers(-(2**63), 2**63 - 1)
    ),
    "uint64": st.integers(0, 2**64 - 1),
    "float64": st.one_of(
        st.sampled_from([0.0, -0.0, 1.0, float("inf"), float("-inf"), 1e300, 5e-324, 0.1]),
        st.floats(allow_nan=False),
    ),
    "bool": st.sampled_from(["true", "false"]),
    "date": st.dates(),
    "text": st.text("abcé", min_size=1, max_size=40),
}
PARTS = ("n_nulls", "n_finite", "n_infinite", "has_range", "low", "high", "sums", "text_bytes")


def parsed(texts: list[str], dtype: str, split: HashSplit | None = None) -> Chunk:
    data = "".join(f"{i},{text}\n" for i, text in enumerate(texts)).encode()
    padded = np.full(len(data) + PADDING_BYTES, 10, np.uint8)
    padded[: len(data)] = np.frombuffer(data, np.uint8)
    columns = (
        ColumnState(name="i", dtype="int64", fixed=True),
        ColumnState(name="c", dtype=dtype, fixed=True),
    )
    dialect = Dialect(delimiter=",")
    plan = ParsePlan(dialect=dialect, columns=columns, split=split, divides=split is not None)
    return parse_block(Block(padded, 0, len(data), at_eof=True), 0, len(data), (0, 1), plan)


@pytest.mark.parametrize("shares", SPLITS.values(), ids=SPLITS)
@pytest.mark.parametrize("dtype", VALUES)
@examples(60)
@given(data=st.data())
def test_each_split_has_the_statistics_of_its_rows_alone(dtype, shares, data):
    values = st.one_of(VALUES[dtype].map(str), st.just(""))
    few = data.draw(st.lists(values, min_size=1, max_size=12))
    texts = few * data.draw(st.sampled_from([1, 3, 400]))
    options = SplitOptions(split=shares, split_by=("i",))
    split = HashSplit.of(options, ("i", "c"), seed=data.draw(st.integers(0, 9)))
    assert split is not None
    chunk = parsed(texts, dtype, split)
    assert chunk.splits is not None
    assert chunk.divided is not None
    known = chunk.summary.results["float32_error"]
    for number, (batch, results) in enumerate(chunk.divided):
        rows = np.flatnonzero(chunk.splits == number)
        assert batch.column(0).to_pylist() == rows.tolist()
        if not len(rows):
            assert not results["n_finite"].any()
            continue
        alone = parsed([texts[row] for row in rows.tolist()], dtype)
        for name in PARTS:
            assert results[1][name].tobytes() == alone.summary.results[1][name].tobytes(), name
        assert results[1]["float32_error"] == (known[1] if results[1]["n_finite"] else 0)


@given(
    st.lists(st.one_of(st.floats(), st.sampled_from([0.0, -0.0])), max_size=40),
    st.integers(1, 2**64 - 1),
    st.data(),
)
def test_many_numbers_have_the_hashes_of_each(values, salt, data):
    numbers = np.array(values, np.float64)
    valid = data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
    is_there = np.array(valid, np.uint8)
    found = np.arange(len(values), dtype=np.uint64)
    for mask in (None, is_there):
        hashes = found.copy()
        place = None if mask is None else address(mask)
        lib.bd_add_number_hashes(len(values), address(numbers), place, salt, address(hashes))
        for row in range(len(values)):
            one, hash_of_one = numbers[row : row + 1].copy(), found[row : row + 1].copy()
            if mask is None or mask[row]:
                lib.bd_add_number_hashes(1, address(one), None, salt, address(hash_of_one))
            assert hashes[row] == hash_of_one[0]
