"""Generated tables for TFRecord: every dtype, nulls, lengths at which varints grow, any chunks.

`python -m tests.contract.tfrecord_tables` prints the checksums that the golden test expects.
"""

from __future__ import annotations

import hashlib
import json
import random
import struct
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bigdata_cli.formats.base import ShardName, StorageOptions
from bigdata_cli.formats.tfrecord.format import TfrecordFormat
from bigdata_cli.io.local_store import LocalStore
from bigdata_cli.io.store import partial_name
from bigdata_cli.types.dtype import (
    DTYPES,
    FLOAT_DTYPES,
    INTEGER_DTYPES,
    Column,
    Schema,
    arrow_type,
    integer_range,
)

SEEDS = range(60)
LAYOUTS = ("rows", "packed", "block")
_NAMES = (
    "a",
    "ü",
    "name",
    "é" * 30,
    "x" * 95,
    "y" * 103,
    "z" * 104,
    "k" * 117,
    "w" * 128,
    "long" * 60,
)
_LENGTHS = (
    0,
    1,
    3,
    7,
    8,
    15,
    16,
    17,
    31,
    33,
    80,
    100,
    113,
    117,
    118,
    126,
    127,
    128,
    200,
    16_382,
    17_000,
)
_ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789 ,\n"éßñ日本🙂'


def random_table(seed: int) -> tuple[pa.Table, Schema]:
    """A table and its schema; the same for the same seed wherever it is made."""
    rng = random.Random(seed)
    n_rows = rng.choice([0, 1, 2, 15, 16, 17, 63, 64, 65, 300, 1023, 1024, 1025, 2500])
    dtypes = [rng.choice(DTYPES) for _ in range(rng.choice([1, 2, 3, 5, 9, 40]))]
    chunks = _cuts(rng, n_rows)
    columns, arrays = [Column(name="label", dtype=rng.choice(["int8", "float32", "bool"]))], []
    for k, dtype in enumerate(dtypes):
        columns.append(Column(name=f"{rng.choice(_NAMES)}{k}", dtype=dtype))
    for k, column in enumerate(columns):
        values = _values(rng, column.dtype, n_rows)
        share = 0.0 if k == 0 else rng.choice([0.0, 0.0, 0.2, 0.01, 1.0])
        valid = [rng.random() >= share for _ in values]
        if column.dtype == "null":
            valid = [False] * n_rows
        if column.dtype == "category":
            seen = {v for v, ok in zip(values, valid, strict=True) if ok}
            columns[k] = Column(
                name=column.name, dtype="category", vocabulary=tuple(sorted(seen | {"", "Zürich"}))
            )
        arrays.append(
            pa.chunked_array(
                [_chunk(rng, column.dtype, values[a:b], valid[a:b]) for a, b in chunks],
                arrow_type(column.dtype),
            )
        )
    schema = Schema(tuple(columns))
    return pa.Table.from_arrays(arrays, schema=schema.arrow()), schema


def _cuts(rng: random.Random, n_rows: int) -> list[tuple[int, int]]:
    ends = [0, *sorted(rng.randint(0, n_rows) for _ in range(rng.choice([0, 0, 1, 4]))), n_rows]
    return list(pairwise(ends))


def _chunk(rng: random.Random, dtype: str, values: list[Any], valid: list[bool]) -> pa.Array:
    """An array, often a slice of a longer one; what lies beneath nulls is whatever it is."""
    count = len(values)
    before = rng.choice([0, 0, 1, 7, 64])
    values = values[:1] * before + values + values[:3]
    valid = valid[:1] * before + valid + valid[:3]
    mask = ~np.array(valid, bool)
    kept = values
    if rng.random() < 0.5:
        kept = [v if ok else values[0] for v, ok in zip(values, valid, strict=True)]
    if dtype == "category":
        distinct = list(dict.fromkeys(kept))
        rng.shuffle(distinct)
        place = {value: code for code, value in enumerate(distinct)}
        codes = pa.array(np.array([place[v] for v in kept], np.int32), mask=mask)
        array: Any = pa.DictionaryArray.from_arrays(codes, pa.array(distinct, pa.string()))
    elif dtype == "text":
        array = pa.array(
            [v if ok else None for v, ok in zip(kept, valid, strict=True)], pa.string()
        )
    elif dtype == "null":
        array = pa.nulls(len(kept), pa.bool_())
    elif dtype == "bool":
        array = pa.array(np.array(kept, bool), mask=mask)
    elif dtype in FLOAT_DTYPES:
        array = pa.array(np.array(kept, dtype), mask=mask, from_pandas=False)
    elif dtype in INTEGER_DTYPES:
        array = pa.array(np.array(kept, dtype), mask=mask)
    else:
        width = np.int32 if dtype == "date" else np.int64
        array = pa.array(np.array(kept, width), mask=mask).view(arrow_type(dtype))
    return array.slice(before if count else 0, count)


