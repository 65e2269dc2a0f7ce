"""Which reads of a file go on where earlier ones ended: runs, several at a time."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import NamedTuple

_SLACK_BYTES = 1 << 17
"""What begins so close behind or before the end of a run goes on with it."""
_MAX_RUNS = 1024
_RECENT_READS = 256


class Continued(NamedTuple):
    """A read as part of a run.

    Attributes:
        n_before: How many bytes the run had before it; 0 for the first read of a run.
        n_active: How many runs the last reads belong to.
    """

    n_before: int
    n_active: int


class Runs:
    """The runs of a file by where they end; not thread-safe.

    >>> runs = Runs()
    >>> [tuple(runs.take(offset, 10)) for offset in (0, 1_000_000, 10)]
    [(0, 1), (0, 2), (10, 2)]
    """

    def __init__(self) -> None:
        self._runs: OrderedDict[int, tuple[int, int]] = OrderedDict()
        """By the end of a run its bytes and its number."""
        self._recent: deque[int] = deque(maxlen=_RECENT_READS)
        self._n_begun = 0

    def take(self, offset: int, n_bytes: int) -> Continued:
        """Take down a read."""
        near = [end for end in self._runs if abs(offset - end) <= _SLACK_BYTES]
        if near:
            n_before, number = max(self._runs.pop(end) for end in near)
        else:
            self._n_begun += 1
            n_before, number = 0, self._n_begun
        self._runs[offset + n_bytes] = n_before + n_bytes, number
        while len(self._runs) > _MAX_RUNS:
            self._runs.popitem(last=False)
        self._recent.append(number)
        return Continued(n_before, len(set(self._recent)))
