"""The history of a training: the loss of each step, as a CSV."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from bigdata_cli.errors import UsageError
from bigdata_cli.io.whole_file import open_whole_file
from bigdata_cli.training.loop import LoopResult

_HEADER = "epoch,step,loss,untrained_loss\n"


def check_history(path: Path) -> None:
    """Raise UsageError where the file cannot be written; before any work."""
    if path.is_dir():
        raise UsageError(f"--history: {path} is a folder")
    if not path.parent.is_dir():
        raise UsageError(
            f"--history: there is no folder {path.parent}", hint=f"mkdir -p '{path.parent}'"
        )


def write_history(path: Path, result: LoopResult, first_epoch: int) -> None:
    """Write the loss of each step and that of the untrained model on the same rows.

    Epochs and steps are counted from 1; those of a resumed training from its first new epoch.
    """
    n_epochs = len(result.epoch_steps)
    epochs = np.repeat(np.arange(n_epochs) + first_epoch + 1, result.epoch_steps)
    rows = zip(
        epochs.tolist(), result.losses.tolist(), result.untrained_losses.tolist(), strict=True
    )
    with open_whole_file(path) as file:
        file.write(_HEADER.encode())
        for step, (epoch, loss, untrained) in enumerate(rows, start=1):
            file.write(f"{epoch},{step},{loss:.9g},{untrained:.9g}\n".encode())
