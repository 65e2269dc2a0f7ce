"""Cells of integers to text: numbers with a decimal point, and texts taken from a pool."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bigdata_cli.native.library import address, lib
from bigdata_cli.native.structs import SampleFields
from bigdata_cli.samples.options import BLOCK_ROWS

NOTHING = np.iinfo(np.int64).min
"""The cell of a field that is left empty."""
_MAX_NUMBER_BYTES = 24
_BUFFER_BYTES = 1 << 22
_SLACK = bytes(16)
"""What the library may read or write after texts."""


@dataclass(frozen=True)
class Number:
    """A field of integers, printed with so many decimals: 1234 with 2 is 12.34."""

    decimals: int = 0


@dataclass(frozen=True)
class Texts:
    """A field of places in `values`, which are printed as they are (quotes and all)."""

    values: Sequence[str]


@dataclass(frozen=True)
class Field:
    """A field of a record, or a part of one, and what follows it."""

    content: Number | Texts
    end: str = ","


@dataclass(frozen=True)
class Sketch:
    """A sample's header and fields; `cells(block)` gives int64 (fields, BLOCK_ROWS)."""

    header: bytes
    fields: tuple[Field, ...]
    cells: Callable[[int], np.ndarray]


def generator(seed: int, block: int) -> np.random.Generator:
    """Return the random generator of a block."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, block])))


def row_numbers(block: int) -> np.ndarray:
    """Return the numbers of the rows of a block in the whole sample: int64 (BLOCK_ROWS,)."""
    return np.arange(block * BLOCK_ROWS, (block + 1) * BLOCK_ROWS)


def choose(
    random: np.random.Generator, shares: Sequence[float], size: int = BLOCK_ROWS
) -> np.ndarray:
    """Return numbers 0 … len(shares) - 1 in these proportions: int64 (size,)."""
    bounds = np.cumsum(np.asarray(shares, np.float64) / sum(shares))[:-1]
    return np.searchsorted(bounds, random.random(size), side="right")


def render(sketch: Sketch, cells: np.ndarray) -> Iterator[bytes]:
    """Yield the rows of `cells` as text, in pieces of at most a few MB."""
    decimals, pools, texts = _contents(sketch.fields)
    text_bytes, text_offsets = _joined(texts)
    end_bytes, end_offsets = _joined([field.end.encode() for field in sketch.fields])
    longest = max(map(len, texts), default=0)
    most = (longest if pool >= 0 else _MAX_NUMBER_BYTES for pool in pools)
    row_bytes = int(sum(most)) + len(end_bytes)
    fields = SampleFields(
        len(sketch.fields), row_bytes,
        *map(address, (decimals, pools, text_bytes, text_offsets, end_bytes, end_offsets)),
    )  # fmt: skip
    cells = np.ascontiguousarray(cells, np.int64)
    size = max(_BUFFER_BYTES, row_bytes)
    out = np.empty(size + len(_SLACK), np.uint8)
    written = ctypes.c_int64()
    row = 0
    while row < cells.shape[1]:
        row = lib.bd_render_rows(
            address(cells), cells.shape[1], row, fields, address(out), size, written
        )
        yield out[: written.value].tobytes()


def _contents(fields: Sequence[Field]) -> tuple[np.ndarray, np.ndarray, list[bytes]]:
    """Return the decimals of each field, its first text (-1: a number), and the texts of all."""
    decimals: list[int] = []
    pools: list[int] = []
    texts: list[bytes] = []
    for field in fields:
        if isinstance(field.content, Number):
            decimals.append(field.content.decimals)
            pools.append(-1)
        else:
            decimals.append(0)
            pools.append(len(texts))
            texts.extend(value.encode() for value in field.content.values)
    return np.array(decimals, np.int64), np.array(pools, np.int64), texts


def _joined(texts: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Join texts, with slack after them; return them with their offsets, int64 (n + 1,)."""
    data = np.frombuffer(b"".join(texts) + _SLACK, np.uint8)
    return data, np.cumsum([0, *map(len, texts)], dtype=np.int64)
