"""The report of a verification, and its progress."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bigdata_cli.printable import ShortRepr
from bigdata_cli.resources.progress import ProgressState
from bigdata_cli.url import Place


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A difference; `expected_from` names where `expected` comes from."""

    file: str
    what: str
    expected: Any = None
    found: Any = None
    expected_from: str = "the manifest"

    def __str__(self) -> str:
        if self.expected is None and self.found is None:
            return f"{self.file}: {self.what}"
        return (
            f"{self.file}: {self.what} is {self.found}, {self.expected_from} says {self.expected}"
        )


@dataclass(frozen=True, kw_only=True, repr=False)
class VerifyReport(ShortRepr):
    """What was checked, and every difference that was found.

    rows: as counted in the shards that could be read; bytes: read for checksums. compared_rows: of
    the dataset, with those of its source; None where they were not compared. in_any_order: rows of
    the source may stand anywhere, as the dataset has an order of its own. other_files: in the
    folder, and no part of the dataset.
    """

    shown = (
        "path",
        "format",
        "passed",
        "rows",
        "n_shards",
        "compared_rows",
        "findings",
        "other_files",
    )

    path: Place
    format: str
    layout: str
    n_shards: int
    n_files: int
    rows: int
    bytes: int
    findings: tuple[Finding, ...]
    compared_rows: int | None = None
    in_any_order: bool = False
    other_files: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether there is no difference from the manifest, nor from the source if it was read."""
        return not self.findings

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return {
            "path": str(self.path),
            "format": self.format,
            "layout": self.layout,
            "shards": self.n_shards,
            "files": self.n_files,
            "rows": self.rows,
            "bytes": self.bytes,
            "compared_rows": self.compared_rows,
            "in_any_order": self.in_any_order,
            "passed": self.passed,
            "findings": [vars(finding) for finding in self.findings],
            "other_files": list(self.other_files),
        }


@dataclass(frozen=True, kw_only=True)
class VerifyProgress:
    """The progress of a verification: bytes checked, of all in this phase; rows of the dataset.

    phase: "verifying" the shards, or "comparing" them with the source.
    """

    bytes_done: int
    bytes_total: int
    rows: int
    phase: str = "verifying"

    @property
    def state(self) -> ProgressState:
        """The same in the form of all progress."""
        return ProgressState(
            self.phase, self.bytes_done, self.bytes_total, "B", f"{self.rows:,} rows"
        )
