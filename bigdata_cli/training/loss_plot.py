"""A picture of the losses of a training: of each step, of the untrained model, held out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bigdata_cli.resources.plots import FAINT, LINE, SECOND, new_axes, write_figure
from bigdata_cli.training.course import LoopResult

MAX_POINTS = 400
"""Of a line: more steps are averaged in groups."""


def draw_losses(path: Path, result: LoopResult, *, title: str, unit: str) -> None:
    """Draw the losses into a .png, .svg or .pdf; unit: what a step is, "step" or "tree"."""
    axes = new_axes(title, x=f"{unit}s", y="loss")
    steps, losses = mean_curve(result.losses)
    _, untrained = mean_curve(result.untrained_losses)
    axes.plot(steps, untrained, color=FAINT, linewidth=1.2, linestyle=":", label="untrained")
    axes.plot(steps, losses, color=LINE, linewidth=1.6, label="in training")
    held_out = [
        (step, record.watched.loss)
        for step, record in zip(np.cumsum(result.epoch_steps), result.records, strict=False)
        if record.watched is not None
    ]
    if held_out:
        axes.plot(
            *zip(*held_out, strict=True),
            color=SECOND,
            linewidth=1.6,
            marker="o" if len(held_out) <= 50 else None,
            markersize=4,
            label="not trained on",
        )
    for step, record in zip(np.cumsum(result.epoch_steps), result.records, strict=False):
        if record.epoch == result.best_epoch:
            axes.axvline(step, color=FAINT, linewidth=1.0, linestyle="--", label="the best")
    axes.legend(frameon=False)
    write_figure(axes, path)


def mean_curve(values: np.ndarray, max_points: int = MAX_POINTS) -> tuple[np.ndarray, np.ndarray]:
    """Return steps, counted from 1, and the means of as many groups of values as are drawn.

    >>> steps, means = mean_curve(np.arange(6.0), 3)
    >>> steps.tolist(), means.tolist()
    ([2, 4, 6], [0.5, 2.5, 4.5])
    """
    n_groups = min(max_points, len(values))
    if not n_groups:
        return np.empty(0, np.int64), np.empty(0)
    ends = np.linspace(0, len(values), n_groups + 1).astype(np.int64)
    sums = np.add.reduceat(values, ends[:-1])
    return ends[1:], sums / np.diff(ends)
