"""The files that a record of the memory is written into."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bigdata_cli.errors import UsageError
from bigdata_cli.options import option

if TYPE_CHECKING:
    from bigdata_cli.resources.recorder import MemoryRecord


@dataclass(frozen=True, kw_only=True)
class RecordFiles:
    """Where a record is written: a picture, its samples, or neither."""

    plot: Path | None = option(
        "Draw memory over time into a .png, .svg or .pdf (extra: plot).",
        argument="memory_plot",
        default=None,
        no_trace=True,
        is_rare=True,
    )
    log: Path | None = option(
        "Write memory over time as a CSV: seconds, rss_bytes, phase.",
        argument="memory_log",
        default=None,
        no_trace=True,
    )

    def check(self) -> None:
        """Raise UsageError where a file cannot be written, MissingDependencyError without
        matplotlib; before any work."""
        if self.plot is not None:
            from bigdata_cli.resources.plots import check_plot

            check_plot(self.plot, "--memory-plot")
        for flag, path in (("--memory-plot", self.plot), ("--memory-log", self.log)):
            if path is None:
                continue
            if path.is_dir():
                raise UsageError(f"{flag}: {path} is a folder")
            if not path.parent.is_dir():
                raise UsageError(
                    f"{flag}: there is no folder {path.parent}", hint=f"mkdir -p '{path.parent}'"
                )
        if self.plot is not None and self.plot == self.log:
            raise UsageError("--memory-plot and --memory-log name the same file")

    def write(self, record: MemoryRecord, *, title: str) -> None:
        """Write what is wanted."""
        if self.log is not None:
            record.write_log(self.log)
        if self.plot is not None:
            from bigdata_cli.resources.memory_plot import draw_memory

            draw_memory(record, self.plot, title=title)
