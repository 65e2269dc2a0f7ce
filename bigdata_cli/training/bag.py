"""A bag of models: each is trained on its own sample, and their predictions are averaged.

Breiman, "Bagging Predictors", Machine Learning 24 (1996); with samples that are drawn without
replacement and smaller than the data, as in Bühlmann and Yu, "Analyzing Bagging", Annals of
Statistics 30 (2002), which calls it subagging.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np

from bigdata_cli import __version__
from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.io.stores import open_store
from bigdata_cli.io.whole_file import write_whole_file
from bigdata_cli.loaders.base import ColumnsOfRows
from bigdata_cli.loaders.examples import Examples, FeatureEncoder
from bigdata_cli.loaders.features import FeaturePlan
from bigdata_cli.loaders.target import Target, Task
from bigdata_cli.strict_json import Count, JsonError, decode
from bigdata_cli.training.options import MAX_MEMBERS
from bigdata_cli.training.saved import (
    MODEL_SUFFIX,
    TrainedModel,
    load_model,
    predict_examples,
)
from bigdata_cli.training.tree_model import TREES_SUFFIX, TreeModel, load_trees
from bigdata_cli.transforms.preprocessing import Preprocessing
from bigdata_cli.types.dtype import Schema

BAG_NAME = "bag.json"
BAG_VERSION = 1
_MAX_BAG_BYTES = 1 << 20


class _Member(msgspec.Struct):
    name: str
    sha256: str


class _Bag(msgspec.Struct):
    """The file `bag.json`, as far as it is read."""

    bag_version: Count
    members: Annotated[tuple[_Member, ...], msgspec.Meta(min_length=1, max_length=MAX_MEMBERS)]


@dataclass(frozen=True, kw_only=True)
class Bag:
    """Models that were trained on samples of the same dataset."""

    members: tuple[TrainedModel | TreeModel, ...]

    @property
    def backend(self) -> str:
        return self.members[0].backend

    @property
    def features(self) -> FeaturePlan:
        return self.members[0].features

    @property
    def target(self) -> Target:
        return self.members[0].target

    @property
    def schema(self) -> Schema:
        return self.members[0].schema

    @property
    def preprocessing(self) -> Preprocessing | None:
        return self.members[0].preprocessing

    def encoder(self, dataset: ColumnsOfRows) -> FeatureEncoder:
        """Return what makes examples of a dataset's batches; see `TrainedModel.encoder`."""
        return self.members[0].encoder(dataset)

    def predict(self, examples: Examples) -> np.ndarray:
        """Return the logits of the mean probabilities, or the mean: float64 (rows, outputs)."""
        networks = [member for member in self.members if isinstance(member, TrainedModel)]
        if not networks:
            return average(self.target.task, [one.predict(examples) for one in self.members])
        outputs = predict_examples(self._network, examples)
        return average(self.target.task, np.split(outputs, len(self.members), axis=1))

    @cached_property
    def _network(self) -> Any:
        """All members as one network on the same inputs: one graph instead of many."""
        networks = [member for member in self.members if isinstance(member, TrainedModel)]
        if len(networks) == 1:
            return networks[0].keras_model
        import keras

        for place, member in enumerate(networks):
            member.keras_model.name = f"member_{place}"
        inputs = [
            keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=tensor.name)
            for tensor in networks[0].keras_model.inputs
        ]
        outputs = [member.keras_model(inputs) for member in networks]
        return keras.Model(inputs, keras.layers.Concatenate()(outputs))


def average(task: Task, logits: Sequence[np.ndarray]) -> np.ndarray:
    """Return the logits of the mean probabilities, or the mean of numbers: float64 (rows, outputs).

    >>> logit = average(Task.BINARY, [np.array([[0.0]]), np.array([[800.0]])])
    >>> round(float(1 / (1 + np.exp(-logit[0, 0]))), 9)
    0.75
    """
    if task is Task.REGRESSION:
        return np.mean(logits, axis=0)
    if task is Task.BINARY:
        # In logarithms, so that almost certain rows keep their order.
        yes = np.logaddexp.reduce([-np.logaddexp(0.0, -one) for one in logits])
        no = np.logaddexp.reduce([-np.logaddexp(0.0, one) for one in logits])
        return yes - no
    shares = [one - np.logaddexp.reduce(one, axis=1, keepdims=True) for one in logits]
    return np.logaddexp.reduce(shares) - np.log(len(logits))


