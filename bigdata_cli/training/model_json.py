"""The member `bigdata.json` of a saved model: what the network reads, and how it was trained."""

from __future__ import annotations

import json
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from bigdata_cli import DISTRIBUTION, __version__
from bigdata_cli.loaders.features import MAX_BUCKETS, FeaturePlan
from bigdata_cli.loaders.target import Target, Task
from bigdata_cli.strict_json import Count, JsonError, decode
from bigdata_cli.transforms.preprocessing import Preprocessing
from bigdata_cli.types.column_entry import ColumnEntry, column_entries, schema_of
from bigdata_cli.types.dtype import Column, Kind, Schema

MODEL_VERSION = 1


class _Version(msgspec.Struct):
    model_version: Count


class _Target(msgspec.Struct, frozen=True, kw_only=True):
    """A `Target`, whose column is in the schema."""

    column: str
    task: Task
    n_classes: Count
    center: float
    scale: float
    start: tuple[float, ...]

    def __post_init__(self) -> None:
        outputs = self.n_classes if self.task is Task.CLASSES else 1
        if len(self.start) != outputs or (self.task is Task.BINARY and self.n_classes != 2):
            raise ValueError(f"start has one number for each output of a {self.task} model")
        _check_scale(self.scale)


class ModelDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The member of a saved model.

    Attributes:
        backend: The backend that the model was trained on.
        features: The features that it reads.
        target: What it learned.
        columns: The columns of both, as the training dataset has them.
        state: Plain JSON of its training.
        preprocessing: How the rows of the training dataset were made; models that were saved before
            do not have it.
    """

    model_version: Count = MODEL_VERSION
    tool_version: str = __version__
    backend: Literal["tensorflow", "torch", "jax", "xgboost", "lightgbm"]
    features: FeaturePlan
    target: _Target
    columns: tuple[ColumnEntry, ...]
    state: dict[str, Any]
    preprocessing: Preprocessing | UnsetType = UNSET

    def __post_init__(self) -> None:
        columns = {column.name: column for column in self.schema()}
        features = self.features
        if not features.numbers and not features.codes:
            raise ValueError("features: the model has none")
        for name in (*features.column_names, self.target.column):
            if name not in columns:
                raise ValueError(f'"{name}" is not the name of a column')
        for number in features.numbers:
            _check_scale(number.scale)
        for code in features.codes:
            if code.hashed and not 2 <= code.n_values <= MAX_BUCKETS:
                raise ValueError(f'"{code.name}": {code.n_values} is not a number of buckets')
            if not code.hashed and not _has_codes(columns[code.name], code.n_values):
                raise ValueError(
                    f'"{code.name}": {code.n_values} values are not as many as in the vocabulary'
                )

    def schema(self) -> Schema:
        return schema_of(self.columns)

    def label(self) -> Target:
        """Return the target with its column."""
        values = msgspec.structs.asdict(self.target)
        return Target(**{**values, "column": self.schema()[self.target.column]})


def to_json(
    features: FeaturePlan,
    target: Target,
    schema: Schema,
    state: dict[str, Any],
    preprocessing: Preprocessing | None,
    backend: Any,
) -> str:
    """Return the text of the member."""
    document = ModelDocument(
        backend=backend,
        features=features,
        target=_Target(**{**vars(target), "column": target.column.name}),
        columns=column_entries(schema),
        state=state,
        preprocessing=UNSET if preprocessing is None else preprocessing,
    )
    return json.dumps(msgspec.to_builtins(document), ensure_ascii=False, allow_nan=False)


def from_json(data: bytes) -> ModelDocument:
    """Read the member of a model that is not trusted.

    Raises:
        JsonError: It is damaged or of another version.
        UsageError: Two columns have the same name.
    """
    version = decode(data, _Version).model_version
    if version != MODEL_VERSION:
        newer = f" by a newer bigdata (pip install -U {DISTRIBUTION})" * (version > MODEL_VERSION)
        raise JsonError(f"it was written{newer} as version {version}, not {MODEL_VERSION}")
    return decode(data, ModelDocument, check_keys=False)


def _has_codes(column: Column, n_values: int) -> bool:
    return column.kind is Kind.CATEGORY and column.n_values == n_values


def _check_scale(scale: float) -> None:
    if not scale > 0:
        raise ValueError(f"the scale {scale} is not positive")
