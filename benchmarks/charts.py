"""The charts of the page: SVG without a background, in colours for light and dark pages.

Bars begin at 0. Ratios are points on a logarithmic scale, at the end of a line that begins at 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from bigdata_cli.resources.sizes import format_size

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as MatplotlibFigure

    from benchmarks.figures import Figure, Json

OURS, THEIRS, INK = "#3b82c4", "#9a9a9a", "#808080"
_PEERS = (THEIRS, "#c9a26b", "#8a6fb0")
_BAR_INCHES = 0.24
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none", "svg.hashsalt": "benchmarks", "font.size": 9, "text.color": INK,
    "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK,
    "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
}  # fmt: skip
Bar = tuple[str, float, str]
"""Label, length, the figure beside it."""
Series = dict[str, dict[str, float]]
"""The values of each task, by tool."""


def write_charts(results: Json, found: Sequence[Figure], page: Path) -> list[tuple[str, Path]]:
    """Write those charts for which there are figures; returns titles and paths."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    tasks = _parquet_tasks(results)
    ratios, memory = _other_ratios(found), _memory_bars(found)
    written = []
    with plt.rc_context(_STYLE):
        for title, name, n_bars, draw in (
            ("CSV to Parquet: processor seconds", "parquet", sum(map(len, tasks.values())),
             lambda axes: _draw_side_by_side(axes, tasks)),
            ("Numbers, lines and records: times as fast as others, by CPU", "others", len(ratios),
             lambda axes: _draw_ratios(axes, ratios)),
            ("Peak memory in MB", "memory", len(memory), lambda axes: _draw_bars(axes, memory)),
        ):  # fmt: skip
            if n_bars:
                figure, axes = plt.subplots(figsize=(9, 0.9 + _BAR_INCHES * n_bars))
                axes.set_title(title, loc="left")
                draw(axes)
                axes.invert_yaxis()
                written.append((title, save_figure(figure, page, name)))
    return written


def save_figure(figure: MatplotlibFigure, page: Path, name: str) -> Path:
    """Write a figure beside a page, the same bytes each time, and close it; returns its path."""
    import matplotlib.pyplot as plt

    path = page.with_name(f"{page.stem}-{name}.svg")
    figure.savefig(
        path, transparent=True, bbox_inches="tight", metadata={"Date": None, "Creator": None}
    )
    plt.close(figure)
    return path


def _parquet_tasks(results: Json) -> Series:
    """The processor seconds of each file, by tool."""
    return {
        f"{group['kind']}, {format_size(int(group['size']))}": {
            command["label"]: median(command["cpu_seconds"]) for command in group["commands"]
        }
        for group in results["groups"]
        if group["section"] == "CSV to Parquet" and group["commands"]
    }


def _other_ratios(found: Sequence[Figure]) -> list[Bar]:
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


def _draw_side_by_side(axes: Axes, tasks: Series) -> None:
    """Bars of all tools for each task, ours first."""
    tools = list(dict.fromkeys(tool for values in tasks.values() for tool in values))
    colours = dict(zip(tools, (OURS, *_PEERS), strict=False))
    centres, place = [], 0.0
    for values in tasks.values():
        centres.append(place + (len(values) - 1) / 2)
        for tool, value in values.items():
            axes.barh(place, value, color=colours[tool], height=0.85)
            _annotate(axes, value, place, f"{value:.1f}")
            place += 1
        place += 0.6
    for tool in tools:
        axes.barh(0, 0, color=colours[tool], label=tool)
    axes.set_yticks(centres, list(tasks))
    axes.legend(loc="lower right")
    axes.margins(x=0.06, y=0.01)


def _draw_ratios(axes: Axes, bars: Sequence[Bar]) -> None:
    """Points on a logarithmic scale, each at the end of a line that begins at 1."""
    places = range(len(bars))
    for place, (_, value, text) in zip(places, bars, strict=True):
        colour = OURS if value >= 1 else THEIRS
        axes.plot([1, value], [place, place], color=colour, linewidth=2)
        axes.plot(value, place, "o", color=colour, markersize=5)
        _annotate(axes, max(value, 1), place, text, gap=7)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.axvline(1, color=INK, linestyle="--", linewidth=1)
    axes.set_yticks(places, [bar[0] for bar in bars])
    axes.margins(x=0.08, y=0.02)


def _draw_bars(axes: Axes, bars: Sequence[Bar]) -> None:
    places = range(len(bars))
    axes.barh(places, [bar[1] for bar in bars], color=OURS, height=0.7)
    for place, (_, value, text) in zip(places, bars, strict=True):
        _annotate(axes, value, place, text)
    axes.set_yticks(places, [bar[0] for bar in bars])
    axes.margins(x=0.08, y=0.01)


def _annotate(axes: Axes, value: float, place: float, text: str, *, gap: int = 3) -> None:
    axes.annotate(text, (value, place), xytext=(gap, 0), textcoords="offset points", va="center")
