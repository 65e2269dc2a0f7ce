"""`--stats-from`: what steps need of all rows, taken from another dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from msgspec import UNSET, structs

from bigdata_cli.dataset.dataset import open_dataset
from bigdata_cli.dataset.manifest import Manifest
from bigdata_cli.errors import DataError, UsageError, did_you_mean
from bigdata_cli.strict_json import JsonError
from bigdata_cli.transforms.columns.bin import Bin
from bigdata_cli.transforms.columns.categories import Categories
from bigdata_cli.transforms.columns.fill import Fill
from bigdata_cli.transforms.columns.fill_forward import FillForward
from bigdata_cli.transforms.columns.flag_null import FlagNull
from bigdata_cli.transforms.columns.one_hot import OneHot
from bigdata_cli.transforms.columns.scale import Minmax, Standardize
from bigdata_cli.transforms.entry import read_entry
from bigdata_cli.transforms.step import ColumnStep
from bigdata_cli.transforms.steps import Steps
from bigdata_cli.types.dtype import Kind
from bigdata_cli.types.statistics import ColumnStatistics

Found = TypeVar("Found", bound=ColumnStep)
TRAINING = "train"


def training_split(names: Sequence[str]) -> str:
    """The split that models learn from: `train`, else the first one."""
    return TRAINING if TRAINING in names else names[0]


class KnownStatistics:
    """The statistics of a dataset, as steps of a conversion need them.

    A step takes what the same step of the dataset was fitted with, or the statistics of the column
    as it is stored there; in both cases the column must have gone through the same steps before.
    Where the dataset has splits, statistics are those of the one for training.
    """

    def __init__(self, path: Path) -> None:
        dataset = open_dataset(path)
        self._path = path
        self._manifest: Manifest = dataset.manifest
        if self._manifest.splits:
            names = [split.name for split in self._manifest.splits]
            self._manifest = self._manifest.of_split(training_split(names))
        self._steps: Steps = ()
        if self._manifest.transforms:
            try:
                self._steps = read_entry(self._manifest.transforms).steps
            except JsonError as error:
                raise DataError(
                    f"{dataset.manifest_path} does not say how its rows were made: {error}"
                ) from error

    def fill(self, column: str, statistic: str, before: Sequence[ColumnStep]) -> Fill:
        """The step that fills nulls; raises UsageError where the dataset does not know with what.

        Args:
            column: Its name.
            statistic: mean, median or mode.
            before: The steps on the column before this one.
        """
        found = self._step(Fill, column, before, lambda step: step.statistic == statistic)
        if found is not None:
            return found
        need = f"--fill {column}={statistic}"
        if statistic != "mean":
            raise self._missing(need, column, f"its {statistic}", before, is_kept=False)
        mean = self._stored(need, column, "its mean", before).mean
        if mean is None:
            raise self._missing(need, column, "its mean", before)
        return Fill(column=column, value=mean, statistic="mean")

    def bin(self, column: str, n_bins: int, before: Sequence[ColumnStep]) -> Bin:
        """The step that makes bins of equal size; see `fill`."""
        found = self._step(Bin, column, before, lambda step: step.quantiles == n_bins)
        if found is None:
            need = f"--bin {column}=quantiles:{n_bins}"
            raise self._missing(need, column, f"its {n_bins} quantiles", before, is_kept=False)
        return found

    def standardize(self, column: str, before: Sequence[ColumnStep]) -> Standardize:
        """The step with mean and standard deviation; see `fill`."""
        found = self._step(Standardize, column, before)
        if found is not None:
            return found
        need, what = f"--standardize {column}", "its mean and deviation"
        known = self._stored(need, column, what, before)
        if known.mean is None or known.std is None:
            raise self._missing(need, column, what, before)
        return Standardize(column=column, mean=known.mean, std=known.std)

    def minmax(self, column: str, before: Sequence[ColumnStep]) -> Minmax:
        """The step with minimum and maximum; see `fill`."""
        found = self._step(Minmax, column, before)
        if found is not None:
            return found
        need, what = f"--minmax {column}", "its minimum and maximum"
        known = self._stored(need, column, what, before)
        low, high = known.minimum, known.maximum
        if not isinstance(low, int | float) or not isinstance(high, int | float):
            raise self._missing(need, column, what, before)
        return Minmax(column=column, minimum=float(low), maximum=float(high))

    def one_hot(self, column: str, before: Sequence[ColumnStep]) -> OneHot:
        """The step with the values of a category; see `fill`."""
        found = self._step(OneHot, column, before)
        if found is not None:
            return found
        need = f"--one-hot {column}"
        self._stored(need, column, "its values", before)
        known = self._manifest.schema[column]
        if known.kind is Kind.BOOL:
            return OneHot(column=column, values=("false", "true"))
        if not known.vocabulary:
            raise self._missing(need, column, "its values", before)
        return OneHot(column=column, values=known.vocabulary)

    def _step(
        self,
        kind: type[Found],
        column: str,
        before: Sequence[ColumnStep],
        fits: Callable[[Found], bool] = lambda step: True,
    ) -> Found | None:
        """The step of this kind that the dataset has, where the column came to it in this way."""
        own = self._on(column)
        for place, step in enumerate(own):
            if isinstance(step, kind) and fits(step) and _same(own[:place], before):
                return step
        return None

    def _stored(
        self, need: str, column: str, what: str, before: Sequence[ColumnStep]
    ) -> ColumnStatistics:
        """The statistics of a column of the dataset, where such values come to the step."""
        if column not in self._manifest.schema.names or not _same(self._on(column), before):
            raise self._missing(need, column, what, before)
        return self._manifest.statistics.get(column, ColumnStatistics())

    def _on(self, column: str) -> list[ColumnStep]:
        return [
            step for step in self._steps if isinstance(step, ColumnStep) and step.column == column
        ]

    def _missing(
        self,
        need: str,
        column: str,
        what: str,
        before: Sequence[ColumnStep],
        *,
        is_kept: bool = True,
    ) -> UsageError:
        names = self._manifest.schema.names
        if column not in names and not self._on(column):
            return UsageError(
                f'--stats-from {self._path}: it has no column "{column}", of which {need} needs '
                f"{what}",
                hint=did_you_mean(column, names),
            )
        options = ", ".join(dict.fromkeys(step.option for step in before))
        after = f" after {options}" if before else ""
        return UsageError(
            f'--stats-from {self._path}: {need} needs {what}{after}, which it does not have of "'
            f'{column}"',
            hint="a dataset has the mean, deviation, minimum, maximum and categories of its "
            "columns as they are stored, and what its own steps were fitted with"
            if is_kept
            else f"only a dataset that was made with {need} has it",
        )


def _same(own: Sequence[ColumnStep], before: Sequence[ColumnStep]) -> bool:
    return [_plain(step) for step in own if _changes(step)] == [
        _plain(step) for step in before if _changes(step)
    ]


def _changes(step: ColumnStep) -> bool:
    """Whether the values that a column has are others after the step."""
    return not isinstance(step, FlagNull | Categories)


def _plain(step: ColumnStep) -> ColumnStep:
    """The step without what tells where its values come from."""
    if isinstance(step, Fill):
        return Fill(column=step.column, value=step.value)
    if isinstance(step, FillForward):
        return FillForward(column=step.column, dtype="", filled=0, leading=0, digest=None)
    return structs.replace(step, quantiles=UNSET) if isinstance(step, Bin) else step
