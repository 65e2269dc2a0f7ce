"""What a parse tells of the text of values: whether it can be had back from them."""

from __future__ import annotations

import numpy as np
import pytest

from bigdata_cli.sources.csv.blocks import PADDING_BYTES, Block
from bigdata_cli.sources.csv.dialect import Dialect
from bigdata_cli.sources.csv.records import ParsePlan, parse_block
from bigdata_cli.types.lattice import Form
from bigdata_cli.types.state import ColumnState

TOLD = Form.LOOSE | Form.NOT_SHORTEST


def told(values: list[str], dtype: str, **dialect: str) -> int:
    """The bits that say what the text was like, of a column of these fields."""
    text = "".join(f"{value},x\n" for value in values).encode()
    data = np.full(len(text) + PADDING_BYTES, 10, np.uint8)
    data[: len(text)] = np.frombuffer(text, np.uint8)
    columns = (ColumnState(name="a", dtype=dtype), ColumnState(name="b", dtype="text"))
    plan = ParsePlan(dialect=Dialect(delimiter=",", **dialect), columns=columns)
    chunk = parse_block(Block(data, 0, len(text), True), 0, len(text), (0, 1), plan)
    assert chunk.columns[0].dtype == dtype
    return chunk.observed[0].forms & TOLD


@pytest.mark.parametrize(
    ("values", "dtype", "is_loose"),
    [
        (["1", "22", "-3"], "int8", False),
        ([" 1", "2"], "int8", True),
        (["1\t"], "int8", True),
        (['"1"', "2"], "int8", False),
        (['" 1"'], "int8", True),
        (["NA", "", "2"], "int8", False),
        (['""', "2"], "int8", True),
        (['"NA"', "2"], "int8", True),
        ([" ", "2"], "int8", True),
        (["true", "false"], "bool", False),
        (["True", "false"], "bool", True),
        (["FALSE"], "bool", True),
        (["2021-01-01"], "date", False),
        ([" 2021-01-01"], "date", True),
        (["", "NA"], "null", False),
        (['""'], "null", True),
        ([" "], "null", True),
    ],
)
def test_loose(values, dtype, is_loose):
    assert told(values, dtype) == (Form.LOOSE if is_loose else 0)


def test_thousands_marks_are_loose():
    assert told(["1;000"], "int16", thousands=";") == Form.LOOSE


@pytest.mark.parametrize(
    ("values", "is_shortest"),
    [
        (["0.1", "0.5", "0.0", "-0.0", "12345678.0", "1e-5"], True),
        (["5", "16777216", "0.5"], True),
        (["3.4028235e+38", "1.1754944e-38"], True),
        (["inf", "0.30000004"], True),
        (["0.0001220703125"], False),  # 2**-13, which float32 prints as 0.00012207031
        (["-0.00006103515625"], False),
        (["0.1", "0.1", "0.0001220703125"], False),
    ],
)
def test_the_shortest_decimal_of_a_float32(values, is_shortest):
    assert told(values, "float32") == (0 if is_shortest else Form.NOT_SHORTEST)
    if is_shortest:
        return
    assert np.float64(np.float32(values[-1])) == float(values[-1])
    assert float(str(np.float32(values[-1]))) != float(values[-1])
