"""Lines of a log: long ones, blank ones, tabs, quotes and commas, unicode; no CSV."""

from __future__ import annotations

import numpy as np

from bigdata_cli.samples.messy import CLOCK, DAYS
from bigdata_cli.samples.options import BLOCK_ROWS, SampleOptions
from bigdata_cli.samples.render import (
    NOTHING,
    Field,
    Number,
    Sketch,
    Texts,
    choose,
    generator,
    row_numbers,
)

_LINES_PER_SECOND = 20
_FIRST_DAY = DAYS.index("2024-03-01")
_LEVELS = tuple(f"Z {level:<5} worker-" for level in ("DEBUG", "INFO", "WARN", "ERROR"))
_MESSAGES = (
    " read block, bytes=",
    ' GET "/api/v1/items?id=7,8" status=200 ms=',
    " cache miss\tkey=",
    " schöne Grüße, 東京 🚀 n=",
    " retry in 0.5 s, attempt=",
    ' {"event": "login", "user": "J. O\'Neil"} #',
    " timeout after ",
)
_TAILS = (
    "",
    " (done)",
    " — ok ✓",
    "   ",
    " trace:" + "".join(f" at module.function_{depth}(line {depth * 7})" for depth in range(60)),
)


def sketch(options: SampleOptions) -> Sketch:
    """The sketch of a sample of `options.n_rows` lines; the first line is no header."""
    return Sketch(
        header=b"",
        fields=(
            Field(Texts(DAYS), ""),
            Field(Texts([f"T{time}" for time in CLOCK]), ""),
            Field(Texts([f".{millisecond:03d}" for millisecond in range(1000)]), ""),
            Field(Texts(_LEVELS), ""),
            Field(Number(), ""),
            Field(Texts(_MESSAGES), ""),
            Field(Number(), ""),
            Field(Texts(_TAILS), "\n"),
        ),
        cells=lambda block: _cells(options.seed, block),
    )


def _cells(seed: int, block: int) -> np.ndarray:
    random = generator(seed, block)
    rows = row_numbers(block)
    seconds = rows // _LINES_PER_SECOND
    cells = np.stack([
        (_FIRST_DAY + seconds // 86_400) % len(DAYS),
        seconds % 86_400,
        rows % _LINES_PER_SECOND * (1000 // _LINES_PER_SECOND),
        choose(random, [10, 80, 8, 2]),
        random.integers(0, 8, BLOCK_ROWS),
        random.integers(0, len(_MESSAGES), BLOCK_ROWS),
        random.integers(0, 100_000, BLOCK_ROWS),
        choose(random, [70, 20, 6, 2, 1]),
    ])  # fmt: skip
    cells[:, random.random(BLOCK_ROWS) < 0.02] = NOTHING
    return cells
