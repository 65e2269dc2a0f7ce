"""Columns as the Parquet encoder may meet them, made from a seed: kinds of values and of nulls."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import numpy as np
import pyarrow as pa

from bigdata_cli.types.dtype import FLOAT_DTYPES, INTEGER_DTYPES, arrow_type, integer_range

PATTERNS = ("constant", "few", "skewed", "many", "ascending", "runs", "extreme", "random")
NULLS = ("none", "all", "few", "most", "runs")
NUMBERS = (*INTEGER_DTYPES, *FLOAT_DTYPES, "date", "timestamp[us]", "timestamp[ns, UTC]")
TEXTS = ("text", "category")
ALL = ("bool", "null", *NUMBERS, *TEXTS)
_LETTERS = np.array(list('abcdefghijkl éß日本🙂\n",0123456789'))


def integers(pattern: str, n: int, low: int, high: int, random: np.random.Generator) -> np.ndarray:
    """Of low … high (within 64 bits), as Python's integers or NumPy's."""
    if pattern == "constant":
        return np.full(n, _pick(low, high, random), object)
    if pattern == "extreme":
        choices = [low, low + 1, (low + high) // 2, high - 1, high]
        return np.array(choices, object)[random.integers(0, 5, n)]
    if pattern == "random":
        kind = np.uint64 if low >= 0 else np.int64
        return random.integers(low, high, n, dtype=kind, endpoint=True)
    distinct = {"few": 5, "skewed": 300, "many": n // 3 + 1, "ascending": 10**9, "runs": 20}[
        pattern
    ]
    width = min(distinct, high - low)
    start = low + _pick(0, high - low - width, random)
    if pattern == "skewed":
        offsets = np.minimum(random.geometric(0.05, n) - 1, width)
    elif pattern == "ascending":
        offsets = np.minimum(np.cumsum(random.integers(0, 4, n)), width)
    elif pattern == "runs":
        offsets = np.repeat(random.integers(0, width, n + 1, endpoint=True), 37)[:n]
    else:
        offsets = random.integers(0, width, n, endpoint=True)
    return offsets.astype(object) + start


def _pick(low: int, high: int, random: np.random.Generator) -> int:
    return Random(int(random.integers(2**32))).randint(low, high)


def texts(pattern: str, n: int, random: np.random.Generator) -> list[str]:
    if pattern == "constant":
        return ["the same"] * n
    if pattern == "extreme":
        return [["", "x" * 70, "日" * 60, "\x7f" * 65, "a"][i] for i in random.integers(0, 5, n)]
    if pattern == "random":
        sizes = random.integers(0, 40, n)
        letters = _LETTERS[random.integers(0, len(_LETTERS), int(sizes.sum()))]
        ends = np.concatenate([[0], np.cumsum(sizes)])
        return ["".join(letters[a:b]) for a, b in pairwise(ends)]
    return [f"value {i}" for i in integers(pattern, n, 0, 10**6, random)]


def column(dtype: str, pattern: str, nulls: str, n: int, seed: int) -> pa.Array:
    """An array of a dtype (a category as strings)."""
    random = np.random.default_rng(seed)
    valid = {
        "none": np.ones(n, bool),
        "all": np.zeros(n, bool),
        "few": random.random(n) < 0.9,
        "most": random.random(n) < 0.03,
        "runs": np.repeat(random.random(n + 1) < 0.5, 700)[:n],
    }[nulls]
    if dtype == "null":
        return pa.nulls(n, pa.bool_())
    if dtype == "bool":
        return pa.array(integers(pattern, n, 0, 1, random).astype(bool), mask=~valid)
    if dtype in TEXTS:
        return pa.array(texts(pattern, n, random), pa.string(), mask=~valid)
    if dtype in FLOAT_DTYPES:
        return _floats(dtype, pattern, valid, random)
    low, high = {"date": (-700_000, 2_900_000)}.get(dtype, (-(2**63) + 1, 2**63 - 1))
    if dtype in INTEGER_DTYPES:
        low, high = integer_range(dtype)
    kind = arrow_type(dtype)
    physical = {"date": pa.int32()}.get(dtype, kind if pa.types.is_integer(kind) else pa.int64())
    values = pa.array(integers(pattern, n, low, high, random).tolist(), physical, mask=~valid)
    return values.view(kind)


def _floats(dtype: str, pattern: str, valid: np.ndarray, random: np.random.Generator) -> pa.Array:
    n = len(valid)
    if pattern == "extreme":
        pool = [0.0, -0.0, np.nan, np.inf, -np.inf, 3.0e38, 1e-45, 0.1]
        values = np.array(pool)[random.integers(0, len(pool), n)]
    elif pattern == "random":
        values = random.normal(size=n)
    else:
        values = integers(pattern, n, -(2**20), 2**20, random).astype(float) / 100
    return pa.array(values.astype(dtype), mask=~valid)


def chunked(array: pa.Array, dtype: str, cuts: list[int]) -> pa.ChunkedArray:
    """In chunks that end at `cuts`; those of a category each have a dictionary of their own."""
    pieces = []
    for i, (start, stop) in enumerate(zip([0, *cuts], [*cuts, len(array)], strict=True)):
        piece = array.slice(start, stop - start)
        if dtype == "category":
            piece = _coded(piece, reverse=bool(i % 2))
        pieces.append(piece)
    return pa.chunked_array(pieces, arrow_type(dtype))


def _coded(array: pa.Array, *, reverse: bool) -> pa.DictionaryArray:
    """With the values in another order, and one that no row has."""
    coded = array.dictionary_encode()
    values = [*coded.dictionary.to_pylist(), "not used"]
    if not reverse:
        return pa.DictionaryArray.from_arrays(coded.indices, pa.array(values, pa.string()))
    codes = [None if i is None else len(values) - 1 - i for i in coded.indices.to_pylist()]
    return pa.DictionaryArray.from_arrays(
        pa.array(codes, pa.int32()), pa.array(values[::-1], pa.string())
    )