def _values(rng: random.Random, dtype: str, n: int) -> list[Any]:
    if dtype in ("null", "bool"):
        return [rng.random() < 0.5 for _ in range(n)]
    if dtype in FLOAT_DTYPES:
        return [_float(rng) for _ in range(n)]
    if dtype == "category":
        words = [_text(rng, 4_000) for _ in range(rng.choice([1, 3, 300]))]
        return [rng.choice(words) for _ in range(n)]
    if dtype == "text":
        most = rng.choice([8, 40, 200, 20_000 if n < 100 else 200])
        return [_text(rng, most) for _ in range(n)]
    if dtype in INTEGER_DTYPES:
        low, high = integer_range(dtype)
    else:
        low, high = (-(2**31), 2**31 - 1) if dtype == "date" else (-(2**63), 2**63 - 1)
    small = rng.random() < 0.3
    return [rng.randint(0, 100) if small else _integer(rng, low, high) for _ in range(n)]


def _integer(rng: random.Random, low: int, high: int) -> int:
    number = (1 << rng.randint(0, 64)) + rng.choice([-2, -1, 0, 1])
    return min(high, max(low, number if rng.random() < 0.7 else -number))


def _float(rng: random.Random) -> float:
    kind = rng.random()
    if kind < 0.1:
        return rng.choice(
            [0.0, -0.0, float("inf"), float("-inf"), float("nan"), 1e-45, 1e-310, 3.4e38]
        )
    if kind < 0.5:
        return round(rng.uniform(-1e6, 1e6), 2)
    (number,) = struct.unpack("<f", struct.pack("<I", rng.getrandbits(32) & 0xFF7FFFFF))
    return float(number)


def _text(rng: random.Random, most: int) -> str:
    length = min(most, rng.choice(_LENGTHS) if rng.random() < 0.5 else rng.randint(0, 20))
    return "".join(rng.choices(_ALPHABET[: rng.choice([1, 36, len(_ALPHABET)])], k=length))


def encoded(table: pa.Table, schema: Schema, options: StorageOptions) -> bytes:
    """The bytes of a shard of this table."""
    form = TfrecordFormat()
    form.check(schema, options)
    with tempfile.TemporaryDirectory() as folder:
        name = ShardName(stem="d", index=0, count=1)
        writer = form.writer(LocalStore(Path(folder)), name, schema, options)
        step = writer.batch_rows or max(1, table.num_rows)
        for start in range(0, table.num_rows, step):
            writer.append(writer.encode(table.slice(start, step)))
        (file,) = writer.close()
        return (Path(folder) / partial_name(file.name)).read_bytes()


def case(seed: int, layout: str) -> tuple[pa.Table, Schema, StorageOptions]:
    """A table that the layout can hold."""
    table, schema = random_table(seed)
    if layout == "packed":
        held = [c for c in schema if c.dtype not in ("text", "uint64")]
        schema = Schema(tuple(held))
        table = table.select([c.name for c in held])
    label = "label" if layout == "packed" and (seed % 3 or len(schema) == 1) else None
    return table, schema, StorageOptions(layout=layout, label=label)


def checksum(seed: int, layout: str) -> str:
    """Of the shard of a generated table: the first digits of its SHA-256."""
    return hashlib.sha256(encoded(*case(seed, layout))).hexdigest()[:16]


if __name__ == "__main__":
    print(
        json.dumps({layout: [checksum(s, layout) for s in SEEDS] for layout in LAYOUTS}, indent=1)
    )
