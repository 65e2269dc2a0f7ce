"""The request of an inspection."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from bigdata_cli.conversion.order_options import OrderOptions
from bigdata_cli.option_kinds import choice
from bigdata_cli.options import option
from bigdata_cli.resources.cache_options import CacheOptions
from bigdata_cli.resources.sizes import SIZE
from bigdata_cli.sources.csv.options import SourceOptions
from bigdata_cli.splits.options import SplitOptions
from bigdata_cli.transforms.options import ShapeOptions


@dataclass(frozen=True, kw_only=True)
class InspectOptions:
    """How to inspect. None leaves the choice to the tool, or is what there is."""

    label: str | None = option(
        "Count the classes of this column; plan with it.",
        group="Planning",
        metavar="COL",
        default=None,
    )
    sample_bytes: int | None = option(
        "Size of the sample, such as 64MB.",
        SIZE,
        argument="sample_size",
        default_text="8MiB",
        default=None,
    )
    full: bool = option("Read the whole source, so that all figures are exact.", default=False)
    memory_bytes: int | None = option(
        "Memory of the machine to plan for, such as 16GB.",
        SIZE,
        argument="memory",
        default_text="what is free here",
        default=None,
    )
    disk_bytes: int | None = option(
        "Disk of the machine to plan for.",
        SIZE,
        argument="disk",
        default_text="what is free here, less 5 %",
        default=None,
    )
    shuffle_score: bool = option(
        "Of a dataset: how well shuffled batches mix the classes of its label, or of --label; "
        "reads the label.",
        default=False,
    )
    html: Path | None = option("Write the report as one self-contained HTML page.", default=None)
    splits: SplitOptions = field(default_factory=SplitOptions)
    shape: ShapeOptions = field(default_factory=ShapeOptions)
    source: SourceOptions = field(default_factory=SourceOptions)
    order: OrderOptions = field(default_factory=OrderOptions)
    on_bad_row: Literal["error", "skip"] = option(
        "A record that cannot be kept is an error, or is left out and counted.",
        choice(("error", "skip")),
        group="Bad rows",
        default="error",
    )
    cached: CacheOptions = field(default_factory=CacheOptions)
