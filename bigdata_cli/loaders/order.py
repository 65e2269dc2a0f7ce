"""Splits of a dataset, the readers that share it, and the order of the rows of a window."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate
from typing import Any

import numpy as np

from bigdata_cli.errors import UsageError

SHARDS, BLOCKS, ROWS, PIECES, MIXTURES = range(5)
"""What is permuted: each has random numbers of its own."""
_END = re.compile(r"(?P<number>-?\d+(\.\d+)?)(?P<percent>%?)")


def split_rows(split: str | None, n_rows: int) -> range:
    """Return the rows of a split; None is all rows.

    A split is a slice as in Hugging Face and TensorFlow Datasets, in rows or percents, rounded to
    the nearest row; negative numbers count from the end.

    Raises:
        UsageError: It is not a slice, or has no rows.

    >>> split_rows("[:80%]", 1001), split_rows("[80%:]", 1001), split_rows("[-10:]", 1001)
    (range(0, 801), range(801, 1001), range(991, 1001))
    """
    if split is None:
        return range(n_rows)
    text = split.strip() if isinstance(split, str) else ""
    ends = text[1:-1].split(":") if text.startswith("[") and text.endswith("]") else []
    if len(ends) != 2:
        raise UsageError(
            f"split is {split!r}; a dataset has no named splits, only slices of its rows",
            hint='split="[:80%]", "[80%:]", "[100000:]"',
        )
    start = _row(split, ends[0], n_rows, default=0)
    stop = _row(split, ends[1], n_rows, default=n_rows)
    if start >= stop and n_rows:
        raise UsageError(
            f"the split {split} has none of the {n_rows:,} rows",
            hint='split="[:80%]" and "[80%:]" are the first 80 % and the others',
        )
    return range(start, stop)


def _row(split: str, text: str, n_rows: int, *, default: int) -> int:
    """Return the row of an end of a slice."""
    if not text.strip():
        return default
    match = _END.fullmatch(text.strip())
    if match is None or (match[2] and not match["percent"]):
        raise UsageError(
            f'"{text}" in the split {split} is neither a row nor a percent',
            hint='split="[:80%]", "[80%:]", "[100000:]"',
        )
    number = Fraction(match["number"])
    if match["percent"]:
        if abs(number) > 100:
            raise UsageError(f"{text} in the split {split} is beyond 100 %")
        number = Fraction(int(number * n_rows / 100 + Fraction(1 if number >= 0 else -1, 2)))
    row = int(number)
    if row > n_rows:
        raise UsageError(f"the split {split} names the row {row:,}, and there are {n_rows:,}")
    return max(0, row + n_rows if row < 0 else row)


def rows_by_shard(shard_rows: Sequence[int], rows: range) -> list[range]:
    """Return the rows of each shard that are among these rows of the dataset.

    >>> rows_by_shard([10, 0, 10], range(8, 13))
    [range(8, 10), range(0, 0), range(0, 3)]
    """
    found = []
    for n_rows, end in zip(shard_rows, accumulate(shard_rows), strict=True):
        before = end - n_rows
        start = min(max(rows.start - before, 0), n_rows)
        found.append(range(start, min(max(rows.stop - before, start), n_rows)))
    return found


def window_order(n_rows: int, *, seed: int, epoch: int, rank: int, window: int) -> np.ndarray:
    """Return the place of each row of a window, int64 (n_rows,)."""
    return generator(seed, epoch, ROWS, rank, window).permutation(n_rows)


def generator(seed: int, epoch: int, *what: int) -> np.random.Generator:
    """Return the random numbers for one purpose in one epoch."""
    return np.random.default_rng([seed, epoch, *what])


def check_count(name: str, value: Any) -> None:
    """Raise UsageError for what is not a positive integer."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
        raise UsageError(f"{name} is {value!r}; it is a positive integer")


def check_not_negative(name: str, value: Any) -> None:
    """Raise UsageError for what is not an integer from 0 on."""
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < 0:
        raise UsageError(f"{name} is {value!r}; it is an integer from 0 on")


def check_rank(rank: Any, world: Any) -> None:
    """Raise UsageError where `rank` is not one of `world` readers."""
    numbers = all(hasattr(value, "__index__") for value in (rank, world))
    if not numbers or not 0 <= rank < world:
        raise UsageError(
            f"rank {rank!r} of world {world!r}: a reader is one of 0 to world - 1",
            hint="rank=0, world=1 reads everything",
        )
