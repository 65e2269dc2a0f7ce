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
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import UNSET

from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.io.whole_file import whole_file
from bigdata_cli.loaders.base import ColumnsOfRows
from bigdata_cli.loaders.examples import Examples, FeatureEncoder
from bigdata_cli.loaders.features import FeaturePlan
from bigdata_cli.loaders.target import Target
from bigdata_cli.loaders.tensorflow import import_tensorflow
from bigdata_cli.strict_json import JsonError
from bigdata_cli.training.archive import BIGDATA_MEMBER, ArchiveError, check_config, read_archive
from bigdata_cli.training.backends.base import PREDICT_ROWS
from bigdata_cli.training.backends.registry import (
    choose_backend,
    import_framework,
    import_keras,
    is_installed,
)
from bigdata_cli.training.device_options import BACKENDS
from bigdata_cli.training.model_json import from_json, to_json
from bigdata_cli.transforms.preprocessing import Preprocessing
from bigdata_cli.types.dtype import Schema

MODEL_SUFFIX = ".keras"
MIN_PREDICT_ROWS = 256


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """A Keras model and what it reads.

    Attributes:
        keras_model: Takes the float32 (rows, features.width) and int32 (rows, codes) of `Examples`,
            without the one that has no columns, and gives logits, or the standardised label,
            (rows, len(target.start)). The state of its optimizer is saved, too.
        features: The features.
        target: The target.
        schema: The columns of both, as the training dataset has them.
        state: Plain JSON of the training, such as the epoch.
        preprocessing: How the rows of the training dataset were made; None where it is not known.
    """

    keras_model: Any
    features: FeaturePlan
    target: Target
    schema: Schema
    state: Mapping[str, Any] = field(default_factory=dict)
    preprocessing: Preprocessing | None = None

    @property
    def backend(self) -> str:
        """What Keras runs on."""
        import keras

        return str(keras.backend.backend())

    def encoder(self, dataset: ColumnsOfRows) -> FeatureEncoder:
        """Return what makes examples for this model of a dataset's batches.

        Raises:
            UsageError: A column is missing or of another kind.
        """
        return FeatureEncoder(dataset, self.features, self.target, self.schema)

    def predict(self, examples: Examples) -> np.ndarray:
        """Return the logits of examples, or the standardised label: float64 (rows, outputs)."""
        return predict_examples(self.keras_model, examples)


def predict_examples(network: Any, examples: Examples) -> np.ndarray:
    """Return the outputs of a network, PREDICT_ROWS at a time: float64 (rows, outputs)."""
    found = np.empty((len(examples), network.outputs[0].shape[-1]))
    for first in range(0, len(examples), PREDICT_ROWS):
        n_rows = min(PREDICT_ROWS, len(examples) - first)
        # A backend compiles for each number of rows: padded to a power of two, there are few.
        n_padded = 1 << max(MIN_PREDICT_ROWS.bit_length() - 1, (n_rows - 1).bit_length())
        rows = np.r_[np.arange(first, first + n_rows), np.zeros(n_padded - n_rows, np.intp)]
        outputs = network.predict_on_batch(_inputs(examples.take(rows)))
        found[first : first + n_rows] = outputs[:n_rows]
    return found


def _inputs(examples: Examples) -> list[np.ndarray]:
    """Return the inputs of a network: an array without columns is left out."""
    return [array for array in (examples.dense, examples.codes) if array.shape[1]]


def save_model(path: str | Path, model: TrainedModel) -> None:
    """Write a model as one `.keras` file, as a whole or not at all.

    Raises:
        UsageError: The name does not end with .keras, or there is no such folder.
    """
    path = Path(path)
    check_new_model(path)
    import keras

    backend = keras.backend.backend()
    text = to_json(
        model.features,
        model.target,
        model.schema,
        dict(model.state),
        model.preprocessing,
        backend,
    )
    with whole_file(path) as partial:
        keras.saving.save_model(model.keras_model, partial)
        with zipfile.ZipFile(partial, "a") as archive:
            check_config(archive)  # what would not be loaded is not saved
            archive.writestr(BIGDATA_MEMBER, text)


def check_new_model(path: Path) -> None:
    """Raise UsageError where a path is not one of a model, or its folder does not exist."""
    if path.suffix != MODEL_SUFFIX:
        raise UsageError(
            f"--save: {path} is not a {MODEL_SUFFIX} file",
            hint=f"--save {path.with_suffix(MODEL_SUFFIX)}",
        )
    if not path.parent.is_dir():
        raise UsageError(
            f"--save: there is no folder {path.parent}", hint=f"mkdir -p '{path.parent}'"
        )


def load_model(path: str | Path, *, backend: str | None = None) -> TrainedModel:
    """Load a model that `save_model` wrote, on any backend of Keras.

    Args:
        path: The file.
        backend: "tensorflow", "torch" or "jax"; None for the one that Keras already runs on, else
            the one that the model was trained on.

    Raises:
        UsageError: There is no such model, or Keras runs on another backend.
        DataError: The file is damaged, holds what a model does not, or is of a newer version.
    """
    path = Path(path)
    _check_path(path)
    try:
        document = from_json(read_archive(path))
    except (ArchiveError, JsonError, UsageError) as error:
        raise DataError(f"{path} is not a model that bigdata can load: {error}") from error
    if document.backend not in BACKENDS:
        raise DataError(f"{path} is damaged: it says to be a model of {document.backend}")
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
        preprocessing=None if document.preprocessing is UNSET else document.preprocessing,
    )


def _keras_for(backend: str | None, trained_on: str) -> Any:
    """Import Keras on a backend: that given, the one that runs, the model's, or any other."""
    runs = "keras" in sys.modules or os.environ.get("KERAS_BACKEND") in BACKENDS
    preferred = trained_on if is_installed(trained_on) and not runs else None
    chosen = choose_backend(backend or preferred)
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
    expected = [array.shape[1] for array in _inputs(rows)]
    found = [tensor.shape[-1] for tensor in keras_model.inputs]
    if found != expected:
        raise ValueError(f"the network takes inputs of {found} columns, its features {expected}")
    logits = keras_model(_inputs(rows), training=False)
    if tuple(logits.shape) != (2, len(target.start)):
        raise ValueError(f"the network gives {tuple(logits.shape)[1:]} numbers for a row")
