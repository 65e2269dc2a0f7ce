"""The history of a training as a CSV: the losses of each step, what was measured after an epoch."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from bigdata_cli.io.whole_file import write_whole_file
from bigdata_cli.training.course import LoopResult

HISTORY_COLUMNS = (
    *("epoch", "step", "loss", "untrained_loss", "learning_rate"),
    *("held_out_loss", "held_out_metric"),
)


def write_history(path: Path, result: LoopResult, *, first_epoch: int = 0) -> None:
    """Write the loss of each step and that of the untrained model on the same rows.

    Epochs and steps are counted from 1; those of a resumed training from its first new epoch. The
    columns `held_out_…` have values in the last step of an epoch. A step of trees is a tree.
    """
    n_epochs = len(result.epoch_steps)
    epochs = np.repeat(np.arange(n_epochs) + first_epoch + 1, result.epoch_steps)
    ends = np.cumsum(result.epoch_steps).tolist()
    watched = {
        end: record.watched
        for end, record in zip(ends, result.records, strict=False)
        if record.watched is not None
    }
    rows = zip(
        epochs.tolist(),
        result.losses.tolist(),
        result.untrained_losses.tolist(),
        result.learning_rates.tolist(),
        strict=True,
    )
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HISTORY_COLUMNS)
    for step, (epoch, *figures) in enumerate(rows, start=1):
        measured = watched.get(step, ("", ""))
        writer.writerow((epoch, step, *map(_figure, (*figures, *measured))))
    write_whole_file(path, text.getvalue())


def _figure(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.9g}"
