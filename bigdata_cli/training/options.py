"""The options of a training, checked before any work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bigdata_cli.errors import UsageError
from bigdata_cli.option_kinds import (
    COUNT,
    NATURAL,
    Bounds,
    Kind,
    accept_integer,
    accept_integers,
    accept_mapping,
    accept_text,
    choice,
    number,
    parse_pair,
    unique_pairs,
)
from bigdata_cli.options import check_bounds, given_options, option
from bigdata_cli.resources.cache_options import CacheOptions
from bigdata_cli.resources.record_files import RecordFiles
from bigdata_cli.training.device_options import BACKENDS, DeviceOptions
from bigdata_cli.training.learning_options import MeasureOptions, OptimizerOptions, StoppingOptions
from bigdata_cli.training.option_rules import check_together
from bigdata_cli.training.train_files import TrainFiles

if TYPE_CHECKING:
    from bigdata_cli.dataset import Dataset
    from bigdata_cli.training.sampling import RowSample

BATCH_SIZE = 512
HIDDEN_UNITS = (16, 16, 16)
DROPOUT = 0.25
MODELS = ("mlp", "linear", "xgboost", "lightgbm")
N_TREES = 200
SAVE_EVERY_SECONDS = 600.0
MAX_UNITS = 65_536
MAX_MEMBERS = 100


def _parse_units(text: str) -> tuple[int, ...]:
    if text == "none":
        return ()
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and int(part) for part in parts):
        raise UsageError(f'"{text}" is not a list of layers, such as 16,16,16')
    return tuple(map(int, parts))


def _parse_buckets(text: str) -> tuple[str, int]:
    column, buckets = parse_pair(text, "COL=BUCKETS", "name=1024")
    if not (buckets.isascii() and buckets.isdigit()):
        raise UsageError(f'"{text}" is not COL=BUCKETS, such as name=1024')
    return column, int(buckets)


def _accept_dataset(value: Any) -> Any:
    from bigdata_cli.dataset import Dataset

    return value if isinstance(value, Dataset | Path) else accept_text(value)


UNITS = Kind(
    "UNITS",
    "Sequence[int]",
    _parse_units,
    accept_integers,
    lambda units: ",".join(map(str, units)) or "none",
)
BUCKETS = Kind(
    "COL=BUCKETS",
    "Mapping[str, int]",
    _parse_buckets,
    accept_mapping(accept_integer),
    collect=unique_pairs,
    note="; repeatable",
)
SLICE_OR_DATASET = Kind("SLICE|SPLIT|DATASET", "str | Path | Dataset", accept=_accept_dataset)


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """How to train. None leaves the choice to the dataset or to what is installed."""

    label: str | None = option(
        "The column to learn.",
        group="Model",
        metavar="COL",
        default_text="the dataset's",
        default=None,
    )
    model: str = option(
        "A perceptron, the same without hidden layers, or boosted trees.",
        choice(MODELS),
        default="mlp",
    )
    trees: int = option("Rounds of boosting.", COUNT, default=N_TREES)
    hidden: tuple[int, ...] = option(
        "Units of the hidden layers; none is a linear model.", UNITS, default=HIDDEN_UNITS
    )
    dropout: float = option(
        "Share of the units that a step leaves out.",
        number(Bounds(0, 1, max_open=True)),
        metavar="SHARE",
        default=DROPOUT,
    )
    hashed: Mapping[str, int] = option(
        "Learn from a text column by hashing it into this number of buckets.",
        BUCKETS,
        argument="hash",
        default={},
    )
    optimizing: OptimizerOptions = field(default_factory=OptimizerOptions)
    epochs: int | None = option(
        "Passes over the rows.", COUNT, default_text="enough for about 2,000 steps", default=None
    )
    batch_size: int = option("Rows of a step, of all devices together.", COUNT, default=BATCH_SIZE)
    seed: int = option("Of all that is random.", NATURAL, default=0)
    stopping: StoppingOptions = field(default_factory=StoppingOptions)
    balanced: bool = option(
        "Weight the rows so that all classes count equally.", group="Rows", default=False
    )
    sample_share: float | None = option(
        "Train on a share of the rows, the same in every epoch.",
        number(Bounds(0, 1, min_open=True)),
        argument="sample",
        metavar="SHARE",
        default=None,
    )
    stratify: bool = option(
        "Sample each class by itself, so that shares stay the same.", default=False
    )
    bag: int | None = option(
        "Train N models, each on its own --sample, and average them; --save names a folder.",
        COUNT._replace(bounds=Bounds(2, MAX_MEMBERS)),
        default=None,
    )
    train_on: str | None = option(
        "Of a dataset with splits, the one to train on.",
        flag="--split",
        argument="split",
        metavar="NAME",
        default_text="train, where there is one",
        default=None,
    )
    evaluate_on: str | Path | Dataset | None = option(
        'Hold out a slice of the rows, "[80%:]", or measure on another split or dataset.',
        SLICE_OR_DATASET,
        argument="eval",
        group="Evaluation",
        default_text="a fifth of the rows, held out",
        default=None,
    )
    measuring: MeasureOptions = field(default_factory=MeasureOptions)
    save: Path | None = option(
        "Write the model to a .keras file after every epoch, trees to a .trees file.",
        group="Saving",
        default=None,
    )
    resume: bool = option("Go on from the file of --save, where it is there.", default=False)
    force: bool = option("Replace the file of --save.", default=False)
    save_every_seconds: float = option(
        "Also write the model within an epoch, each time after this number of seconds.",
        number(Bounds(0)),
        flag="--save-every",
        argument="save_every",
        metavar="SECONDS",
        default=SAVE_EVERY_SECONDS,
    )
    files: TrainFiles = field(default_factory=TrainFiles)
    backend: str | None = option(
        "What Keras runs on.",
        choice(BACKENDS),
        group="Resources",
        default_text="what is installed, TensorFlow first",
        default=None,
    )
    devices: DeviceOptions = field(default_factory=DeviceOptions)
    record: RecordFiles = field(default_factory=RecordFiles)
    cached: CacheOptions = field(default_factory=CacheOptions)

    def __post_init__(self) -> None:
        check_bounds(self)
        if any(not 1 <= units <= MAX_UNITS for units in self.hidden):
            raise UsageError(
                f"hidden layers of {self.hidden} units; each has 1 to {MAX_UNITS:,}",
                hint="--hidden 16,16,16",
            )
        given = {one.flag: value for one, value in given_options(self)}
        check_together(given, self.model)

    @property
    def is_trees(self) -> bool:
        """Whether the model is boosted trees, and not a network."""
        return self.model not in ("mlp", "linear")

    @property
    def layers(self) -> tuple[int, ...]:
        """The units of the hidden layers of the model."""
        return self.hidden if self.model == "mlp" else ()

    @property
    def sample(self) -> RowSample | None:
        """The sample of the rows to train on; None for all rows."""
        if self.sample_share is None:
            return None
        from bigdata_cli.training.sampling import RowSample

        return RowSample(share=self.sample_share, seed=self.seed, stratify=self.stratify)

    @property
    def split(self) -> str | None:
        """The slice of the rows that is held out; None where `evaluate_on` is no slice."""
        on = self.evaluate_on
        text = str(on) if isinstance(on, str | Path) else ""
        is_slice = text.startswith("[") and text.endswith("]") and not Path(text).exists()
        return text if is_slice else None

    def settled(self) -> dict[str, Any]:
        """Return the options that a resumed training may not change, as plain JSON by flag."""
        return {
            "batch-size": self.batch_size,
            "seed": self.seed,
            "model": self.model,
            "hidden": list(self.layers),
            "lr": self.optimizing.learning_rate,
            "optimizer": self.optimizing.name,
            "schedule": self.optimizing.schedule,
            "warmup-steps": self.optimizing.warmup_steps,
            "l2": self.optimizing.l2,
            "mixed-precision": self.optimizing.mixed_precision,
            "early-stopping": self.stopping.early,
            "metric": self.measuring.metric if self.stopping.early else None,
            "epochs": None if self.optimizing.schedule == "constant" else self.epochs,
            "dropout": self.dropout,
            "hash": dict(self.hashed),
            "balanced": self.balanced,
            "sample": self.sample_share,
            "stratify": None if self.sample_share is None else self.stratify,
            "eval": self.split or self.evaluate_on is not None,
        }
