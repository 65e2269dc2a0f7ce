"""The request that makes one dataset of the tasks of a job array."""

from __future__ import annotations

from dataclasses import dataclass

from bigdata_cli.option_kinds import COUNT
from bigdata_cli.options import option
from bigdata_cli.resources.sizes import SIZE


@dataclass(frozen=True, kw_only=True)
class CommitOptions:
    """What a commit may do besides looking at what the tasks did."""

    here: bool = option("Finish or repeat the work of tasks in this process.", default=False)
    jobs: int | None = option(
        "Threads.", COUNT, short="-j", default_text="all processors", default=None
    )
    memory_limit: int | None = option(
        "Most memory of the process and its children, such as 512MB.",
        SIZE,
        default_text="a quarter of what is available, at most 2GB",
        default=None,
    )
