"""A picture of memory over time: phases shaded and named, the limit, the peak."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from bigdata_cli.resources.plots import FAINT, INK, LINE, new_axes, write_figure
from bigdata_cli.resources.sizes import format_size

if TYPE_CHECKING:
    from bigdata_cli.resources.recorder import MemoryRecord, Phase

_FILL, _LIMIT = "#bfdbfe", "#b91c1c"
_SHADES = ("#f1f5f9", "#ffffff")
_MB = 1e6
_NAME_SHARE = 0.012
"""Of the width, that a letter of a phase's name takes."""


def draw_memory(record: MemoryRecord, path: Path, *, title: str) -> None:
    """Draw a record into a .png, .svg or .pdf; raises OSError where it cannot be written."""
    axes = new_axes(title, x="seconds", y="resident memory, MB")
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
    axes.plot(seconds, megabytes, color=LINE, linewidth=1.6, zorder=3)
    _mark_limit(axes, record, end, is_far=is_far)
    _mark_peak(axes, record, end)
    write_figure(axes, path)


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
            color=FAINT,
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
    axes.plot(*place, marker="o", markersize=6, color=LINE, markeredgecolor="white", zorder=5)
    axes.annotate(
        f"peak {format_size(record.peak_bytes)}",
        place,
        xytext=(-8 if is_right else 8, -14),
        textcoords="offset points",
        ha="right" if is_right else "left",
        va="top",
        fontsize=10,
        fontweight="bold",
        color=INK,
        bbox={"boxstyle": "round,pad=0.25", "fc": "white", "ec": "none", "alpha": 0.8},
        zorder=6,
    )
