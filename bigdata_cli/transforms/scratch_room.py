"""The disk that what passes note may take."""

from __future__ import annotations

from pathlib import Path

from bigdata_cli.errors import BudgetError
from bigdata_cli.io.scratch import free_bytes

_FREE_SHARE = 0.95
HINT = "TMPDIR=FOLDER names a folder on another disk; --where leaves out rows before"


class ScratchRoom:
    """A folder for temporary files, with a limit."""

    def __init__(self, folder: Path, limit_bytes: int | None, what: str) -> None:
        """limit_bytes: None for what is free, less 5 %. what: lies there, as messages call it."""
        self._folder = folder
        self._free_bytes = int(free_bytes(folder) * _FREE_SHARE)
        self._limit_bytes = limit_bytes
        self._what = what

    def check(self, n_bytes: int, *, is_foreseen: bool = False) -> None:
        """Raise BudgetError where there is no room for so many bytes."""
        need = "would need about" if is_foreseen else "need at least"
        what = f"{self._what} {need} {n_bytes:,} bytes"
        if self._limit_bytes is not None and n_bytes > self._limit_bytes:
            raise BudgetError(
                f"{what} of disk, and --disk-limit is {self._limit_bytes:,} bytes",
                hint=f"--disk-limit {n_bytes} or more; --where leaves out rows before",
            )
        if n_bytes > self._free_bytes:
            raise BudgetError(
                f"{what} in {self._folder.parent}, and {self._free_bytes:,} bytes can be used on "
                "that disk (what is free, less 5 %)",
                hint=HINT,
            )
