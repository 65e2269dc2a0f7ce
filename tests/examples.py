"""How many examples Hypothesis makes."""

from __future__ import annotations

import os

from hypothesis import settings

TIMES = int(os.environ.get("BIGDATA_EXAMPLES", "1"))
"""So many times more, for a search that takes hours: `make soak`."""


def examples(n: int) -> settings:
    """Make `n` examples of a test, and more where asked for."""
    return settings(max_examples=n * TIMES)
