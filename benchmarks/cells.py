"""Columns of text from random numbers, as Arrow arrays, and rows of them as bytes.

Everything here works on whole columns: a block of some MB is made in a fraction of a second.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_HEX_PAIRS = np.frombuffer("".join(f"{n:02x}" for n in range(256)).encode(), "<u2")
_MIX = (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53))


def rows(columns: Sequence[pa.Array], *, delimiter: str = ",", end: str = "\n") -> memoryview:
    """The rows of text columns of equal length as bytes."""
    return text_bytes(joined(joined(*columns, between=delimiter), end))


def text_bytes(texts: pa.Array) -> memoryview:
    """The bytes of all values of a text array, one after the other."""
    wide = 8 if pa.types.is_large_string(texts.type) else 4
    offsets = np.frombuffer(texts.buffers()[1], f"<i{wide}")[texts.offset :]
    return memoryview(texts.buffers()[2])[offsets[0] : offsets[len(texts)]]


def joined(*parts: pa.Array | str, between: str = "") -> pa.Array:
    """The texts of several columns as one; a str stands for a column of it."""
    return pc.binary_join_element_wise(*parts, between)


def integers(values: np.ndarray, empty: np.ndarray | None = None) -> pa.Array:
    """Integers as text; empty where `empty` is true."""
    return _filled(pa.array(values, mask=empty).cast(pa.string()))


def decimals(values: np.ndarray, places: int, empty: np.ndarray | None = None) -> pa.Array:
    """Integers printed with so many decimals: 1234 with 2 is 12.34."""
    scale = 10**places
    whole, part = np.divmod(np.abs(values), scale)
    signs = pick(["", "-"], (values < 0).astype(np.int32))
    parts = integers(part + scale)
    parts = pc.utf8_slice_codeunits(parts, 1)
    text = joined(signs, integers(whole), ".", parts)
    return text if empty is None else pc.if_else(pa.array(empty), "", text)


def shortest(values: np.ndarray, empty: np.ndarray | None = None) -> pa.Array:
    """Floats as the shortest text that gives them back."""
    return _filled(pa.array(values, mask=empty).cast(pa.string()))


def printed(values: np.ndarray, form: str) -> pa.Array:
    """Numbers by a `%` format of Python, such as `%.18e`."""
    text = (f"{form}\n" * values.size) % tuple(values.ravel().tolist())
    return pa.array(text.split("\n")[:-1], pa.string())


def pick(texts: Sequence[str], places: np.ndarray) -> pa.Array:
    """The texts at these places."""
    return pa.array(texts, pa.string()).take(pa.array(places))


def times(seconds: np.ndarray) -> pa.Array:
    """Seconds since 1970 as `2024-03-01 12:34:56`."""
    return pa.array(seconds.astype(np.int64), pa.timestamp("s")).cast(pa.string())


def moments(milliseconds: np.ndarray) -> pa.Array:
    """Milliseconds since 1970 as `2024-03-01T12:34:56.789Z`."""
    text = pa.array(milliseconds.astype(np.int64), pa.timestamp("ms")).cast(pa.string())
    parts = (pc.utf8_slice_codeunits(text, 0, 10), pc.utf8_slice_codeunits(text, 11))
    return joined(parts[0], "T", parts[1], "Z")


def days(numbers: np.ndarray, empty: np.ndarray | None = None) -> pa.Array:
    """Days since 1970 as `2024-03-01`."""
    return _filled(pa.array(numbers.astype(np.int32), pa.date32(), mask=empty).cast(pa.string()))


def quoted(texts: pa.Array) -> pa.Array:
    """Each text between double quotes; those inside must be doubled already."""
    return joined('"', texts, '"')


def hexadecimals(keys: np.ndarray, *, quotes: bool = False) -> pa.Array:
    """A name of 8 hexadecimal digits for each key (a mix of its bits)."""
    keys = keys.astype(np.uint64) + np.uint64(0x9E3779B9)
    for factor in _MIX:
        keys = (keys ^ (keys >> np.uint64(33))) * factor
    start, width = (1, 10) if quotes else (0, 8)
    text = np.full((len(keys), width), ord('"'), np.uint8)
    names = keys.astype(np.uint32).view(np.uint8)
    text[:, start : start + 8] = _HEX_PAIRS[names].view(np.uint8).reshape(-1, 8)
    offsets = np.arange(len(keys) + 1, dtype=np.int32) * width
    return pa.StringArray.from_buffers(len(keys), pa.py_buffer(offsets), pa.py_buffer(text))


def long_tailed(random: np.random.Generator, n: int, n_values: int) -> np.ndarray:
    """Numbers below `n_values`, small ones far more often: the density falls as 1 / number."""
    return np.minimum(np.expm1(random.random(n) * np.log1p(n_values)), n_values - 1).astype(
        np.int64
    )


def texts(words: Sequence[str], places: np.ndarray, lengths: np.ndarray) -> pa.Array:
    """A text of so many words, one after the other, for each length."""
    parts = pa.array(words, pa.string()).take(pa.array(places))
    ends = np.frombuffer(parts.buffers()[1], np.int32)
    offsets = ends[np.concatenate([[0], np.cumsum(lengths)])]
    return pa.StringArray.from_buffers(
        len(lengths), pa.py_buffer(np.ascontiguousarray(offsets)), parts.buffers()[2]
    )


def grid(cells: np.ndarray, words: Sequence[str]) -> memoryview:
    """Rows of a matrix of places in `words`, with commas: for tables of many columns."""
    table = pa.array([word + end for end in ",\n" for word in words], pa.large_string())
    cells = cells.astype(np.int32)
    cells[:, -1] += len(words)
    return text_bytes(table.take(pa.array(cells.ravel())))


def _filled(column: pa.Array) -> pa.Array:
    return pc.fill_null(column, "") if column.null_count else column
