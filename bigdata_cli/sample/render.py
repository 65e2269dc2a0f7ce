"""Cells of integers to text: numbers with a decimal point, and texts taken from a pool."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bigdata_cli.native import compiled
from bigdata_cli.sample import BLOCK_ROWS

NOTHING = np.iinfo(np.int64).min
"""The cell of a field that is left empty."""
_MAX_NUMBER_BYTES = 24
_BUFFER_BYTES = 1 << 22


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
    """The random numbers of a block."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, block])))


def row_numbers(block: int) -> np.ndarray:
    """The rows of a block, counted over the whole sample: int64 (BLOCK_ROWS,)."""
    return np.arange(block * BLOCK_ROWS, (block + 1) * BLOCK_ROWS)


def choose(
    random: np.random.Generator, shares: Sequence[float], size: int = BLOCK_ROWS
) -> np.ndarray:
    """Numbers 0 … len(shares) - 1 in these proportions: int64 (size,)."""
    bounds = np.cumsum(np.asarray(shares, np.float64) / sum(shares))[:-1]
    return np.searchsorted(bounds, random.random(size), side="right")


def render(sketch: Sketch, cells: np.ndarray) -> Iterator[bytes]:
    """The rows of `cells` as text, in pieces of at most a few MB."""
    decimals, pools, pool_bytes, pool_offsets = _tables(sketch.fields)
    ends = [field.end.encode() for field in sketch.fields]
    end_offsets = np.cumsum([0, *map(len, ends)])
    end_bytes = np.frombuffer(b"".join(ends), np.uint8)
    lengths = np.diff(pool_offsets)
    longest = lengths.max() if len(lengths) else 0
    most = (longest if pool >= 0 else _MAX_NUMBER_BYTES for pool in pools)
    row_bytes = int(sum(most)) + len(end_bytes)
    out = np.empty(max(_BUFFER_BYTES, row_bytes), np.uint8)
    row = 0
    while row < cells.shape[1]:
        row, used = _render_rows(
            cells, row, row_bytes, decimals, pools, pool_bytes, pool_offsets,
            end_bytes, end_offsets, out,
        )  # fmt: skip
        yield out[:used].tobytes()


def _tables(
    fields: Sequence[Field],
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Decimals and first pool entry (-1: a number) per field; the pool's bytes and offsets."""
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
    offsets = np.cumsum([0, *map(len, texts)])
    return (
        np.array(decimals, np.int64),
        np.array(pools, np.int64),
        np.frombuffer(b"".join(texts), np.uint8),
        offsets.astype(np.int64),
    )


@compiled
def _render_rows(
    cells, row, row_bytes, decimals, pools, pool_bytes, pool_offsets, end_bytes, end_offsets, out
):
    at = 0
    while row < cells.shape[1] and at + row_bytes <= out.size:
        for field in range(cells.shape[0]):
            cell = cells[field, row]
            if cell != NOTHING:
                if pools[field] >= 0:
                    entry = pools[field] + cell
                    for place in range(pool_offsets[entry], pool_offsets[entry + 1]):
                        out[at] = pool_bytes[place]
                        at += 1
                else:
                    at = _write_number(out, at, cell, decimals[field])
            for place in range(end_offsets[field], end_offsets[field + 1]):
                out[at] = end_bytes[place]
                at += 1
        row += 1
    return row, at


@compiled
def _write_number(out, at, number, decimals):
    if number < 0:
        out[at] = 45
        at += 1
        number = -number
    digits, rest = 1, number // 10
    while rest > 0:
        digits += 1
        rest //= 10
    digits = max(digits, decimals + 1)
    end = at + digits + (1 if decimals > 0 else 0)
    place = end - 1
    for done in range(digits):
        if done == decimals and decimals > 0:
            out[place] = 46
            place -= 1
        out[place] = 48 + number % 10
        number //= 10
        place -= 1
    return end
