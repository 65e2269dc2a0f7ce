"""A picture of memory over time: phases shaded and named, the limit, the peak."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bigdata_cli.errors import MissingDependencyError, UsageError
from bigdata_cli.io.whole_file import open_whole_file
from bigdata_cli.resources.sizes import format_size

if TYPE_CHECKING:
    from bigdata_cli.resources.recorder import MemoryRecord, Phase

PLOT_SUFFIXES = (".png", ".svg", ".pdf")
_LINE, _FILL, _LIMIT, _INK, _FAINT = "#1d4ed8", "#bfdbfe", "#b91c1c", "#1f2937", "#6b7280"
_SHADES = ("#f1f5f9", "#ffffff")
_MB = 1e6
_NAME_SHARE = 0.012
"""Of the width, that a letter of a phase's name takes."""


def check_plot(path: Path) -> None:
    """Raise UsageError for a suffix that is no picture's, MissingDependencyError without
    matplotlib."""
    if path.suffix.lower() not in PLOT_SUFFIXES:
        raise UsageError(
            f'--memory-plot: "{path.suffix}" of {path} is not a kind of picture',
            hint=f"a name that ends in {', '.join(PLOT_SUFFIXES)}",
        )
    if find_spec("matplotlib") is None:
        raise MissingDependencyError.for_extra("matplotlib", "plot", purpose="--memory-plot")


def draw_memory(record: MemoryRecord, path: Path, *, title: str) -> None:
    """Draw a record into a .png, .svg or .pdf; raises OSError where it cannot be written."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    seconds = [sample.seconds for sample in record.samples]
    megabytes = [sample.rss_bytes / _MB for sample in record.samples]
    end = max(seconds[-1], 0.01)
    top = max(record.peak_bytes, record.limit_bytes or 0) / _MB
    # A limit far above would leave a line at the bottom: then it is only named.
    is_far = record.limit_bytes is not None and record.limit_bytes > 4 * record.peak_bytes
    if is_far:
        top = record.peak_bytes / _MB
    axes.set_xlim(0, end)
    axes.set_ylim(0, top * 1.22)
    _shade_phases(axes, record.phases, end)
    axes.fill_between(seconds, megabytes, color=_FILL, alpha=0.75, linewidth=0, zorder=2)
    axes.plot(seconds, megabytes, color=_LINE, linewidth=1.6, zorder=3)
    _mark_limit(axes, record, end, is_far=is_far)
    _mark_peak(axes, record, end)
    axes.set_xlabel("seconds", color=_INK)
    axes.set_ylabel("resident memory, MB", color=_INK)
    axes.set_title(title, loc="left", color=_INK, fontsize=12, fontweight="bold", pad=12)
    axes.tick_params(colors=_FAINT)
    axes.grid(axis="y", color="#e5e7eb", linewidth=0.8, zorder=1)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color("#9ca3af")
    with open_whole_file(path) as file:
        figure.savefig(file, dpi=150, format=path.suffix.lower()[1:])


def _shade_phases(axes: Any, phases: tuple[Phase, ...], end: float) -> None:
    """A stripe for each phase, and its name where there is room: names do not overlap."""
    free_from = 0.0
    for index, phase in enumerate(phases):
        axes.axvspan(phase.start, phase.stop, color=_SHADES[index % 2], zorder=0, linewidth=0)
        if index:
            axes.axvline(phase.start, color="#cbd5e1", linewidth=0.8, linestyle=":", zorder=1)
        width = _NAME_SHARE * len(phase.name) * end
        middle = min(max((phase.start + phase.stop) / 2, width / 2), end - width / 2)
        if middle - width / 2 < free_from:
            middle = free_from + width / 2
        if middle + width / 2 > end:
            continue
        free_from = middle + width / 2 + _NAME_SHARE * end
        axes.annotate(
            phase.name,
            (middle, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, -6),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=9,
            color=_FAINT,
        )


def _mark_limit(axes: Any, record: MemoryRecord, end: float, *, is_far: bool) -> None:
    limit = record.limit_bytes
    if limit is None:
        return
    label = f"limit {format_size(limit)}"
    if is_far:
        axes.annotate(
            f"{label}, far above",
            (1, 1),
            xycoords="axes fraction",
            xytext=(0, 4),
            textcoords="offset points",
            ha="right",
            va="bottom",
            fontsize=9,
            color=_LIMIT,
        )
        return
    axes.axhline(limit / _MB, color=_LIMIT, linewidth=1.2, linestyle="--", zorder=4)
    axes.annotate(
        label,
        (end, limit / _MB),
        xytext=(-4, 3),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=9,
        color=_LIMIT,
    )


def _mark_peak(axes: Any, record: MemoryRecord, end: float) -> None:
    """The largest sample, with the peak that the kernel has counted."""
    highest = max(record.samples, key=lambda sample: sample.rss_bytes)
    place = highest.seconds, record.peak_bytes / _MB
    is_right = highest.seconds > 0.7 * end
    axes.plot(*place, marker="o", markersize=6, color=_LINE, markeredgecolor="white", zorder=5)
    axes.annotate(
        f"peak {format_size(record.peak_bytes)}",
        place,
        xytext=(-8 if is_right else 8, -14),
        textcoords="offset points",
        ha="right" if is_right else "left",
        va="top",
        fontsize=10,
        fontweight="bold",
        color=_INK,
        bbox={"boxstyle": "round,pad=0.25", "fc": "white", "ec": "none", "alpha": 0.8},
        zorder=6,
    )
