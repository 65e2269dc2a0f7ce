"""Arrow arrays by their buffers give what pyarrow.compute gives."""

from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pytest

from bigdata_cli.types.buffers import cast_array, concat_batches, validity_of

NUMBERS = pa.array([1, None, 3, -4, None, 6, 7, 8, 9, 10, None] * 3, pa.int8())


@pytest.mark.parametrize("first", range(0, 20, 3))
@pytest.mark.parametrize("target", [pa.int16(), pa.int32(), pa.int64(), pa.float32()])
def test_slices_are_cast(first: int, target: pa.DataType) -> None:
    part = NUMBERS.slice(first, 9)
    found = cast_array(part, target)
    found.validate(full=True)
    assert found.type == target
    assert found.equals(part.cast(target))


@pytest.mark.parametrize("first", range(0, 20, 3))
def test_validity_of_slices(first: int) -> None:
    part = NUMBERS.slice(first, 9)
    found = validity_of(part)
    assert found is not None
    assert found.tolist() == part.is_valid().to_pylist()


def test_arrays_without_nulls_and_of_nulls_only() -> None:
    assert validity_of(pa.array([1, 2])) is None
    found = validity_of(pa.nulls(3))
    assert found is not None
    assert found.tolist() == [False] * 3


def test_values_that_do_not_fit_are_refused() -> None:
    for values, target in ((pa.array([300], pa.int16()), pa.int8()), (pa.array([-1]), pa.uint64())):
        with pytest.raises(OverflowError, match="none of"):
            cast_array(values, target)


def test_nulls_are_cast_whatever_lies_beneath() -> None:
    negative = pa.array([-1, None]).slice(1)
    assert cast_array(negative, pa.uint8()).equals(pa.array([None], pa.uint8()))


def test_neither_needs_pyarrow_compute() -> None:
    code = (
        "import sys, numpy as np, pyarrow as pa; from bigdata_cli.types.buffers import *; "
        "a = array_of(np.arange(2, dtype=np.int8), np.array([True, False])); "
        "cast_array(a, pa.int64()); validity_of(a); "
        "sys.exit('pyarrow.compute' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_batches_are_joined_with_nulls_dictionaries_slices_and_without_columns():
    one = pa.record_batch(
        {
            "n": pa.array([1, None, 3], pa.int16()),
            "c": pa.array(["x", "y", "x"]).dictionary_encode(),
        }
    )
    other = pa.record_batch(
        {"n": pa.array([4, 5], pa.int16()), "c": pa.array(["z", None]).dictionary_encode()}
    )
    joined = concat_batches([one.slice(1), other])
    assert joined.schema == one.schema
    assert joined.to_pydict() == {"n": [None, 3, 4, 5], "c": ["y", "x", "z", None]}
    assert concat_batches([one.select([]), other.select([])]).num_rows == 5
    assert concat_batches([one]) is one
