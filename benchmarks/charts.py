"""The charts of the page: SVG without a background, in colours for light and dark pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from benchmarks.report import Figure

OURS, THEIRS, INK = "#3b82c4", "#9a9a9a", "#808080"
MISSED = "#d08a2e"
RATES = ("CSV to Parquet", "Against reading alone", "CSV to TFRecord", "Text", "gzip")
_BAR_INCHES = 0.24


def write_charts(
    results: dict[str, Any], found: Sequence[Figure], page: Path
) -> list[tuple[str, Path]]:
    """Write those charts for which there are figures; returns titles and paths."""
    import matplotlib

    matplotlib.use("Agg")
    charts = (
        ("What was measured, against what is asked", "asked", _asked_bars(found)),
        ("MB/s of the file", "rates", _rate_bars(results)),
        ("Peak memory in MB", "memory", _memory_bars(results)),
    )
    written = []
    for title, name, bars in charts:
        if bars:
            path = page.with_name(f"{page.stem}-{name}.svg")
            _draw(
                path, title, bars, is_ratio=name == "asked", limit=400 if name == "memory" else None
            )
            written.append((title, path))
    return written


Bar = tuple[str, float, str, str]
"""Label, length, the figure beside it, colour."""


def _asked_bars(found: Sequence[Figure]) -> list[Bar]:
    """How many times as good as asked: above 1 it is reached."""
    bars = []
    for figure in found:
        if figure.value is None or figure.measure == "peak bytes":
            continue
        if figure.at_least is not None:
            good = figure.value / figure.at_least
        elif figure.at_most is not None:
            good = figure.at_most / figure.value
        else:
            continue
        unit = "" if figure.measure == "rate" else f", {figure.measure.split(' of ')[0]}"
        label = f"{figure.work}, {figure.file} / {figure.against}{unit}"
        bars.append((label, good, f"{good:.2f}", OURS if figure.is_met else MISSED))
    return bars


def _rate_bars(results: dict[str, Any]) -> list[Bar]:
    from benchmarks.report import FILES, rate

    bars = []
    for group in results["groups"]:
        if group["section"] in RATES:
            for command in group["commands"]:
                value = rate(command) / 1e6
                label = f"{FILES[group['kind']]}: {command['label']}"
                if group["section"] == "CSV to Parquet" and command["is_ours"]:
                    label += " → Parquet"
                colour = OURS if command["is_ours"] else THEIRS
                bars.append((label, value, f"{value:.0f}", colour))
    return bars


def _memory_bars(results: dict[str, Any]) -> list[Bar]:
    from statistics import median

    from bigdata_cli.resources.sizes import format_size

    bars = []
    for group in results["groups"]:
        if group["section"] == "Memory":
            for command in group["commands"]:
                value = median(command["peak_rss_bytes"]) / 1e6
                name = group["name"].partition("-")[2].replace("-", " ")
                label = f"{name}, {format_size(command['source_bytes'])}"
                bars.append((label, value, f"{value:.0f}", OURS if value <= 400 else MISSED))
    return bars


def _draw(
    path: Path, title: str, bars: Sequence[Bar], *, is_ratio: bool, limit: float | None
) -> None:
    import matplotlib.pyplot as plt

    style: Any = {
        "svg.fonttype": "none", "svg.hashsalt": "benchmarks", "font.size": 9, "text.color": INK,
        "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK,
    }  # fmt: skip
    with plt.rc_context(style):
        figure, axes = plt.subplots(figsize=(9, 0.9 + _BAR_INCHES * len(bars)))
        places = range(len(bars))
        axes.barh(places, [bar[1] for bar in bars], color=[bar[3] for bar in bars], height=0.7)
        axes.set_yticks(places, [bar[0] for bar in bars])
        axes.invert_yaxis()
        axes.set_title(title, loc="left")
        if is_ratio:
            axes.set_xscale("log", base=2)
            axes.xaxis.set_major_formatter("{x:g}")
        _mark(axes, 1.0 if is_ratio else limit)
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


def _mark(axes: Axes, value: float | None) -> None:
    """A line where what is asked ends."""
    if value is not None:
        axes.axvline(value, color=INK, linestyle="--", linewidth=1)
