"""Training on JAX: one device, with the step compiled as a function of the model's state."""

from __future__ import annotations

from typing import Any

import numpy as np

from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.examples import Examples
from bigdata_cli.loaders.target import Target
from bigdata_cli.training.backends.base import PREDICT_ROWS, Backend, Trainer
from bigdata_cli.training.backends.registry import import_framework, import_keras
from bigdata_cli.training.device_options import DeviceOptions
from bigdata_cli.training.model import network_row_losses


class JaxBackend(Backend):
    """JAX on its first device."""

    name = "jax"

    def __init__(self, options: DeviceOptions) -> None:
        self._jax = jax = import_framework(self.name)
        import_keras(self.name)
        seen = jax.devices()
        gpus = [device for device in seen if device.platform != "cpu"]
        options.check_gpu(self.name, len(gpus), tuple(str(device) for device in seen))
        if options.strategy in ("mirrored", "multiworker") or (options.devices or 1) > 1:
            raise UsageError(
                "bigdata train uses one device on jax", hint="--backend tensorflow for several"
            )
        self._device = seen[0]

    def trainer(self, network: Any, target: Target) -> JaxTrainer:
        return JaxTrainer(self._jax, network, target)

    def devices(self) -> tuple[str, ...]:
        name = "CPU" if self._device.platform == "cpu" else self._device.platform.upper()
        kind = self._device.device_kind
        return (f"{name}:{self._device.id}" + ("" if kind.upper() == name else f" ({kind})"),)


class JaxTrainer(Trainer):
    """Holds the state as arrays beside the model: steps and predictions are functions of it."""

    def __init__(self, jax: Any, network: Any, target: Target) -> None:
        super().__init__(network, target)
        self._jax = jax
        self._state = tuple(
            [variable.value for variable in group] for group in self._variable_groups()
        )
        self._max_rows = 0
        self._step = jax.jit(self._take_step)
        self._apply = jax.jit(self._logits)

    def _variable_groups(self) -> tuple[list[Any], ...]:
        network = self.network
        return (
            network.trainable_variables,
            network.non_trainable_variables,
            network.optimizer.variables,
        )

    def _take_step(
        self, state: Any, inputs: Any, y: Any, weights: Any, total_rows: Any
    ) -> tuple[Any, Any]:
        trainable, others, of_optimizer = state

        def loss_of(trainable: Any) -> tuple[Any, Any]:
            logits, changed, penalties = self.network.stateless_call(
                trainable, others, inputs, training=True, return_losses=True
            )
            losses = network_row_losses(self._target.task, logits, y)
            loss = (losses * weights).sum() / total_rows
            return loss + sum(penalties), (loss, changed)

        grad = self._jax.grad(loss_of, has_aux=True)
        gradients, (loss, others) = grad(trainable)
        trainable, of_optimizer = self.network.optimizer.stateless_apply(
            of_optimizer, gradients, trainable
        )
        return loss, (trainable, others, of_optimizer)

    def _logits(self, state: Any, inputs: Any) -> Any:
        return self.network.stateless_call(state[0], state[1], inputs, training=False)[0]

    def step(self, examples: Examples, weights: np.ndarray, total_rows: int) -> Any:
        # Rows of weight 0 fill up a shorter batch, so that the step is compiled once.
        self._max_rows = max(self._max_rows, len(examples))
        padded = _padded(examples, self._max_rows)
        weights = np.pad(weights, (0, self._max_rows - len(weights)))
        total = np.float32(total_rows)
        loss, self._state = self._step(self._state, self._arrays(padded), padded.y, weights, total)
        return loss

    def _apply_block(self, examples: Examples) -> np.ndarray:
        outputs = self._apply(self._state, self._arrays(_padded(examples, PREDICT_ROWS)))
        return np.asarray(outputs)[: len(examples)]

    def set_learning_rate(self, rate: float) -> None:
        *others, of_optimizer = self._state
        place = next(
            i
            for i, variable in enumerate(self.network.optimizer.variables)
            if variable is self.network.optimizer.learning_rate
        )
        changed = list(of_optimizer)
        changed[place] = self._jax.numpy.asarray(rate, changed[place].dtype)
        self._state = (*others, changed)

    def snapshot(self) -> Any:
        return self._state

    def restore(self, snapshot: Any) -> None:
        self._state = snapshot

    def write_back(self) -> None:
        for variables, values in zip(self._variable_groups(), self._state, strict=True):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)


def _padded(examples: Examples, n_rows: int) -> Examples:
    missing = n_rows - len(examples)
    if not missing:
        return examples
    return Examples(
        np.pad(examples.dense, ((0, missing), (0, 0))),
        np.pad(examples.codes, ((0, missing), (0, 0))),
        np.pad(examples.y, (0, missing)),
    )
