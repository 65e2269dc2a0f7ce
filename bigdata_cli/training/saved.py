"""A trained model as one file: Keras' own archive, with a member of ours that says what it reads.

The archive is what `keras.saving.save_model` writes, and Keras loads it as it is. The member
`bigdata.json` holds the features with their normalisation, the label, the columns of both with
their vocabularies, and the state of the training.

A model from elsewhere is untrusted. The archive may have no other members than Keras' and ours,
none of them compressed, and its `config.json` names no class but those of layers that hold nothing
but numbers; only then Keras gets it, in its safe mode.
"""

from __future__ import annotations

import json
import os
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from bigdata_cli import __version__
from bigdata_cli.dataset import Dataset
from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.io.whole_file import whole_file
from bigdata_cli.json_fields import Field, JsonError, parse_json
from bigdata_cli.loaders.tensorflow import import_tensorflow
from bigdata_cli.manifest import schema_from_json, schema_to_json
from bigdata_cli.training.archive import BIGDATA_MEMBER, ArchiveError, check_config, read_archive
from bigdata_cli.training.backends import (
    BACKENDS,
    choose_backend,
    import_framework,
    import_keras,
)
from bigdata_cli.training.encoding import ExampleEncoder
from bigdata_cli.training.examples import Examples
from bigdata_cli.training.features import MAX_BUCKETS, CodeFeature, FeaturePlan, NumberFeature
from bigdata_cli.training.target import Target, Task
from bigdata_cli.types.dtype import Kind, Schema

MODEL_VERSION = 1
MODEL_SUFFIX = ".keras"
PREDICT_ROWS = 8192
"""Rows that a model is given at a time: what lies between its layers is of so many."""
FEWEST_ROWS = 256


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """A Keras model and what it reads.

    keras_model: takes the float32 (rows, features.width) and int32 (rows, codes) of `Examples`,
    without the one that has no columns, and gives logits, or the standardised label, of shape
    (rows, len(target.start)). An optimizer that it is compiled with is saved with its state.
    schema: the columns that the features and the label are made of, as the dataset that the model
    was trained on has them. state: plain JSON of the training, such as the epoch.
    """

    keras_model: Any
    features: FeaturePlan
    target: Target
    schema: Schema
    state: Mapping[str, Any] = field(default_factory=dict)

    def check(self, dataset: Dataset) -> ExampleEncoder:
        """What makes examples for this model of a dataset's batches.

        Raises UsageError where a column is missing or of another kind.
        """
        return ExampleEncoder(dataset, self.features, self.target, self.schema)

    def predict(self, examples: Examples) -> np.ndarray:
        """The logits of examples, or the standardised label: float64 (rows, outputs)."""
        return predict_rows(self.keras_model, self.features, examples)


def predict_rows(network: Any, features: FeaturePlan, examples: Examples) -> np.ndarray:
    """What a network gives for examples, in portions of PREDICT_ROWS: float64 (rows, outputs)."""
    found = np.empty((len(examples), network.outputs[0].shape[-1]))
    for first in range(0, len(examples), PREDICT_ROWS):
        piece = examples.take(slice(first, first + PREDICT_ROWS))
        # A backend compiles for each number of rows: there are few, as they are filled up.
        padded = piece.take(_padded(len(piece)))
        outputs = network.predict_on_batch(model_inputs(features, padded.dense, padded.codes))
        found[first : first + len(piece)] = outputs[: len(piece)]
    return found


def _padded(n_rows: int) -> np.ndarray:
    """The places of so many rows, the first one again until they are a power of two."""
    most = 1 << max(FEWEST_ROWS.bit_length() - 1, (n_rows - 1).bit_length())
    return np.r_[np.arange(n_rows), np.zeros(most - n_rows, np.intp)]


def model_inputs(features: FeaturePlan, dense: np.ndarray, codes: np.ndarray) -> list[np.ndarray]:
    """What of dense and codes the model takes: an array without columns is left out."""
    return [array for array, has in ((dense, features.width), (codes, features.codes)) if has]


