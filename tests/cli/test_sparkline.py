"""Series of numbers as one line of a terminal."""

from __future__ import annotations

import sys

import pytest

from bigdata_cli.cli.sparkline import histogram_line, sparkline_marks
from bigdata_cli.inspection.facts import Histogram

MARKS = "12345678"


class Terminal:
    """A stream that says what it is."""

    def __init__(self, *, is_terminal: bool, encoding: str) -> None:
        self.encoding = encoding
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


@pytest.mark.parametrize(
    ("shown", "line"),
    [
        (Histogram(kind="numbers", counts=(8, 4, 0, 1), edges=(0, 1, 2, 3, 4)), "85 2"),
        (Histogram(kind="numbers", counts=(1,) * 16, edges=tuple(range(17))), "8" * 8),
        (Histogram(kind="numbers", counts=(1, 1), edges=(0, 1, 2), below=7, above=1), "83"),
        (Histogram(kind="values", counts=(6, 3), values=("a", "b"), others=12), "538"),
        (Histogram(kind="numbers", counts=(0, 0), edges=(0, 1, 2)), None),
        (None, None),
    ],
)
def test_a_histogram_is_a_line_of_marks(shown: Histogram | None, line: str | None) -> None:
    assert histogram_line(shown, MARKS) == line


def test_few_values_are_still_seen() -> None:
    shown = Histogram(kind="numbers", counts=(1_000_000, 1), edges=(0, 1, 2))
    assert histogram_line(shown, MARKS) == "81"


@pytest.mark.parametrize(
    ("is_terminal", "encoding", "first"),
    [(True, "utf-8", "▁"), (True, "ascii", "_"), (True, "latin-1", "_"), (False, "utf-8", None)],
)
def test_marks_are_those_that_the_terminal_can_show(
    is_terminal: bool, encoding: str, first: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", Terminal(is_terminal=is_terminal, encoding=encoding))
    marks = sparkline_marks()
    assert (None if marks is None else marks[0]) == first
