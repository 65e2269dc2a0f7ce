"""What pictures by matplotlib share: their kinds of files, and one style."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bigdata_cli.errors import MissingDependencyError, UsageError
from bigdata_cli.io.whole_file import open_whole_file

PLOT_SUFFIXES = (".png", ".svg", ".pdf")
LINE, SECOND, INK, FAINT = "#1d4ed8", "#c2410c", "#1f2937", "#6b7280"


def check_plot(path: Path, flag: str) -> None:
    """Raise UsageError for a suffix that is no picture's, MissingDependencyError without
    matplotlib."""
    if path.suffix.lower() not in PLOT_SUFFIXES:
        raise UsageError(
            f'{flag}: "{path.suffix}" of {path} is not a kind of picture',
            hint=f"a name that ends in {', '.join(PLOT_SUFFIXES)}",
        )
    if find_spec("matplotlib") is None:
        raise MissingDependencyError.for_extra("matplotlib", "plot", purpose=flag)


def new_axes(title: str, *, x: str, y: str) -> Any:
    """Return the axes of a new picture, with a title and the names of both axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_xlabel(x, color=INK)
    axes.set_ylabel(y, color=INK)
    axes.set_title(title, loc="left", color=INK, fontsize=12, fontweight="bold", pad=12)
    axes.tick_params(colors=FAINT)
    axes.grid(axis="y", color="#e5e7eb", linewidth=0.8, zorder=1)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color("#9ca3af")
    return axes


def write_figure(axes: Any, path: Path) -> None:
    """Write the picture of axes in the kind that the suffix says."""
    with open_whole_file(path) as file:
        axes.figure.savefig(file, dpi=150, format=path.suffix.lower()[1:])
