"""A trained forest of boosted trees as one file: the library's own form, with what it reads.

A `.trees` file is a zip archive of `bigdata.json`, as in a `.keras` file, and of the booster, as
XGBoost and LightGBM write it. The archive is checked for damage; but the libraries do not defend
themselves against a booster that was made to harm: only what one trusts should be loaded.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import UNSET

from bigdata_cli.errors import DataError, MissingDependencyError, UsageError
from bigdata_cli.io.whole_file import whole_file
from bigdata_cli.loaders.base import ColumnsOfRows
from bigdata_cli.loaders.examples import Examples, FeatureEncoder
from bigdata_cli.loaders.features import FeaturePlan
from bigdata_cli.loaders.target import Target
from bigdata_cli.strict_json import JsonError
from bigdata_cli.training.archive import BIGDATA_MEMBER
from bigdata_cli.training.model_json import from_json, to_json
from bigdata_cli.transforms.preprocessing import Preprocessing
from bigdata_cli.types.dtype import Schema

TREES_SUFFIX = ".trees"
LIBRARIES = ("xgboost", "lightgbm")
_BOOSTER_MEMBERS = {"xgboost": "booster.ubj", "lightgbm": "booster.txt"}
_MAX_JSON_BYTES = 1 << 29
_MAX_BOOSTER_BYTES = 1 << 33


@dataclass(frozen=True, kw_only=True)
class TreeModel:
    """Boosted trees and what they read.

    Attributes:
        booster: An `xgboost.Booster` or a `lightgbm.Booster`.
        backend: Which of the two.
        features: The features, numbers as they are.
        target: The target.
        schema: The columns of both, as the training dataset has them.
        state: Plain JSON of the training.
        preprocessing: How the rows of the training dataset were made; None where it is not known.
    """

    booster: Any
    backend: str
    features: FeaturePlan
    target: Target
    schema: Schema
    state: Mapping[str, Any] = field(default_factory=dict)
    preprocessing: Preprocessing | None = None

    def encoder(self, dataset: ColumnsOfRows) -> FeatureEncoder:
        """Return what makes examples for this model of a dataset's batches.

        Raises:
            UsageError: A column is missing or of another kind.
        """
        return FeatureEncoder(dataset, self.features, self.target, self.schema)

    def predict(self, examples: Examples) -> np.ndarray:
        """Return the logits of examples, or the standardised label: float64 (rows, outputs)."""
        return predict_margins(self.booster, self.backend, examples)


def predict_margins(booster: Any, backend: str, examples: Examples) -> np.ndarray:
    """Return the raw scores of a booster: float64 (rows, outputs)."""
    X = tree_matrix(examples)
    if backend == "xgboost":
        margins = booster.inplace_predict(X, predict_type="margin")
    else:
        margins = booster.predict(X, raw_score=True)
    return np.asarray(margins, np.float64).reshape(len(examples), -1)


def tree_matrix(examples: Examples) -> np.ndarray:
    """Return the features as trees take them: float32 (rows, features), NaN for null."""
    if not examples.codes.shape[1]:
        return examples.dense
    codes = examples.codes.astype(np.float32)
    codes[examples.codes < 0] = np.nan
    return np.concatenate([examples.dense, codes], axis=1)


def save_trees(path: Path, model: TreeModel) -> None:
    """Write a model as one file, as a whole or not at all."""
    booster = _booster_bytes(model)
    state = {"training": dict(model.state), "sha256": hashlib.sha256(booster).hexdigest()}
    text = to_json(
        model.features, model.target, model.schema, state, model.preprocessing, model.backend
    )
    with whole_file(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        archive.writestr(BIGDATA_MEMBER, text)
        archive.writestr(_BOOSTER_MEMBERS[model.backend], booster)


def check_new_trees(path: Path) -> None:
    """Raise UsageError where a path is not one of trees, or its folder does not exist."""
    if path.suffix != TREES_SUFFIX:
        raise UsageError(
            f"--save: {path} is not a {TREES_SUFFIX} file, as trees are saved in",
            hint=f"--save {path.with_suffix(TREES_SUFFIX)}",
        )
    if not path.parent.is_dir():
        raise UsageError(
            f"--save: there is no folder {path.parent}", hint=f"mkdir -p '{path.parent}'"
        )


def load_trees(path: Path) -> TreeModel:
    """Load a model that `save_trees` wrote.

    Raises:
        DataError: The file is damaged or of a newer version.
        MissingDependencyError: Its library is not installed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            document = from_json(_member(archive, BIGDATA_MEMBER, _MAX_JSON_BYTES))
            if document.backend not in LIBRARIES:
                raise JsonError(f"it is a model of {document.backend}, not of trees")
            member = _BOOSTER_MEMBERS[document.backend]
            booster = _member(archive, member, _MAX_BOOSTER_BYTES)
    except (JsonError, UsageError, zipfile.BadZipFile, OSError, KeyError, EOFError) as error:
        raise DataError(f"{path} is not a model that bigdata can load: {error}") from error
    if hashlib.sha256(booster).hexdigest() != document.state.get("sha256"):
        raise DataError(f"{path} is damaged: its {member} is not what was written")
    return TreeModel(
        booster=load_booster(document.backend, booster),
        backend=document.backend,
        features=document.features,
        target=document.label(),
        schema=document.schema(),
        state=document.state.get("training", {}),
        preprocessing=None if document.preprocessing is UNSET else document.preprocessing,
    )


def _member(archive: zipfile.ZipFile, name: str, max_bytes: int) -> bytes:
    info = archive.getinfo(name)
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > max_bytes:
        raise zipfile.BadZipFile(f"its {name} is compressed, or has {info.file_size:,} bytes")
    return archive.read(name)


def _booster_bytes(model: TreeModel) -> bytes:
    if model.backend == "xgboost":
        return bytes(model.booster.save_raw("ubj"))
    return str(model.booster.model_to_string()).encode()


def load_booster(backend: str, data: bytes) -> Any:
    """Return the booster of a library that was written as these bytes."""
    try:
        if backend == "xgboost":
            import xgboost

            booster = xgboost.Booster()
            booster.load_model(bytearray(data))
            return booster
        import lightgbm

        return lightgbm.Booster(model_str=data.decode())
    except ModuleNotFoundError as error:
        raise MissingDependencyError.for_extra(backend, "trees", purpose="this model") from error


def n_trees(booster: Any, backend: str) -> int:
    """Return the rounds of boosting; classes have a tree of each in a round."""
    return booster.num_boosted_rounds() if backend == "xgboost" else booster.current_iteration()
