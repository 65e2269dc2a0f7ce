"""The files that a training writes beside its model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bigdata_cli.errors import UsageError
from bigdata_cli.options import option, values_of


@dataclass(frozen=True, kw_only=True)
class TrainFiles:
    """Where the course of a training is written."""

    history: Path | None = option(
        "Write the losses of each step as a CSV, with the held-out ones at the end of each epoch.",
        group="Files",
        default=None,
    )
    plot: Path | None = option(
        "Draw the losses into a .png, .svg or .pdf (extra: plot).", default=None
    )
    tensorboard: Path | None = option(
        "Write losses, metric and learning rate for TensorBoard into this folder.",
        metavar="DIR",
        default=None,
    )

    report: Path | None = option(
        "Write an HTML page: curves, ROC, confusion, calibration, importance, memory, throughput.",
        default=None,
    )

    @property
    def has_curves(self) -> bool:
        """Whether a file shows how the loss of rows not trained on developed."""
        return any(path is not None for _, path in self._given())

    def check(self) -> None:
        """Raise UsageError where a file cannot be written, MissingDependencyError without
        matplotlib; before any work."""
        if self.plot is not None:
            from bigdata_cli.resources.plots import check_plot

            check_plot(self.plot, "--plot")
        seen: dict[Path, str] = {}
        for flag, path in self._given():
            is_folder = flag == "--tensorboard"
            if path.is_dir() and not is_folder:
                raise UsageError(f"{flag}: {path} is a folder")
            if path.is_file() and is_folder:
                raise UsageError(f"{flag}: {path} is a file", hint=f"{flag} {path}-logs")
            if not path.parent.is_dir():
                raise UsageError(
                    f"{flag}: there is no folder {path.parent}", hint=f"mkdir -p '{path.parent}'"
                )
            other = seen.setdefault(path, flag)
            if other != flag:
                raise UsageError(f"{other} and {flag} name the same file")

    def _given(self) -> Iterator[tuple[str, Path]]:
        for one, path in values_of(self):
            if path is not None:
                yield one.flag, path
