"""What the passes that steps need may take."""

from __future__ import annotations

from dataclasses import dataclass

from bigdata_cli.resources.budget import default_limit
from bigdata_cli.resources.memory import available_memory_bytes


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Of a conversion.

    Attributes:
        memory_bytes: Of the process; None for the default.
        disk_bytes: What may lie on the disk meanwhile; None: what is free, less 5 %.
    """

    memory_bytes: int | None = None
    disk_bytes: int | None = None

    def memory(self) -> int:
        """Bytes of the process, whether they were given or not."""
        if self.memory_bytes is None:
            return default_limit(available_memory_bytes())
        return self.memory_bytes


DEFAULT_LIMITS = Limits()
