"""Rows as text: whatever is in a batch, Python's readers of CSV and JSON find it again."""

from __future__ import annotations

import csv
import io
import json
import random
import struct

import pyarrow as pa

from bigdata_cli.native.text_rows import csv_rows, json_rows
from tests.fuzz import target

LETTERS = 'ab0,;"\n\r\t \\\x01é😀\u2028'
TYPES = (
    pa.bool_(), pa.int8(), pa.uint64(), pa.int64(), pa.float64(), pa.float32(), pa.string(),
    pa.dictionary(pa.int32(), pa.string()),
)  # fmt: skip


def _value(type_: pa.DataType, chance: random.Random) -> object:
    if chance.random() < 0.2:
        return None
    if pa.types.is_boolean(type_):
        return chance.random() < 0.5
    if pa.types.is_integer(type_):
        bits = chance.randint(0, type_.bit_width - 1)
        number = chance.getrandbits(bits) if bits else 0
        is_signed = pa.types.is_signed_integer(type_)
        return -number if is_signed and chance.random() < 0.5 else number
    if pa.types.is_floating(type_):
        width = type_.bit_width // 8
        (number,) = struct.unpack("<d" if width == 8 else "<f", chance.randbytes(width))
        return number if abs(number) < float("inf") else 0.5
    long = 3000 if chance.random() < 0.02 else 12
    return "".join(chance.choices(LETTERS, k=chance.randint(0, long)))


def _text(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


@target
def rows_as_text(chance: random.Random) -> int:
    """A slice of any batch, as CSV and as JSON lines."""
    n_rows = chance.randint(0, 200)
    types = chance.choices(TYPES, k=chance.randint(2, 6))
    columns = [[_value(type_, chance) for _ in range(n_rows)] for type_ in types]
    arrays = [pa.array(c, t) for c, t in zip(columns, types, strict=True)]
    start = chance.randint(0, n_rows)
    names = [f"{i}{chance.choice(LETTERS)}" for i in range(len(types))]
    batch = pa.RecordBatch.from_arrays(arrays, names=names).slice(start)
    rows = list(zip(*(array.to_pylist() for array in batch.columns), strict=True))

    written = b"".join(map(bytes, csv_rows(types).render(batch))).decode()
    read = list(csv.reader(io.StringIO(written, newline="")))
    assert len(read) == len(rows)
    for found, row in zip(read, rows, strict=True):
        for text, value, type_ in zip(found, row, types, strict=True):
            if isinstance(value, float):
                assert text == repr(float(text)), (text, value)
                packed = struct.pack("<f", float(text)) if type_ == pa.float32() else None
                assert float(text) == value or packed == struct.pack("<f", value), (text, value)
            else:
                assert text == _text(value), (text, value)

    lines = b"".join(map(bytes, json_rows(types, names).render(batch))).decode().split("\n")
    for line, row in zip(lines, rows, strict=False):
        for name, value, type_ in zip(names, row, types, strict=True):
            found = json.loads(line)[name]
            if type_ == pa.float32() and value is not None:
                found, value = struct.pack("<f", found), struct.pack("<f", value)
            assert found == value, (line, name, value)
    return len(rows) * len(types)