def load_bag(folder: Path, *, backend: str | None = None) -> Bag:
    """Load the bag in a folder with all its members.

    Raises:
        UsageError: There is none, or it is not finished.
        DataError: It is damaged.
    """
    members: list[TrainedModel | TreeModel] = []
    for name, digest in _member_files(folder):
        path = folder / name
        if not path.is_file():
            raise DataError(f"{folder} is damaged: {name} is missing", hint=_again(folder))
        if _digest(path) != digest:
            raise DataError(
                f"{folder} is damaged: {name} is not what was written", hint=_again(folder)
            )
        member = _load_one(path, backend)
        if members and _what_is_read(member) != _what_is_read(members[0]):
            raise DataError(f"{folder} is damaged: {name} reads other columns than the first one")
        members.append(member)
    return Bag(members=tuple(members))


def load_predictor(
    path: str | Path, *, backend: str | None = None
) -> TrainedModel | TreeModel | Bag:
    """Load the model in a file or the bag in a folder; see `load_model` and `load_bag`."""
    path = Path(path)
    return load_bag(path, backend=backend) if path.is_dir() else _load_one(path, backend)


def _load_one(path: Path, backend: str | None) -> TrainedModel | TreeModel:
    if path.suffix != TREES_SUFFIX or not path.is_file():
        return load_model(path, backend=backend)
    if backend is not None:
        raise UsageError(
            f"--backend: {path} is trees, which do not run on Keras", hint="without --backend"
        )
    return load_trees(path)


def member_name(index: int, suffix: str = MODEL_SUFFIX) -> str:
    """Return the name of the file of a member.

    >>> member_name(3)
    'member-03.keras'
    """
    return f"member-{index:02d}{suffix}"


def write_bag(folder: Path, members: int, suffix: str, report: Mapping[str, Any]) -> None:
    """Finish a bag: write the checksums of its members and the report, plain JSON, for people."""
    names = [member_name(index, suffix) for index in range(members)]
    values = {
        "bag_version": BAG_VERSION,
        "tool_version": __version__,
        "members": [{"name": name, "sha256": _digest(folder / name)} for name in names],
        "report": dict(report),
    }
    write_whole_file(folder / BAG_NAME, json.dumps(values, indent=1, allow_nan=False) + "\n")


def _member_files(folder: Path) -> list[tuple[str, str]]:
    """Read the names and checksums of the members."""
    path = folder / BAG_NAME
    if not path.is_file():
        begun = sum(fnmatch(name, "member-*.*") for name in open_store(folder).names())
        raise UsageError(
            f"{folder} is not a bag: it has no {BAG_NAME}"
            + (f", as only {begun:,} of its members are trained" if begun else ""),
            hint=_again(folder) if begun else f"bigdata train DATASET --bag 10 --save {folder}",
        )
    try:
        if path.stat().st_size > _MAX_BAG_BYTES:
            raise JsonError(f"it has more than {_MAX_BAG_BYTES:,} bytes")
        bag = decode(path.read_bytes(), _Bag)
        if bag.bag_version != BAG_VERSION:
            raise JsonError(f"it is of version {bag.bag_version}, not {BAG_VERSION}")
        for index, member in enumerate(bag.members):
            # And no other: none leads out of the folder.
            if member.name not in (member_name(index), member_name(index, TREES_SUFFIX)):
                raise JsonError(f"members[{index}].name: it is not {member_name(index)}")
    except JsonError as error:
        raise DataError(f"{path} is damaged: {error}") from error
    return [(member.name, member.sha256) for member in bag.members]


def _what_is_read(model: TrainedModel | TreeModel) -> tuple[Any, ...]:
    return model.features, model.target, model.schema


def _again(folder: Path) -> str:
    return f"the same `bigdata train … --save {folder}` trains what is missing"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
