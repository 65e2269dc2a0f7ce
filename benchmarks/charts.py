"""The charts of the page: SVG without a background, in colours for light and dark pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bigdata_cli.resources.sizes import format_size

if TYPE_CHECKING:
    from benchmarks.figures import Figure

OURS, THEIRS, INK = "#3b82c4", "#9a9a9a", "#808080"
_BAR_INCHES = 0.24
Bar = tuple[str, float, str]
"""Label, length, the figure beside it."""


def write_charts(found: Sequence[Figure], page: Path) -> list[tuple[str, Path]]:
    """Write those charts for which there are figures; returns titles and paths."""
    import matplotlib

    matplotlib.use("Agg")
    written = []
    for title, name, bars, line in (
        ("CSV to Parquet: times as fast as others, by CPU", "parquet", _parquet_bars(found), 1.0),
        ("Numbers, lines and records: times as fast, by CPU", "others", _other_bars(found), 1.0),
        ("Peak memory in MB", "memory", _memory_bars(found), None),
    ):
        if bars:
            path = page.with_name(f"{page.stem}-{name}.svg")
            _draw(path, title, bars, line)
            written.append((title, path))
    return written


def _parquet_bars(found: Sequence[Figure]) -> list[Bar]:
    return [
        (f"{figure.file}, {format_size(int(figure.size))} / {figure.against}", *_length(figure))
        for figure in found
        if figure.section == "CSV to Parquet" and figure.measure == "CPU" and figure.value
    ]


def _other_bars(found: Sequence[Figure]) -> list[Bar]:
    left_out = ("CSV to Parquet", "Two jobs and one", "Late type changes", "HDF5 with text")
    return [
        (f"{figure.work}, {figure.file} / {figure.against}", *_length(figure))
        for figure in found
        if figure.section not in left_out and figure.measure == "CPU" and figure.value
    ]


def _length(figure: Figure) -> tuple[float, str]:
    assert figure.value is not None
    return figure.value, f"{figure.value:.2f}" if figure.value < 10 else f"{figure.value:.0f}"


def _memory_bars(found: Sequence[Figure]) -> list[Bar]:
    """The format of each shape that takes most."""
    most: dict[str, Figure] = {}
    for figure in found:
        if figure.measure == "peak bytes" and figure.value is not None:
            if figure.value > (most[figure.file].value or 0 if figure.file in most else 0):
                most[figure.file] = figure
    return [
        (f"{figure.file}, {figure.work}", value / 1e6, f"{value / 1e6:.0f}")
        for figure in most.values()
        if (value := figure.value) is not None
    ]


def _draw(path: Path, title: str, bars: Sequence[Bar], line: float | None) -> None:
    """Bars; where there is a line (of as fast as the others) on a logarithmic scale."""
    import matplotlib.pyplot as plt

    style: Any = {
        "svg.fonttype": "none", "svg.hashsalt": "benchmarks", "font.size": 9, "text.color": INK,
        "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK,
    }  # fmt: skip
    with plt.rc_context(style):
        figure, axes = plt.subplots(figsize=(9, 0.9 + _BAR_INCHES * len(bars)))
        places = range(len(bars))
        behind = [line is not None and bar[1] < line for bar in bars]
        colours = [THEIRS if is_behind else OURS for is_behind in behind]
        axes.barh(places, [bar[1] for bar in bars], color=colours, height=0.7)
        axes.set_yticks(places, [bar[0] for bar in bars])
        axes.invert_yaxis()
        axes.set_title(title, loc="left")
        if line is not None:
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_formatter("{x:g}")
            axes.axvline(line, color=INK, linestyle="--", linewidth=1)
        for place, bar in zip(places, bars, strict=True):
            axes.annotate(
                bar[2], (bar[1], place), xytext=(3, 0), textcoords="offset points", va="center"
            )
        axes.margins(x=0.08, y=0.01)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        figure.savefig(
            path, transparent=True, bbox_inches="tight", metadata={"Date": None, "Creator": None}
        )
        plt.close(figure)
