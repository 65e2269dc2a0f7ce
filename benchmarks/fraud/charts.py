"""The pictures of docs/fraud.md: memory over time, and all variants side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.charts import INK, OURS, THEIRS, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL_INCHES, _BAR_INCHES = 0.8, 0.32
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none", "svg.hashsalt": "fraud", "font.size": 9, "text.color": INK,
    "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK,
    "axes.spines.top": False, "axes.spines.right": False,
}  # fmt: skip

Json = dict[str, Any]


def write_charts(results: Json, page: Path) -> list[tuple[str, Path]]:
    """Write both pictures beside the page; returns titles and paths."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    written = []
    for title, name, draw in (
        ("Memory above the imports over time", "memory", _draw_memory),
        ("Memory, time and AUC", "comparison", _draw_comparison),
    ):
        with plt.rc_context(_STYLE):
            written.append((title, save_figure(draw(results["variants"]), page, name)))
    return written


def _draw_memory(variants: Sequence[Json]) -> Figure:
    """A panel per variant, all with the same axes; memory as a line on a logarithmic one."""
    import matplotlib.pyplot as plt

    figure, grid = plt.subplots(
        len(variants), 1, sharex=True, sharey=True, squeeze=False,
        figsize=(9, 0.8 + _PANEL_INCHES * len(variants)), gridspec_kw={"hspace": 0.35},
    )  # fmt: skip
    top = max(one["peak_bytes"] for one in variants) / 1e6
    for axes, one in zip(grid[:, 0], variants, strict=True):
        colour = OURS if one["is_ours"] else THEIRS
        seconds = [0.0, *(sample[0] for sample in one["samples"]), one["seconds"]]
        above = [1.0, *(max(1.0, sample[1] / 1e6) for sample in one["samples"]), 1.0]
        axes.plot(seconds, above, color=colour, linewidth=1.5)
        axes.set_yscale("log")
        axes.set_ylim(10, 1.5 * max(top, 10))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.minorticks_off()
        axes.set_title(one["label"], loc="left", fontsize=9, pad=2)
        axes.annotate(
            f"peak {one['peak_bytes'] / 1e6:,.0f} MB, {one['seconds']:.0f} s",
            (one["seconds"], 10), xytext=(5, 4), textcoords="offset points", fontsize=8,
        )  # fmt: skip
    last = grid[-1, 0]
    last.set_xlim(0, 1.18 * max(one["seconds"] for one in variants))
    last.set_xlabel("seconds")
    figure.supylabel("MB above the imports", fontsize=9, x=0.06)
    return figure


def _draw_comparison(variants: Sequence[Json]) -> Figure:
    """Three columns: bars of memory and time, and points of the AUC, whose axis ends at 1."""
    import matplotlib.pyplot as plt

    figure, columns = plt.subplots(
        1, 3, sharey=True, figsize=(9, 0.9 + _BAR_INCHES * len(variants)),
        gridspec_kw={"wspace": 0.12},
    )  # fmt: skip
    _bars(columns[0], variants, [one["peak_bytes"] / 1e6 for one in variants], "{:,.0f}")
    _bars(columns[1], variants, [one["seconds"] for one in variants], "{:.0f}")
    _points(columns[2], variants, [one["auc"] for one in variants], "{:.4f}")
    for axes, name in zip(columns, ("peak MB above imports", "seconds", "AUC"), strict=True):
        axes.set_title(name, loc="left", fontsize=9)
    columns[0].set_yticks(range(len(variants)), [one["label"] for one in variants])
    columns[0].invert_yaxis()
    return figure


def _points(axes: Axes, variants: Sequence[Json], values: Sequence[float], shown: str) -> None:
    colours = [OURS if one["is_ours"] else THEIRS for one in variants]
    axes.scatter(values, range(len(values)), color=colours, s=28)
    for place, value in enumerate(values):
        axes.annotate(
            shown.format(value), (value, place), xytext=(6, 0), textcoords="offset points",
            va="center", fontsize=8,
        )  # fmt: skip
    least = min(values)
    axes.set_xlim(least - 0.25 * (1 - least) - 1e-4, 1 + 0.55 * (1 - least) + 1e-4)
    axes.locator_params(axis="x", nbins=4)


def _bars(axes: Axes, variants: Sequence[Json], values: Sequence[float], shown: str) -> None:
    colours = [OURS if one["is_ours"] else THEIRS for one in variants]
    axes.barh(range(len(values)), values, color=colours, height=0.7)
    for place, value in enumerate(values):
        axes.annotate(
            shown.format(value), (value, place), xytext=(3, 0), textcoords="offset points",
            va="center", fontsize=8,
        )  # fmt: skip
    axes.margins(x=0.25)
    axes.locator_params(axis="x", nbins=4)
