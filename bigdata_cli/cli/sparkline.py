"""Series of numbers as one line of a terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from bigdata_cli.inspection.facts import Histogram
    from bigdata_cli.resources.recorder import MemoryRecord

_BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII_BLOCKS = "_.-=+*#@"
_SPARKS = 48
_HISTOGRAM_MARKS = 8


def sparkline(values: Sequence[float], *, top: float | None = None, width: int = _SPARKS) -> str:
    """Values as a line of blocks, the largest of each part of them; top: of a full block.

    >>> sparkline([0, 1, 2, 3, 4, 5, 6, 7])
    '▁▂▃▄▅▆▇█'
    >>> sparkline([0, 9, 1, 1], width=2)
    '█▁'
    """
    parts = min(width, len(values))
    cuts = [len(values) * i // parts for i in range(parts + 1)] if parts else [0]
    highest = [max(values[a:b]) for a, b in pairwise(cuts)]
    top = max([top or 0.0, *highest])
    last = len(_BLOCKS) - 1
    return "".join(_BLOCKS[min(last, int(value * (last + 1) / (top or 1)))] for value in highest)


def sparkline_marks() -> str | None:
    """The marks of a sparkline on this terminal, from low to high; None where stdout is none."""
    if not sys.stdout.isatty():
        return None
    return _BLOCKS if "utf" in (sys.stdout.encoding or "ascii").lower() else _ASCII_BLOCKS


def print_memory(record: MemoryRecord) -> None:
    """Print memory over time as one line, on a terminal: the same time for each block."""
    from bigdata_cli.resources.sizes import format_size

    encoding = sys.stdout.encoding or "ascii"
    if not sys.stdout.isatty() or len(record.samples) < 2 or "utf" not in encoding.lower():
        return
    end = record.samples[-1].seconds
    values = [0.0] * min(_SPARKS, len(record.samples))
    for sample in record.samples:
        place = min(len(values) - 1, int(sample.seconds / max(end, 1e-9) * len(values)))
        values[place] = max(values[place], sample.rss_bytes)
    for place in range(1, len(values)):  # a pause of the sampler is no memory given back
        values[place] = values[place] or values[place - 1]
    click.echo(f"memory  {sparkline(values)}  up to {format_size(record.peak_bytes)}")


def histogram_line(shown: Histogram | None, marks: str) -> str | None:
    """A histogram as a few marks, from the lowest to the highest; a blank where there is no value.

    Values beyond the edges are in the first and the last mark; of values that are listed the most
    frequent one is the first.
    """
    if shown is None or not sum(shown.counts):
        return None
    counts = list(shown.counts)
    if shown.kind == "values":
        counts += [shown.others] if shown.others else []
    elif counts:
        counts[0] += shown.below
        counts[-1] += shown.above
    parts = min(_HISTOGRAM_MARKS, len(counts))
    cuts = [len(counts) * i // parts for i in range(parts + 1)]
    sums = [sum(counts[a:b]) for a, b in pairwise(cuts)]
    last = len(marks) - 1
    return "".join(
        marks[min(last, count * len(marks) // max(sums))] if count else " " for count in sums
    ).rstrip()
