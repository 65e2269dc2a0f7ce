"""How many examples Hypothesis makes."""

from __future__ import annotations

import os

from hypothesis import settings

TIMES = float(os.environ.get("BIGDATA_EXAMPLES", "0.5"))
"""The share of the examples: half by default, as they are the same ones each time; 1 and 20 in
`make soak`; a quarter where a test runs once more."""


def n_examples(n: int) -> int:
    """The number of examples where `n` are what a test makes by itself."""
    return max(1, round(n * TIMES))


def examples(n: int) -> settings:
    """Make `n` examples of a test, and more or fewer where asked for."""
    return settings(max_examples=n_examples(n))
