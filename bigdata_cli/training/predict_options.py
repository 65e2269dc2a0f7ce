"""The options of a prediction, checked before any work."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from bigdata_cli.option_kinds import ALL_NAMES, COUNT, Kind, accept_path, choice
from bigdata_cli.options import check_bounds, option
from bigdata_cli.resources.cache_options import CacheOptions
from bigdata_cli.resources.record_files import RecordFiles
from bigdata_cli.sources.csv.options import SourceOptions
from bigdata_cli.training.device_options import BACKENDS

PREDICT_BATCH_SIZE = 16_384


@dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """How to predict, and where to write the predictions."""

    output: str = option(
        "A .parquet or .csv file, or - for CSV on standard output.",
        Kind("FILE", "str | Path", accept=accept_path),
        short="-o",
    )
    columns: tuple[str, ...] = option(
        "Columns of the dataset, or of the file, to write before the predictions.",
        ALL_NAMES,
        default=(),
    )
    probabilities: bool = option(
        "Also write the probability of every value of the label.", default=False
    )
    batch_size: int = option(
        "Rows that are in memory at a time.", COUNT, default=PREDICT_BATCH_SIZE
    )
    backend: str | None = option(
        "What Keras runs on.",
        choice(BACKENDS),
        default_text="what the model was trained on",
        default=None,
    )
    force: bool = option("Replace the output where it exists.", default=False)
    source: SourceOptions = field(default_factory=SourceOptions)
    on_bad_row: Literal["error", "skip"] = option(
        "A record of a file that cannot be kept is an error, or gets no prediction and is counted.",
        choice(("error", "skip")),
        group="Bad rows",
        default="error",
    )
    record: RecordFiles = field(default_factory=RecordFiles)
    cached: CacheOptions = field(default_factory=CacheOptions)

    def __post_init__(self) -> None:
        check_bounds(self)
