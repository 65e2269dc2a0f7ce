"""The model: a small perceptron in Keras, with the loss of its task.

All of it is layers and operations of Keras, so that it is the same on every backend and can be
saved. The initial weights are NumPy's: with one seed they are equal on all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bigdata_cli.loaders.features import EMBEDDING_WIDTH, CodeFeature, FeaturePlan
from bigdata_cli.loaders.target import Target, Task
from bigdata_cli.training.learning_options import OptimizerOptions
from bigdata_cli.training.options import DROPOUT, HIDDEN_UNITS

LEARNING_RATE = 2e-3
EMBEDDING_LIMIT = 0.05
_SEEDS = 2**31 - 1


def build_network(
    features: FeaturePlan,
    target: Target,
    *,
    hidden: Sequence[int] = HIDDEN_UNITS,
    dropout: float = DROPOUT,
    seed: int = 0,
    optimizing: OptimizerOptions | None = None,
) -> Any:
    """Build a perceptron on normalised features, compiled with its optimizer.

    It takes float32 (rows, features.width) and int32 (rows, codes), without the one that has no
    columns, and gives logits, or the standardised label, (rows, len(target.start)). The untrained
    model predicts `target.start` for every row: the last kernel is 0, its bias the start. Small
    categories are one-hot, others embedded.

    Args:
        features: The features.
        target: The target.
        hidden: The units of each hidden layer.
        dropout: The share of the units that a step drops.
        seed: Of the weights and of dropout; no global state changes.
        optimizing: The optimizer, the penalty of the weights, and the precision.
    """
    import keras

    optimizing = optimizing or OptimizerOptions()
    made_as = _LayerOptions.of(optimizing)
    random = np.random.default_rng(seed)
    inputs, parts = [], []
    if features.width:
        inputs.append(keras.Input((features.width,), dtype="float32", name="numbers"))
        parts.append(inputs[-1])
    if features.codes:
        codes = keras.Input((len(features.codes),), dtype="int32", name="codes")
        inputs.append(codes)
        parts += [
            _encoded(codes[:, place], place, feature, made_as)
            for place, feature in enumerate(features.codes)
        ]
    x = parts[0]
    if len(parts) > 1:
        x = keras.layers.Concatenate(name="features", dtype=made_as.dtype)(parts)
    for depth, units in enumerate(hidden):
        x = made_as.dense(units, f"hidden_{depth}", activation="relu")(x)
        if dropout:
            layer_seed = int(random.integers(_SEEDS))
            x = keras.layers.Dropout(
                dropout, seed=layer_seed, dtype=made_as.dtype, name=f"dropout_{depth}"
            )(x)
    # The loss is computed in float32.
    outputs = made_as.dense(len(target.start), "label", dtype="float32")(x)
    network = keras.Model(inputs, outputs, name="perceptron")
    network.set_weights(_initial_weights(network, target, random))
    network.compile(optimizer=_optimizer(optimizing))
    network.optimizer.build(network.trainable_variables)
    return network


@dataclass(frozen=True, kw_only=True)
class _LayerOptions:
    """How layers are made: the policy of their precision, and the weight of their penalty."""

    dtype: str
    l2: float | None

    @classmethod
    def of(cls, optimizing: OptimizerOptions) -> _LayerOptions:
        dtype = "mixed_bfloat16" if optimizing.mixed_precision else "float32"
        return cls(dtype=dtype, l2=optimizing.l2)

    def penalty(self) -> Any:
        import keras

        return keras.regularizers.L2(self.l2) if self.l2 else None

    def dense(
        self, units: int, name: str, *, activation: str | None = None, dtype: str | None = None
    ) -> Any:
        """A dense layer, whose kernel is set later."""
        import keras

        return keras.layers.Dense(
            units,
            activation=activation,
            kernel_initializer="zeros",
            kernel_regularizer=self.penalty(),
            dtype=dtype or self.dtype,
            name=name,
        )


def _optimizer(optimizing: OptimizerOptions) -> Any:
    import keras

    kinds = {
        "adam": keras.optimizers.Adam,
        "adamw": keras.optimizers.AdamW,
        "sgd": keras.optimizers.SGD,
        "rmsprop": keras.optimizers.RMSprop,
    }
    return kinds[optimizing.name](optimizing.learning_rate or LEARNING_RATE)


def _encoded(codes: Any, place: int, feature: CodeFeature, made_as: _LayerOptions) -> Any:
    """Encode a column of codes: one-hot, all 0 for null, or an embedding with row 0 for null."""
    import keras

    if not feature.is_embedded:
        return keras.ops.one_hot(codes, max(1, feature.n_values))
    return keras.layers.Embedding(
        feature.n_values + 1,
        EMBEDDING_WIDTH,
        embeddings_initializer="zeros",
        embeddings_regularizer=made_as.penalty(),
        dtype=made_as.dtype,
        name=f"embedding_{place}",
    )(codes + 1)


def _initial_weights(network: Any, target: Target, random: np.random.Generator) -> list[np.ndarray]:
    """Return He-uniform kernels (2015), small uniform embeddings, zero biases, and the start."""
    weights = []
    for variable in network.weights:
        shape = tuple(variable.shape)
        if variable.path.startswith("label/"):
            start = np.array(target.start, np.float32)
            weights.append(start if len(shape) == 1 else np.zeros(shape, np.float32))
        elif len(shape) == 1:
            weights.append(np.zeros(shape, np.float32))
        else:
            embedded = variable.path.startswith("embedding_")
            limit = EMBEDDING_LIMIT if embedded else (6 / shape[0]) ** 0.5
            weights.append(random.uniform(-limit, limit, shape).astype(np.float32))
    return weights


def network_row_losses(task: Task, logits: Any, y: Any) -> Any:
    """Return the loss of each row (rows,), as a tensor: logits (rows, outputs), y (rows,).

    `metrics.row_losses` is the same in NumPy.
    """
    from keras import ops

    if task is Task.CLASSES:
        classes = ops.cast(y, "int32")
        return ops.sparse_categorical_crossentropy(classes, logits, from_logits=True)
    if task is Task.BINARY:
        return ops.binary_crossentropy(y, logits[:, 0], from_logits=True)
    return ops.square(logits[:, 0] - y)


def penalty_of(network: Any, n_replicas: int = 1) -> Any:
    """Return a replica's part of the penalty of the weights, as a tensor; 0 where there is none."""
    return sum(network.losses) / n_replicas if network.losses else 0.0


def set_dropout_steps(network: Any, steps: int, *, worker: int = 0) -> None:
    """Set the state of dropout to that after `steps` steps; each worker has its own masks.

    The state of Keras' seed generators is (seed, steps), and is not saved with a model.
    """
    for layer in network.layers:
        generator = getattr(layer, "seed_generator", None)
        if generator is not None:
            seed = (layer.seed + worker * 1_000_003) % _SEEDS
            state = np.array([seed, steps], generator.state.dtype)
            generator.state.assign(state)
