"""Small networks on TensorFlow for the tests of what is done with a trained model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from bigdata_cli.dataset import Dataset, open_dataset
from bigdata_cli.loaders.features import plan_features
from bigdata_cli.loaders.target import Task, plan_target
from bigdata_cli.training.saved import TrainedModel
from bigdata_cli.types.dtype import Schema

N_ROWS = 3001
LABELS = {
    "fraud": Task.BINARY,
    "kind": Task.CLASSES,
    "grade": Task.CLASSES,
    "price": Task.REGRESSION,
}


def example_table(n_rows: int = N_ROWS, *, seed: int = 0) -> pa.Table:
    """Rows with numbers, nulls, a small and a large category, and a label for each task."""
    random = np.random.default_rng(seed)
    x = random.normal(size=n_rows)
    kind = np.where(x > 0.8, "c", np.where(x > -0.5, "b", "a"))
    places = np.arange(n_rows) % 40
    return pa.table(
        {
            "id": np.arange(n_rows, dtype=np.int32),
            "x": pa.array(x.astype(np.float32), mask=random.random(n_rows) < 0.1),
            "place": pa.array([f"p{i:02d}" for i in places]).dictionary_encode(),
            "kind": pa.array(kind).dictionary_encode(),
            "grade": np.digitize(x, [-1, 0, 1]).astype(np.int8) + np.int8(5),
            "price": (100 + 20 * x + random.normal(size=n_rows)).astype(np.float64),
            "fraud": (x + random.normal(size=n_rows) > 1).astype(np.int8),
        }
    )


def network(
    dataset: Dataset, label: str, *, seed: int = 0, hashed: Mapping[str, int] | None = None
) -> TrainedModel:
    """An untrained network for a label, whose answers depend on every feature."""
    import keras

    target = plan_target(dataset, label)
    features = plan_features(dataset, label, hashed=hashed)
    inputs, parts = [], []
    if features.width:
        inputs.append(keras.Input((features.width,), dtype="float32", name="numbers"))
        parts.append(inputs[-1])
    if features.codes:
        codes = keras.Input((len(features.codes),), dtype="int32", name="codes")
        inputs.append(codes)
        for place, feature in enumerate(features.codes):
            parts.append(_encoded(codes[:, place], feature.n_values, seed + place))
    x = parts[0] if len(parts) == 1 else keras.layers.Concatenate()(parts)
    for depth in range(2):
        kernel = keras.initializers.HeUniform(seed=seed + depth)
        x = keras.layers.Dense(16, activation="relu", kernel_initializer=kernel)(x)
        x = keras.layers.Dropout(0.25, seed=seed)(x)
    kernel = keras.initializers.HeUniform(seed=seed + 7)
    outputs = keras.layers.Dense(len(target.start), kernel_initializer=kernel)(x)
    names = (*features.column_names, label)
    return TrainedModel(
        keras_model=keras.Model(inputs, outputs),
        features=features,
        target=target,
        schema=Schema(tuple(dataset.schema[name] for name in names)),
        state={"epoch": 3},
    )


def _encoded(codes, n_values: int, seed: int):
    import keras

    if n_values <= 32:
        return keras.ops.one_hot(codes, n_values)
    uniform = keras.initializers.RandomUniform(seed=seed)
    return keras.layers.Embedding(n_values + 1, 4, embeddings_initializer=uniform)(codes + 1)


def network_of(folder: Path, label: str, **options) -> TrainedModel:
    return network(open_dataset(folder), label, **options)
