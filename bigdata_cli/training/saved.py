"""A trained model as one file: Keras' own archive, with a member of ours that says what it reads.

The archive is what `keras.saving.save_model` writes, and Keras loads it as it is. The member
`bigdata.json` holds the features with their normalisation, the label, the columns of both with
their vocabularies, and the state of the training.

A model from elsewhere is untrusted. The archive may have no other members than Keras' and ours,
none of them compressed, and its `config.json` names no class but those of layers that hold nothing
but numbers; only then Keras gets it, in its safe mode.
"""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from bigdata_cli.dataset import Dataset
from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.io.whole_file import whole_file
from bigdata_cli.loaders.tensorflow import import_tensorflow
from bigdata_cli.strict_json import JsonError
from bigdata_cli.training.archive import BIGDATA_MEMBER, ArchiveError, check_config, read_archive
from bigdata_cli.training.backends import (
    BACKENDS,
    choose_backend,
    import_framework,
    import_keras,
)
from bigdata_cli.training.encoding import ExampleEncoder
from bigdata_cli.training.examples import Examples
from bigdata_cli.training.features import FeaturePlan
from bigdata_cli.training.model_json import from_json, to_json
from bigdata_cli.training.target import Target
from bigdata_cli.types.dtype import Schema

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
    import keras

    backend = keras.backend.backend()
    text = to_json(model.features, model.target, model.schema, dict(model.state), backend)
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
        document = from_json(read_archive(path))
    except (ArchiveError, JsonError, UsageError) as error:
        raise DataError(f"{path} is not a model that bigdata can load: {error}") from error
    features, target = document.features, document.label()
    keras = _keras_for(backend, document.backend)
    try:
        keras_model = keras.saving.load_model(path, safe_mode=True)
        _check_shapes(keras_model, features, target)
    except (MemoryError, KeyboardInterrupt):
        raise
    except Exception as error:  # what a damaged archive makes of Keras is not foreseen
        raise DataError(f"{path} is damaged: Keras cannot load it: {_first_line(error)}") from error
    return TrainedModel(
        keras_model=keras_model,
        features=features,
        target=target,
        schema=document.schema(),
        state=document.state,
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
