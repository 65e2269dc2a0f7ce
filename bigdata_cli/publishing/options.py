"""The request of `push`."""

from __future__ import annotations

from dataclasses import dataclass

from bigdata_cli.options import option


@dataclass(frozen=True, kw_only=True)
class PushOptions:
    """How a dataset is published."""

    private: bool = option("Only you see a repository that is made for it.", default=False)
    license: str | None = option(
        "License of the dataset, such as cc-by-4.0, by the name that the target uses.",
        default_text="that of the card which is there, or none",
        default=None,
    )
    dry_run: bool = option("Show what would be sent; send nothing.", default=False)
