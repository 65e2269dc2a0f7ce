"""The checkpoint: the file that a training saves after every epoch, and resumes from."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import msgspec

from bigdata_cli.dataset import Dataset
from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.loaders.features import FeaturePlan
from bigdata_cli.loaders.target import Target
from bigdata_cli.strict_json import Count, JsonError, convert
from bigdata_cli.training.course import Position
from bigdata_cli.training.model import set_dropout_steps
from bigdata_cli.training.options import TrainOptions
from bigdata_cli.training.saved import TrainedModel, check_new_model, load_model, save_model
from bigdata_cli.training.tree_model import TreeModel, check_new_trees, load_trees, save_trees
from bigdata_cli.transforms.preprocessing import Preprocessing
from bigdata_cli.types.dtype import Schema


class _State(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of a training; a resumed one has the same options and `_fingerprint`."""

    epochs: Count
    steps: Count
    windows: Count = 0
    best_value: float | None = None
    options: dict[str, Any]
    dataset: str


class Checkpoint(ABC):
    """Saves a model with the progress of its training, and loads it again.

    The file is written whole or not at all, with the state of the optimizer. The state of dropout
    follows from the number of steps, and the order of the rows from the seed and the epoch; so the
    state of the stream is the epoch and the windows that were taken of it.
    """

    def __init__(
        self,
        path: Path,
        options: TrainOptions,
        dataset: Dataset,
        features: FeaturePlan,
        target: Target,
    ) -> None:
        self.path = path
        self.saved = Position()
        self._options = options
        self._features = features
        self._target = target
        names = (*features.column_names, target.column.name)
        self._schema = Schema(tuple(dataset.schema[name] for name in names))
        self._dataset = dataset

    def check(self) -> None:
        """Raise UsageError where the file cannot be written or may not be replaced."""
        path = self.path
        self._check_name()
        if path.is_dir():
            raise UsageError(f"--save: {path} is a folder")
        if path.exists() and not self._options.resume and not self._options.force:
            raise UsageError(
                f"--save: {path} exists", hint="--resume continues from it, --force replaces it"
            )

    @abstractmethod
    def _check_name(self) -> None:
        """Raise UsageError where a model of this kind cannot have such a name."""

    def _state(self, position: Position) -> dict[str, Any]:
        """Return what a model is saved with, as plain JSON."""
        state = _State(
            epochs=position.epochs,
            steps=position.steps,
            windows=position.windows,
            best_value=position.best_value,
            options=self._options.settled(),
            dataset=_fingerprint(self._dataset),
        )
        return msgspec.structs.asdict(state)

    def _position(self, model: TrainedModel | TreeModel) -> Position:
        """Return how far the training of a saved model is.

        Raises:
            UsageError: It was trained on other rows or with other options.
            DataError: The file is damaged.
        """
        try:
            state = convert(dict(model.state), _State)
        except JsonError as error:
            raise DataError(f"{self.path} does not say how it was trained: {error}") from error
        self._check_columns(model)
        self._check_options(state.options)
        if state.dataset != _fingerprint(self._dataset):
            raise UsageError(
                f"{self.path} was trained on other rows than those of {self._dataset.path}",
                hint="--force instead of --resume trains from the start",
            )
        if model.features != self._features or model.target != self._target:
            raise UsageError(
                f"{self.path} encodes the columns of {self._dataset.path} differently: another "
                "version of bigdata trained it",
                hint="--force instead of --resume trains from the start",
            )
        self.saved = Position(
            epochs=state.epochs,
            windows=state.windows,
            steps=state.steps,
            best_value=state.best_value,
        )
        return self.saved

    def _check_columns(self, model: TrainedModel | TreeModel) -> None:
        """Raise UsageError where the model reads other columns than this training would."""
        theirs = {column.name: column.dtype for column in model.schema}
        ours = {column.name: column.dtype for column in self._schema}
        label, wanted = model.target.column.name, self._target.column.name
        if label != wanted:
            problem = f'its label is "{label}", not "{wanted}"'
        elif theirs != ours:
            problem = "; ".join(
                f'column "{name}" is {ours.get(name, "not there")}, '
                f"and was {theirs.get(name, 'not there')}"
                for name in sorted({*theirs, *ours})
                if theirs.get(name) != ours.get(name)
            )
        else:
            return
        raise UsageError(
            f"{self.path} does not fit {self._dataset.path}: {problem}",
            hint="--force instead of --resume trains from the start",
        )

    def _check_options(self, before: dict[str, Any]) -> None:
        for name, value in self._options.settled().items():
            if before.get(name) != value:
                raise UsageError(
                    f"{self.path} was trained with --{name} {_shown(before.get(name))}, which is "
                    f"{_shown(value)} now",
                    hint="use the same options; --force instead of --resume trains from the start",
                )


class NetworkCheckpoint(Checkpoint):
    """The checkpoint of a network: a `.keras` file."""

    def _check_name(self) -> None:
        check_new_model(self.path)

    def save(self, network: Any, position: Position) -> None:
        """Write the model at a position."""
        model = TrainedModel(
            keras_model=network,
            features=self._features,
            target=self._target,
            schema=self._schema,
            state=self._state(position),
            preprocessing=preprocessing_of(self._dataset),
        )
        save_model(self.path, model)
        self.saved = position

    def load(self, *, backend: str, worker: int) -> tuple[Any, Position]:
        """Return the saved Keras model, and how far its training is; see `_position`."""
        model = load_model(self.path, backend=backend)
        position = self._position(model)
        if getattr(model.keras_model, "optimizer", None) is None:
            raise DataError(f"{self.path} has no optimizer state")
        set_dropout_steps(model.keras_model, position.steps, worker=worker)
        return model.keras_model, position


class TreeCheckpoint(Checkpoint):
    """The checkpoint of boosted trees: a `.trees` file. Its epochs are trees."""

    def _check_name(self) -> None:
        check_new_trees(self.path)

    def save(self, booster: Any, position: Position) -> None:
        """Write the trees that there are at a position."""
        model = TreeModel(
            booster=booster,
            backend=self._options.model,
            features=self._features,
            target=self._target,
            schema=self._schema,
            state=self._state(position),
            preprocessing=preprocessing_of(self._dataset),
        )
        save_trees(self.path, model)
        self.saved = position

    def load(self) -> tuple[Any, Position]:
        """Return the saved booster, and how far its training is; see `_position`."""
        model = load_trees(self.path)
        return model.booster, self._position(model)


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{key}={n}" for key, n in value.items()) or "none"
    if value is None or isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def preprocessing_of(dataset: Dataset) -> Preprocessing | None:
    """Return how the rows of a dataset were made; None where its manifest does not say it."""
    try:
        return Preprocessing.of(dataset.manifest)
    except JsonError:
        return None


def _fingerprint(dataset: Dataset) -> str:
    """Return a digest of the checksums of the files: other rows have another one."""
    digest = hashlib.sha256()
    for shard in dataset.shards:
        for file in shard.files:
            digest.update(file.checksum.encode())
    return digest.hexdigest()
