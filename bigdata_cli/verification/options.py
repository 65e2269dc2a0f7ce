"""The request of a verification."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bigdata_cli.errors import UsageError
from bigdata_cli.option_kinds import COUNT, Kind
from bigdata_cli.options import option


def _accept_sources(sources: str | Path | Iterable[str | Path]) -> tuple[str | Path, ...]:
    return (sources,) if isinstance(sources, str | Path) else tuple(sources)


SOURCES = Kind(
    "FILE...", "str | Path | Sequence[str | Path]", accept=_accept_sources, collect=tuple
)


@dataclass(frozen=True, kw_only=True)
class VerifyOptions:
    """What to verify a dataset against, and how."""

    source: tuple[str | Path, ...] | None = option(
        "What the dataset was made of, as it was named to convert: it is read again, with the "
        "dialect of the manifest, and every value is compared.",
        SOURCES,
        default=None,
    )
    jobs: int | None = option("Threads.", COUNT, default_text="all processors", default=None)

    def __post_init__(self) -> None:
        if self.jobs is not None and self.jobs < 1:
            raise UsageError(f"--jobs {self.jobs} is not positive")
