"""The variants that are compared: which commands each of them is, and in which order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fraud.features import LABEL
from benchmarks.fraud.measure import Stage

PREDICTIONS = "predictions.parquet"
"""What `bigdata predict` writes, in the place of scores."""

CONVERT = ("--to", "hdf5", "--label", LABEL, "--quiet")
MEMORY_LIMIT = ("--memory-limit", "240MB")
NETWORK = ("--hidden", "16,16,16", "--dropout", "0.25", "--epochs", "1")
TREES = ("--trees", "100")
UNUSED = "nameOrig,nameDest,isFlaggedFraud"


@dataclass(frozen=True, kw_only=True)
class Workplace:
    """The files to read, and the folder for all that is made of them.

    memory_limit: of conversions; none where kernels may have to be compiled, which takes more.
    """

    train_csv: Path
    test_csv: Path
    folder: Path
    memory_limit: tuple[str, ...] = MEMORY_LIMIT

    @property
    def train(self) -> Path:
        return self.folder / "train"

    @property
    def test(self) -> Path:
        return self.folder / "test"

    def scores(self, variant: str) -> Path:
        return self.folder / f"scores-{variant}"


@dataclass(frozen=True, kw_only=True)
class Variant:
    """A way from the files to scores of the test rows. needs: packages that may be missing."""

    name: str
    label: str
    stages: Callable[[Workplace], tuple[Stage, ...]]
    is_ours: bool = False
    needs: tuple[str, ...] = ("sklearn",)


def conversion(place: Workplace) -> tuple[Stage, ...]:
    """Both files as datasets, in float64: balance errors are differences of what is stored."""
    rest = ("--float", "64", "--drop", UNUSED, *CONVERT, *place.memory_limit)
    return tuple(
        Stage(
            name=f"convert {csv.stem}",
            commands=(("bigdata_cli", "convert", str(csv), "-o", str(output), *rest),),
        )
        for csv, output in ((place.train_csv, place.train), (place.test_csv, place.test))
    )


def derivation(place: Workplace) -> tuple[Stage, ...]:
    """The features of both files as datasets in float32: what `bigdata train` learns from."""
    rest = ("--float", "32", "--type", "step=uint16", *CONVERT, *place.memory_limit)
    return tuple(
        Stage(
            name=f"derive and convert {csv.stem}",
            commands=(
                ("benchmarks.fraud.derive", str(csv)),
                ("bigdata_cli", "convert", "-", "-o", f"{output}-features", *rest),
            ),
        )
        for csv, output in ((place.train_csv, place.train), (place.test_csv, place.test))
    )


def _trained(
    name: str, seed: int, *learning: str, suffix: str = ".keras"
) -> Callable[[Workplace], tuple[Stage, ...]]:
    """Nothing but commands of `bigdata`; learning: the options of the model."""

    def stages(place: Workplace) -> tuple[Stage, ...]:
        train, test = f"{place.train}-features", f"{place.test}-features"
        model = str(place.folder / f"{name}{suffix}")
        learn = ("bigdata_cli", "train", train, "--eval", test, "--save", model, *learning)
        scores = str(place.scores(name) / PREDICTIONS)
        ask = ("bigdata_cli", "predict", model, test, "-o", scores, "--columns", LABEL, "--quiet")
        return (
            *derivation(place),
            Stage(name="train", commands=((*learn, "--quiet", "--seed", str(seed)),)),
            Stage(name="predict", commands=(ask,)),
        )

    return stages


def _peer(name: str, seed: int) -> Callable[[Workplace], tuple[Stage, ...]]:
    def stages(place: Workplace) -> tuple[Stage, ...]:
        train, test = str(place.train_csv), str(place.test_csv)
        scores = str(place.scores(name))
        command = ("benchmarks.fraud.peers", name, train, test, scores, str(seed))
        return (Stage(name="train and test", commands=(command,)),)

    return stages


def _ours(name: str, seed: int) -> Callable[[Workplace], tuple[Stage, ...]]:
    def stages(place: Workplace) -> tuple[Stage, ...]:
        train, test, scores = str(place.train), str(place.test), str(place.scores(name))
        command = ("benchmarks.fraud.ours", name, train, test, scores, str(seed))
        return (*conversion(place), Stage(name="train and test", commands=(command,)))

    return stages


_DASK = ("dask", "sklearn")
VARIANTS = (
    Variant(name="naive", label="pandas, all in memory", stages=_peer("naive", 1)),
    Variant(name="sample", label="Dask, 5 % sample", stages=_peer("sample", 2), needs=_DASK),
    Variant(name="blocks", label="… tested in blocks", stages=_peer("blocks", 3), needs=_DASK),
    Variant(name="bagging", label="… bagging, 10 × 5 %", stages=_peer("bagging", 4), needs=_DASK),
    Variant(
        name="keras",
        label="Dask, Keras by partition",
        stages=_peer("keras", 50),
        needs=("dask", "keras", "tensorflow"),
    ),
    Variant(
        name="plain",
        label="bigdata train and predict",
        stages=_trained("plain", 55, *NETWORK),
        is_ours=True,
        needs=("keras", "tensorflow"),
    ),
    *(
        Variant(
            name=library,
            label=f"bigdata train --model {library}",
            stages=_trained(library, 55, "--model", library, *TREES, suffix=".trees"),
            is_ours=True,
            needs=(library,),
        )
        for library in ("xgboost", "lightgbm")
    ),
    Variant(
        name="bagged",
        label="bigdata, bagging, 5 × 5 %",
        stages=_ours("bagged", 60),
        is_ours=True,
    ),
    Variant(
        name="partial-fit",
        label="bigdata, partial_fit",
        stages=_ours("partial-fit", 70),
        is_ours=True,
    ),
)
