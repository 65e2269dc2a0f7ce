"""What a diagnosis found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from bigdata_cli.printable import ShortRepr

Status = Literal["ok", "note", "failed"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at.

    Attributes:
        topic: The heading that it stands under.
        name: What was looked at.
        found: What it is.
        status: failed: `bigdata` does not work, or not as it should; note: something to know.
        hint: What to do about it.
    """

    topic: str
    name: str
    found: str
    status: Status = "ok"
    hint: str | None = None


@dataclass(frozen=True, kw_only=True, repr=False)
class DoctorReport(ShortRepr):
    """All checks, in the order in which they are shown."""

    shown = ("passed", "checks")

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return all(check.status != "failed" for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON."""
        return {"passed": self.passed, "checks": [asdict(check) for check in self.checks]}