def save_model(path: str | Path, model: TrainedModel) -> None:
    """Write a model as one `.keras` file, which is there as a whole or not at all.

    Raises UsageError where the name does not end with .keras or the folder is not there.
    """
    path = Path(path)
    if path.suffix != MODEL_SUFFIX:
        raise UsageError(
            f"{path}: a model is a {MODEL_SUFFIX} file",
            hint=f"--save {path.with_suffix(MODEL_SUFFIX)}",
        )
    if not path.parent.is_dir():
        raise UsageError(f"{path}: the folder {path.parent} is not there", hint="make it before")
    text = json.dumps(_to_json(model), ensure_ascii=False, allow_nan=False)
    import keras

    with whole_file(path) as partial:
        keras.saving.save_model(model.keras_model, partial)
        with zipfile.ZipFile(partial, "a") as archive:
            check_config(archive)  # what would not be loaded is not saved
            archive.writestr(BIGDATA_MEMBER, text)


def load_model(path: str | Path, *, backend: str | None = None) -> TrainedModel:
    """A model that `save_model` wrote, on any backend of Keras.

    backend: "tensorflow", "torch" or "jax"; None for the one that Keras already runs on, else the
    one that the model was trained on. Raises UsageError where there is no such file, it is not a
    model of ours, or Keras runs on another backend; DataError where it is damaged, holds what such
    a model does not, or is from a newer version.
    """
    path = Path(path)
    _check_path(path)
    try:
        document = read_archive(path)
        described = _from_json(parse_json(document))
    except (ArchiveError, JsonError, UsageError) as error:
        raise DataError(f"{path} is not a model that bigdata can load: {error}") from error
    features, target, schema, state, trained_on = described
    keras = _keras_for(backend, trained_on)
    try:
        keras_model = keras.saving.load_model(path, safe_mode=True)
        _check_shapes(keras_model, features, target)
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception as error:  # what a damaged archive makes of Keras is not foreseen
        raise DataError(f"{path} is damaged: Keras cannot load it: {_first_line(error)}") from error
    return TrainedModel(
        keras_model=keras_model, features=features, target=target, schema=schema, state=state
    )


def _keras_for(backend: str | None, trained_on: str) -> Any:
    """Keras on the backend that is asked for, else the one that runs, else the model's.

    Where that is not installed, any other does as well.
    """
    runs = "keras" in sys.modules or os.environ.get("KERAS_BACKEND") in BACKENDS
    is_there = trained_on in sys.modules or find_spec(trained_on) is not None
    chosen = choose_backend(backend or (trained_on if is_there and not runs else None))
    if chosen == "tensorflow":
        import_tensorflow(purpose="this model")  # without its messages
    else:
        import_framework(chosen)
    return import_keras(chosen)


def _check_path(path: Path) -> None:
    if not path.exists():
        raise UsageError(f"{path} does not exist", hint="bigdata train DATASET --save model.keras")
    if not path.is_file() or path.suffix != MODEL_SUFFIX:
        raise UsageError(
            f"{path} is not a model: those are {MODEL_SUFFIX} files",
            hint="bigdata train DATASET --save model.keras",
        )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__


def _check_shapes(keras_model: Any, features: FeaturePlan, target: Target) -> None:
    """Raise ValueError where the network does not take these features or give this label."""
    rows = Examples(
        np.zeros((2, features.width), np.float32),
        np.array([[-1] * len(features.codes), [f.n_values - 1 for f in features.codes]], np.int32),
        np.zeros(2, np.float32),
    )
    expected = [array.shape[1] for array in model_inputs(features, rows.dense, rows.codes)]
    found = [tensor.shape[-1] for tensor in keras_model.inputs]
    if found != expected:
        raise ValueError(f"the network takes inputs of {found} columns, its features {expected}")
    logits = keras_model(model_inputs(features, rows.dense, rows.codes), training=False)
    if tuple(logits.shape) != (2, len(target.start)):
        raise ValueError(f"the network gives {tuple(logits.shape)[1:]} numbers for a row")


