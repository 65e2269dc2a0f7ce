"""The request of a verification."""

from __future__ import annotations

from dataclasses import dataclass, field

from bigdata_cli.engines.options import WorkerOptions
from bigdata_cli.errors import UsageError
from bigdata_cli.option_kinds import COUNT, SOURCES
from bigdata_cli.options import option
from bigdata_cli.resources.cache_options import CacheOptions


@dataclass(frozen=True, kw_only=True)
class VerifyOptions:
    """What to verify a dataset against, and how."""

    source: tuple[str, ...] | None = option(
        "What the dataset was made from, as given to convert. It is read again, with the dialect "
        "of the manifest, and every value is compared.",
        SOURCES,
        default=None,
    )
    jobs: int | None = option("Threads.", COUNT, default_text="all processors", default=None)
    workers: WorkerOptions = field(default_factory=WorkerOptions)
    cached: CacheOptions = field(default_factory=CacheOptions)

    def __post_init__(self) -> None:
        if self.jobs is not None and self.jobs < 1:
            raise UsageError(f"--jobs {self.jobs} is not positive")
        self.workers.check()
