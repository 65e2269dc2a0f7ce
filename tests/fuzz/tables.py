"""Typed tables against a reader that shares no code with the parser: `benchmarks/oracle.py`."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.oracle import Cell, canonical_type, cast_cells, dtype_of, read_records
from bigdata_cli.sources.bad_values import NeedMore, RecordError
from bigdata_cli.sources.csv.blocks import PADDING_BYTES, Block, ByteRange
from bigdata_cli.sources.csv.dialect import Dialect
from bigdata_cli.sources.csv.records import Chunk, ParsePlan, parse_block
from bigdata_cli.sources.csv.sample import SampleTaker
from bigdata_cli.sources.csv.units import Unit
from bigdata_cli.types.state import ColumnState
from tests.fuzz import mutated, target

WORDS = (
    "",
    "x",
    "NA",
    "null",
    "nan",
    "C123",
    "a b",
    'say "so"',
    "1,5",
    "two\nlines",
    "é😀",
    "007",
    "+1",
)
WORDS += (
    "-",
    ".",
    "1e5",
    "1E4",
    "-0",
    "0.",
    ".5",
    "inf",
    "-Infinity",
    "t",
    "yes",
    "1_0",
    " 1",
    "2 ",
)
BOOLS = ("true", "false", "True", "FALSE")
DATES = (
    "2020-02-29",
    "2019-02-29",
    "1900-02-29",
    "2000-02-29",
    "0001-01-01",
    "9999-12-31",
    "2020-1-1",
)
CLOCKS = (
    "00:00",
    "23:59",
    "12:34:56",
    "12:34:56.5",
    "12:34:56.123456",
    "12:34:56.123456789",
    "24:00",
)
ZONES = ("", "", "Z", "+00:00", "+00", "+01:00", "-0330", "+23:59", "-24:00", "+1:00")
BOUNDS = [2**n for n in (7, 8, 15, 16, 24, 31, 32, 53, 63, 64)]
PIECES = [
    b",",
    b"\n",
    b"\r\n",
    b'"',
    b'""',
    b"1",
    b"-",
    b".5",
    b"e",
    b" ",
    b"NA",
    b"9" * 19,
    b"true",
]


def _integer(chance: random.Random) -> str:
    if chance.random() < 0.2:
        return str((chance.choice(BOUNDS) + chance.randint(-1, 1)) * chance.choice((1, -1)))
    return str(chance.randrange(10 ** chance.randint(1, 20)) * chance.choice((1, 1, -1)))


def _decimal(chance: random.Random) -> str:
    value = chance.gauss(0, 10.0 ** chance.randint(-6, 12))
    match chance.randrange(4):
        case 0:
            return f"{value:.{chance.randint(0, 20)}e}"
        case 1:
            return repr(struct.unpack("<f", struct.pack("<f", value))[0])
        case 2:
            return repr(value)
        case _:
            return f"{value:.{chance.randint(0, 9)}f}"


def _moment(chance: random.Random) -> str:
    return chance.choice(DATES) + chance.choice("T ") + chance.choice(CLOCKS) + chance.choice(ZONES)


MAKERS = (
    lambda chance: str(chance.randrange(300)),
    _integer,
    _decimal,
    _moment,
    lambda chance: chance.choice(DATES),
    lambda chance: chance.choice(BOOLS),
    lambda chance: chance.choice(WORDS),
    lambda chance: f"{chance.getrandbits(32):08x}",
)


def generated_table(chance: random.Random, width: int) -> bytes:
    """CSV of columns that each have a kind, and now and then a value of another one."""
    makers = [chance.choice(MAKERS) for _ in range(width)]
    others = [chance.choice((0, 0, 0, 0.02, 0.3)) for _ in range(width)]
    nulls = [chance.choice((0, 0, 0.2)) for _ in range(width)]
    always_quoted = [chance.random() < 0.3 for _ in range(width)]
    end = chance.choice(("\n", "\r\n", "\r"))
    lines = []
    for _ in range(chance.choice((1, 5, 30, 200))):
        fields = []
        for maker, other, null, quotes in zip(makers, others, nulls, always_quoted, strict=True):
            value = (chance.choice(MAKERS) if chance.random() < other else maker)(chance)
            value = "" if chance.random() < null else value
            if quotes or any(mark in value for mark in ',"\r\n'):
                value = '"' + value.replace('"', '""') + '"'
            fields.append(value)
        lines.append(",".join(fields) + end)
    text = "".join(lines)
    return (text if chance.random() < 0.8 else text.removesuffix(end)).encode()


@target
def typed_tables(chance: random.Random) -> int:
    """Types and values are those of the other reader, wherever blocks are cut."""
    width = chance.randint(1, 6)
    data = generated_table(chance, width)
    if chance.random() < 0.3:
        data = mutated(data, chance, PIECES)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return 0
    if "\0" in text:
        return 0
    plan = ParsePlan(
        dialect=Dialect(delimiter=","),
        columns=tuple(ColumnState(name=f"c{index}") for index in range(width)),
    )
    records = list(read_records(text, delimiter=","))
    if any(len(record) != width or any(map(_is_open, record)) for record in records):
        _must_refuse(data, plan)
        return 1
    if any(_is_beyond_float64(cell.text) for record in records for cell in record):
        return 0
    columns = [list(cells) for cells in zip(*records, strict=True)] or [[] for _ in range(width)]
    (whole,) = _chunks(data, plan, cuts=[])
    assert whole.rows == len(records), data
    sample = SampleTaker(plan)
    sample.take(Unit(ByteRange(0, 0, len(data)), 0, whole, None))
    settled = sample.summarise(True, whole.rows).plan
    dtypes = [dtype_of(cells) for cells in columns]
    assert [state.dtype for state in settled.columns] == dtypes, (data, settled, dtypes)
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randrange(4)))
    chunks = _chunks(data, settled, cuts=cuts)
    for index, (cells, dtype) in enumerate(zip(columns, dtypes, strict=True)):
        expected = cast_cells(cells, dtype)
        found = pa.chunked_array(
            [_canonical(chunk.batch.column(index), dtype) for chunk in chunks], expected.type
        )
        assert _equal(found.combine_chunks(), expected), (data, index, dtype, cuts)
    return len(records)


def _is_open(cell: Cell) -> bool:
    """Whether a quote opens the field and does not close it; the other reader takes it as text."""
    return not cell.quoted and cell.text.startswith('"')


def _is_beyond_float64(text: str) -> bool:
    """Whether a number became infinite or zero as a float: the other reader does not mind."""
    try:
        value = float(text)
    except ValueError:
        return False
    digits = text.lower().partition("e")[0]
    return (value == 0 or value - value != 0) and any(digit in digits for digit in "123456789")


def _must_refuse(data: bytes, plan: ParsePlan) -> None:
    with pytest.raises(RecordError) as caught:
        _chunks(data, plan, cuts=[])
    assert 0 <= caught.value.offset < len(data), data


def _chunks(data: bytes, plan: ParsePlan, *, cuts: Sequence[int]) -> list[Chunk]:
    """The chunks of the data, cut at these places; each block ends a little after its unit."""
    chunks = []
    position = 0
    for stop in [*cuts, len(data)]:
        beyond = 1
        while position < stop or not data:
            end = min(stop + beyond, len(data))
            padded = np.full(end - position + PADDING_BYTES, 10, np.uint8)
            padded[: end - position] = np.frombuffer(data, np.uint8, end - position, position)
            block = Block(padded, position, end - position, end == len(data))
            try:
                chunk = parse_block(block, position, stop, tuple(range(len(plan.columns))), plan)
            except NeedMore:
                assert end < len(data), data
                beyond *= 4
                continue
            chunk.batch.validate(full=True)
            chunks.append(chunk)
            position = chunk.position
            if not data:
                break
    assert position == len(data), (data, cuts)
    return chunks


def _canonical(array: Any, dtype: str) -> pa.Array:
    """An array in the form that the other reader has."""
    if pa.types.is_dictionary(array.type):
        array = array.cast(pa.string())
    if pa.types.is_temporal(array.type):
        array = array.view(pa.int32() if dtype == "date" else pa.int64())
    return array.cast(canonical_type(dtype))


def _equal(found: pa.Array, expected: pa.Array) -> bool:
    """Whether arrays are equal to the last bit, the sign of zero included."""
    if not found.equals(expected):
        return False
    if not pa.types.is_floating(expected.type):
        return True
    return np.array_equal(*(np.signbit(a.fill_null(0).to_numpy()) for a in (found, expected)))