def _to_json(model: TrainedModel) -> dict[str, Any]:
    import keras

    features, target = model.features, model.target
    return {
        "model_version": MODEL_VERSION,
        "tool_version": __version__,
        "backend": keras.backend.backend(),
        "features": {
            "numbers": [vars(feature) for feature in features.numbers],
            "codes": [vars(feature) for feature in features.codes],
            "notes": list(features.notes),
        },
        "target": {
            "column": target.column.name,
            "task": str(target.task),
            "n_classes": target.n_classes,
            "center": target.center,
            "scale": target.scale,
            "start": list(target.start),
        },
        "columns": schema_to_json(model.schema),
        "state": dict(model.state),
    }


def _from_json(
    document: Field,
) -> tuple[FeaturePlan, Target, Schema, Mapping[str, Any], str]:
    """Features, target, schema, state and backend of a model; JsonError where they are wrong."""
    version = document.field("model_version").count()
    if version != MODEL_VERSION:
        newer = (
            " by a newer bigdata (pip install -U bigdata-cli)" if version > MODEL_VERSION else ""
        )
        raise JsonError(f"it was written{newer} as version {version}, not {MODEL_VERSION}")
    schema = schema_from_json(document.field("columns").value)
    features = _features(document.field("features"), schema)
    target = _target(document.field("target"), schema)
    state = {key: entry.value for key, entry in document.field("state").entries()}
    backend = document.field("backend").one_of("tensorflow", "torch", "jax")
    return features, target, schema, state, backend


def _features(entry: Field, schema: Schema) -> FeaturePlan:
    numbers = tuple(
        NumberFeature(
            name=_column(number.field("name"), schema),
            center=float(number.field("center").number()),
            scale=_scale(number.field("scale")),
            has_nulls=number.field("has_nulls").truth(),
        )
        for number in entry.field("numbers").items()
    )
    codes = tuple(_code(code, schema) for code in entry.field("codes").items())
    if not numbers and not codes:
        raise entry.wrong("the features of a model")
    return FeaturePlan(numbers=numbers, codes=codes, notes=entry.field("notes").texts())


def _code(entry: Field, schema: Schema) -> CodeFeature:
    name = _column(entry.field("name"), schema)
    n_values = entry.field("n_values")
    if entry.field("hashed").truth():
        if not 2 <= n_values.count() <= MAX_BUCKETS:
            raise n_values.wrong("a number of buckets")
        return CodeFeature(name=name, n_values=n_values.count(), hashed=True)
    if schema[name].kind is not Kind.CATEGORY or schema[name].n_values != n_values.count():
        raise n_values.wrong(f'as long as the vocabulary of column "{name}"')
    return CodeFeature(name=name, n_values=n_values.count())


def _target(entry: Field, schema: Schema) -> Target:
    task = Task(entry.field("task").one_of(*Task))
    start, n_classes = entry.field("start"), entry.field("n_classes")
    outputs = n_classes.count() if task is Task.CLASSES else 1
    if len(start.items()) != outputs or (task is Task.BINARY and n_classes.count() != 2):
        raise start.wrong(f"one number for each output of a {task} model")
    return Target(
        column=schema[_column(entry.field("column"), schema)],
        task=task,
        n_classes=n_classes.count(),
        center=float(entry.field("center").number()),
        scale=_scale(entry.field("scale")),
        start=tuple(float(number.number()) for number in start.items()),
    )


def _scale(entry: Field) -> float:
    if not entry.number() > 0:
        raise entry.wrong("a positive number")
    return float(entry.number())


def _column(name: Field, schema: Schema) -> str:
    if name.text() not in schema.names:
        raise name.wrong("the name of a column")
    return name.text()
