"""The options of a training and of a prediction, checked before any work."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bigdata_cli.errors import UsageError
from bigdata_cli.option_kinds import (
    ALL_NAMES,
    COUNT,
    NATURAL,
    Bounds,
    Kind,
    accept_integer,
    accept_integers,
    accept_mapping,
    accept_path,
    accept_text,
    choice,
    number,
    parse_pair,
    unique_pairs,
)
from bigdata_cli.options import option
from bigdata_cli.resources.cache_options import CacheOptions
from bigdata_cli.resources.record_files import RecordFiles
from bigdata_cli.sources.csv.options import SourceOptions

if TYPE_CHECKING:
    from bigdata_cli.dataset import Dataset
    from bigdata_cli.training.sampling import RowSample

BACKENDS = ("tensorflow", "torch", "jax")
"""What Keras runs on."""
STRATEGIES = ("auto", "none", "mirrored", "multiworker")
BATCH_SIZE = 512
PREDICT_BATCH_SIZE = 16_384
HIDDEN_UNITS = (16, 16, 16)
DROPOUT = 0.25
MODELS = ("mlp", "linear", "xgboost", "lightgbm")
OPTIMIZERS = ("adam", "adamw", "sgd", "rmsprop")
N_TREES = 200
MAX_LEARNING_RATE = 10
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
class DeviceOptions:
    """The devices to train on."""

    strategy: str = option(
        "One device, all of this machine, or workers (TF_CONFIG, torchrun).",
        choice(STRATEGIES),
        default="auto",
    )
    devices: int | None = option(
        "Train on so many GPUs; without any, on so many logical CPUs, to rehearse.",
        COUNT,
        default=None,
    )
    require_gpu: bool = option("Fail where there is no GPU.", default=False)

    def __post_init__(self) -> None:
        if self.devices is not None and self.devices < 1:
            raise UsageError(f"devices is {self.devices}; it is a positive number")
        if self.strategy == "none" and (self.devices or 1) > 1:
            raise UsageError(
                f"--strategy none trains on one device, not on {self.devices}",
                hint="--strategy mirrored",
            )

    def check_gpu(self, backend: str, n_gpus: int, devices: tuple[str, ...]) -> None:
        """Raise UsageError where a GPU is required and there is none."""
        if self.require_gpu and not n_gpus:
            raise UsageError(
                f"--require-gpu: {backend} sees no GPU here, only {', '.join(devices)}",
                hint="without --require-gpu the processors train",
            )


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
    learning_rate: float | None = option(
        "The size of a step.",
        number(Bounds(0, MAX_LEARNING_RATE, min_open=True)),
        flag="--lr",
        argument="lr",
        default_text="0.002, of trees 0.1",
        default=None,
    )
    optimizer: str = option("What turns gradients into steps.", choice(OPTIMIZERS), default="adam")
    epochs: int | None = option(
        "Passes over the rows.", COUNT, default_text="enough for about 2,000 steps", default=None
    )
    batch_size: int = option("Rows of a step, of all devices together.", COUNT, default=BATCH_SIZE)
    seed: int = option("Of all that is random.", NATURAL, default=0)
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
        "Learn from a text column by hashing it to so many buckets.",
        BUCKETS,
        argument="hash",
        default={},
    )
    balanced: bool = option(
        "Let all classes count alike, however rare.", group="Rows", default=False
    )
    sample_share: float | None = option(
        "Train on a share of the rows, the same in every epoch.",
        number(Bounds(0, 1, min_open=True)),
        argument="sample",
        metavar="SHARE",
        default=None,
    )
    stratify: bool = option("Take the sample of each class apart.", default=False)
    bag: int | None = option(
        "Train N models, each on its own --sample, and average them; --save names a folder.",
        COUNT._replace(bounds=Bounds(2)),
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
        default_text="a fifth of the rows, held out",
        default=None,
    )
    save: Path | None = option(
        "Write the model to a .keras file after every epoch.", group="Saving", default=None
    )
    resume: bool = option("Go on from the file of --save, where it is there.", default=False)
    force: bool = option("Replace the file of --save.", default=False)
    history: Path | None = option(
        "Write the loss of each step as a CSV: epoch, step, loss, untrained_loss.", default=None
    )
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
        _check_count("batch_size", self.batch_size, BATCH_SIZE)
        if self.epochs is not None:
            _check_count("epochs", self.epochs, 1)
        if isinstance(self.seed, bool) or not hasattr(self.seed, "__index__") or self.seed < 0:
            raise UsageError(f"seed is {self.seed!r}; it is 0 or a positive number")
        if any(not _is_count(units) or units > MAX_UNITS for units in self.hidden):
            raise UsageError(
                f"hidden layers of {self.hidden} units; each has 1 to {MAX_UNITS:,}",
                hint="--hidden 16,16,16",
            )
        if not (math.isfinite(self.dropout) and 0 <= self.dropout < 1):
            raise UsageError(
                f"dropout is {self.dropout}; it is at least 0 and less than 1",
                hint=f"--dropout {DROPOUT}",
            )
        if self.bag is not None:
            self._check_bag(self.bag)
        if self.resume and self.save is None:
            raise UsageError(
                "--resume goes on from the file that --save names", hint="--save model.keras"
            )
        if self.stratify and self.sample_share is None:
            raise UsageError("--stratify is of --sample", hint="--sample 0.05")
        _ = self.sample  # is checked where it is made
        self._check_model()

    @property
    def is_trees(self) -> bool:
        """Whether the model is boosted trees, and not a network."""
        return self.model not in ("mlp", "linear")

    @property
    def layers(self) -> tuple[int, ...]:
        """The units of the hidden layers of the model."""
        return self.hidden if self.model == "mlp" else ()

    def _check_model(self) -> None:
        """Raise UsageError where an option is not of the model, or has no sense for any."""
        _check_count("trees", self.trees, N_TREES)
        rate = self.learning_rate
        if rate is not None and not (math.isfinite(rate) and 0 < rate <= MAX_LEARNING_RATE):
            raise UsageError(
                f"--lr {rate}: it is above 0, up to {MAX_LEARNING_RATE}", hint="--lr 0.002"
            )
        of_networks = {
            "--epochs": self.epochs is not None,
            "--batch-size": self.batch_size != BATCH_SIZE,
            "--optimizer": self.optimizer != OPTIMIZERS[0],
            "--history": self.history is not None,
            "--resume": self.resume,
            "--backend": self.backend is not None,
            "--strategy": self.devices.strategy not in ("auto", "none"),
            "--devices": self.devices.devices is not None,
            "--require-gpu": self.devices.require_gpu,
        }
        of_layers = {
            "--hidden": self.hidden != HIDDEN_UNITS,
            "--dropout": self.dropout != DROPOUT,
        }
        wrong = of_layers if self.model == "linear" else {}
        if self.is_trees:
            wrong = {**of_networks, **of_layers}
        for flag, is_given in wrong.items():
            if is_given:
                raise UsageError(
                    f"{flag}: --model {self.model} has none", hint=f"without {flag}, or --model mlp"
                )
        if self.trees != N_TREES and not self.is_trees:
            raise UsageError(
                f"--trees: --model {self.model} has none", hint="--model xgboost, or lightgbm"
            )

    def _check_bag(self, bag: int) -> None:
        if not 2 <= bag <= MAX_MEMBERS:
            raise UsageError(f"a bag of {bag} models; it has 2 to {MAX_MEMBERS}", hint="--bag 10")
        if self.sample_share is None:
            raise UsageError(
                "--bag trains each model on a sample of its own, and there is none",
                hint="--sample 0.05",
            )
        if self.history is not None:
            raise UsageError(
                "--history is of one model, and --bag trains several", hint="without --history"
            )
        workers = "TF_CONFIG" in os.environ or os.environ.get("WORLD_SIZE", "1") != "1"
        strategy = self.devices.strategy
        if strategy == "multiworker" or (workers and strategy == "auto"):
            raise UsageError(
                "--bag trains one model after the other in one process, not with workers",
                hint="--strategy none",
            )

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
            "lr": self.learning_rate,
            "optimizer": self.optimizer,
            "dropout": self.dropout,
            "hash": dict(self.hashed),
            "balanced": self.balanced,
            "sample": self.sample_share,
            "stratify": None if self.sample_share is None else self.stratify,
            "eval": self.split or self.evaluate_on is not None,
        }


def _is_count(value: object) -> bool:
    return not isinstance(value, bool) and hasattr(value, "__index__") and value >= 1  # type: ignore[operator]


def _check_count(name: str, value: object, example: int) -> None:
    if not _is_count(value):
        raise UsageError(
            f"{name} is {value!r}; it is a positive number",
            hint=f"--{name.replace('_', '-')} {example}",
        )


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
        if not _is_count(self.batch_size):
            raise UsageError(f"batch_size is {self.batch_size!r}; it is a positive number of rows")
