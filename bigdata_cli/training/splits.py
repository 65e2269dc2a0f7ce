"""Which splits of a dataset a training learns from and is measured on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bigdata_cli.dataset import Dataset
from bigdata_cli.errors import UsageError
from bigdata_cli.training.options import TrainOptions

_DEFAULT = "train"


def training_split(dataset: Dataset, options: TrainOptions) -> tuple[Dataset, TrainOptions]:
    """Return what is learned from, and the options with the dataset that is measured on.

    Of a dataset with splits the one that is asked for, or "train", is learned from; without either
    all rows are. A dataset without splits is returned as it is.

    Raises:
        UsageError: There is no such split, or the model would be measured on what it learned from.
    """
    names = list(dataset.splits)
    name = options.train_on
    if name is None and _DEFAULT in names:
        name = _DEFAULT
    on = options.evaluate_on
    if isinstance(on, str | Path) and str(on) in names:
        if name is None or name == str(on):
            raise UsageError(
                f"--eval {on}: the model would learn from the rows that evaluate it",
                hint="--split NAME chooses the split to train on",
            )
        options = replace(options, evaluate_on=dataset.of_split(str(on)))
    return dataset if name is None else dataset.of_split(name), options
