"""The model: a small perceptron, with the loss of its task."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.tensorflow import import_tensorflow
from bigdata_cli.training.examples import Examples
from bigdata_cli.training.features import EMBEDDING_WIDTH, MAX_ONE_HOT, CodeFeature, FeaturePlan
from bigdata_cli.training.target import Target, Task

HIDDEN_UNITS = (16, 16, 16)
DROPOUT = 0.25
LEARNING_RATE = 2e-3
PREDICT_ROWS = 8192


def import_keras() -> tuple[Any, Any]:
    """TensorFlow, and Keras on it.

    Raises MissingDependencyError where they are absent, UsageError where Keras has been imported
    on another backend.
    """
    import sys

    tf = import_tensorflow(purpose="bigdata train")
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras

    if keras.backend.backend() != "tensorflow":
        raise UsageError(
            f"Keras runs on {keras.backend.backend()} here, and training needs TensorFlow",
            hint="KERAS_BACKEND=tensorflow",
        )
    return tf, keras


class Perceptron:
    """Hidden layers of 16, 16 and 16 units with dropout 0.25, on normalised features.

    Before training it says `target.start` of every row: the last layer's kernel is 0, its bias
    the start. Small categories are one-hot, others embedded. Weights and dropout follow `seed`
    and touch no global state.
    """

    def __init__(self, features: FeaturePlan, target: Target, *, seed: int) -> None:
        self._tf, self._keras = import_keras()
        self._target = target
        self.signature = (
            self._tf.TensorSpec((None, features.width), "float32"),
            self._tf.TensorSpec((None, len(features.codes)), "int32"),
            self._tf.TensorSpec((None,), "float32"),
        )
        self._has = (features.width > 0, bool(features.codes))
        self.keras_model = self._build(features, seed)
        self._optimizer = self._keras.optimizers.Adam(LEARNING_RATE)
        self._optimizer.build(self.keras_model.trainable_variables)
        self._step = self._traced(self._take_step, self.signature)
        self._apply = self._traced(self._logits, self.signature[:2])

    def _traced(self, function: Any, signature: Any) -> Any:
        """The function as one graph for batches of any size."""
        graph = self._tf.function(function, input_signature=signature)
        return graph.get_concrete_function()

    def _build(self, features: FeaturePlan, seed: int) -> Any:
        layers, initial = self._keras.layers, self._keras.initializers
        inputs, parts = [], []
        if features.width:
            dense = self._keras.Input((features.width,), dtype="float32", name="numbers")
            inputs.append(dense)
            parts.append(dense)
        if features.codes:
            codes = self._keras.Input((len(features.codes),), dtype="int32", name="codes")
            inputs.append(codes)
            for place, feature in enumerate(features.codes):
                parts.append(self._encode_codes(codes[:, place], feature, seed + 1000 + place))
        x = parts[0] if len(parts) == 1 else layers.Concatenate()(parts)
        for depth, units in enumerate(HIDDEN_UNITS):
            kernel = initial.HeUniform(seed=seed + depth)
            x = layers.Dense(units, activation="relu", kernel_initializer=kernel)(x)
            x = layers.Dropout(DROPOUT, seed=seed + 100 + depth)(x)
        start = np.array(self._target.start, np.float32)
        outputs = layers.Dense(
            len(start),
            kernel_initializer="zeros",
            bias_initializer=lambda shape, dtype=None: self._keras.ops.convert_to_tensor(
                start, dtype
            ),
        )(x)
        return self._keras.Model(inputs, outputs)

    def _encode_codes(self, codes: Any, feature: CodeFeature, seed: int) -> Any:
        """One-hot (rows, n_values), all 0 for null; or an embedding, whose row 0 is null's."""
        if feature.n_values <= MAX_ONE_HOT:
            return self._keras.ops.one_hot(codes, max(1, feature.n_values))
        uniform = self._keras.initializers.RandomUniform(seed=seed)
        return self._keras.layers.Embedding(
            feature.n_values + 1, EMBEDDING_WIDTH, embeddings_initializer=uniform
        )(codes + 1)

    def _logits(self, dense: Any, codes: Any, *, training: bool = False) -> Any:
        used = [x for x, has in zip((dense, codes), self._has, strict=True) if has]
        return self.keras_model(used, training=training)

    def _row_losses(self, logits: Any, y: Any) -> Any:
        """The loss of each row, (rows,)."""
        nn = self._tf.nn
        if self._target.task is Task.CLASSES:
            classes = self._tf.cast(y, "int32")
            return nn.sparse_softmax_cross_entropy_with_logits(labels=classes, logits=logits)
        if self._target.task is Task.BINARY:
            return nn.sigmoid_cross_entropy_with_logits(labels=y, logits=logits[:, 0])
        return self._tf.square(logits[:, 0] - y)

    def _take_step(self, dense: Any, codes: Any, y: Any) -> Any:
        variables = self.keras_model.trainable_variables
        with self._tf.GradientTape() as tape:
            logits = self._logits(dense, codes, training=True)
            loss = self._tf.reduce_mean(self._row_losses(logits, y))
        self._optimizer.apply(tape.gradient(loss, variables), variables)
        start = self._tf.broadcast_to(
            self._tf.constant([self._target.start], "float32"), self._tf.shape(logits)
        )
        return loss, self._tf.reduce_mean(self._row_losses(start, y))

    def step(self, dense: Any, codes: Any, y: Any) -> tuple[Any, Any]:
        """Learn from a batch.

        Returns two scalar tensors: the loss on it before learning (with dropout), and the loss
        that the untrained model has on it.
        """
        return self._step(dense, codes, y)

    def predict(self, examples: Examples) -> np.ndarray:
        """The logits of examples, or the standardised label: float64 (rows, outputs)."""
        n_outputs = len(self._target.start)
        logits = np.empty((len(examples), n_outputs))
        for first in range(0, len(examples), PREDICT_ROWS):
            piece = examples.take(slice(first, first + PREDICT_ROWS))
            logits[first : first + len(piece)] = self._apply(
                self._tf.constant(piece.dense), self._tf.constant(piece.codes)
            ).numpy()
        return logits
