"""What a training is asked for, checked before any work."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bigdata_cli.dataset import Dataset
from bigdata_cli.errors import UsageError
from bigdata_cli.training.backends import DeviceOptions
from bigdata_cli.training.bagging import MOST_MEMBERS
from bigdata_cli.training.model import DROPOUT, HIDDEN_UNITS
from bigdata_cli.training.sampling import RowSample

BATCH_SIZE = 512
MAX_UNITS = 65_536


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """How to train.

    label: None for the dataset's. epochs: None for enough of them for about 2,000 steps.
    batch_size: rows of a step, of all devices. hidden: units of each hidden layer. hashed: buckets
    of text columns. balanced: every class counts alike. sample: the share of the rows to train on;
    evaluate_on: another dataset for the metric, in place of rows that are held out, or a slice of
    the rows to hold out, "[80%:]". save: the file
    that gets the model after every epoch; resume: go on from it; force: replace it. backend: None
    for what is installed. bag: so many models, each on a sample of its own, in a folder `save`.
    """

    label: str | None = None
    epochs: int | None = None
    batch_size: int = BATCH_SIZE
    seed: int = 0
    hidden: tuple[int, ...] = HIDDEN_UNITS
    dropout: float = DROPOUT
    hashed: Mapping[str, int] = field(default_factory=dict)
    balanced: bool = False
    sample: RowSample | None = None
    evaluate_on: str | Path | Dataset | None = None
    save: Path | None = None
    resume: bool = False
    force: bool = False
    backend: str | None = None
    devices: DeviceOptions = field(default_factory=DeviceOptions)
    bag: int | None = None

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

    def _check_bag(self, bag: int) -> None:
        if not 2 <= bag <= MOST_MEMBERS:
            raise UsageError(f"a bag of {bag} models; it has 2 to {MOST_MEMBERS}", hint="--bag 10")
        if self.sample is None:
            raise UsageError(
                "--bag trains each model on a sample of its own, and there is none",
                hint="--sample 0.05",
            )
        workers = "TF_CONFIG" in os.environ or os.environ.get("WORLD_SIZE", "1") != "1"
        strategy = self.devices.strategy
        if strategy == "multiworker" or (workers and strategy == "auto"):
            raise UsageError(
                "--bag trains one model after the other in one process, not with workers",
                hint="--strategy none",
            )

    @property
    def split(self) -> str | None:
        """The slice of the rows that is held out; None where it is others, or none."""
        text = "" if isinstance(self.evaluate_on, Dataset | None) else str(self.evaluate_on)
        is_slice = text.startswith("[") and text.endswith("]") and not Path(text).exists()
        return text if is_slice else None

    def settled(self) -> dict[str, Any]:
        """What a training may not change on its way, as plain JSON by the name of the option."""
        sample = self.sample
        return {
            "batch-size": self.batch_size,
            "seed": self.seed,
            "hidden": list(self.hidden),
            "dropout": self.dropout,
            "hash": dict(self.hashed),
            "balanced": self.balanced,
            "sample": None if sample is None else sample.share,
            "stratify": None if sample is None else sample.stratify,
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
