"""What training runs on: TensorFlow, PyTorch or JAX beneath Keras, on one device or many.

A `Backend` is the process with its devices and the processes beside it; a `Trainer` takes the steps
of one model. Both are small, so that the loop knows nothing of what is beneath it.
"""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from bigdata_cli.errors import MissingDependencyError, UsageError, did_you_mean
from bigdata_cli.training.examples import Examples
from bigdata_cli.training.options import BACKENDS, DeviceOptions
from bigdata_cli.training.target import Target

_EXTRAS = {"tensorflow": "train", "torch": "torch", "jax": "jax"}


@dataclass(frozen=True)
class Worker:
    """A process that trains, of `count` that train the same model; 0 is the one that reports."""

    rank: int = 0
    count: int = 1

    def part(self, n_rows: int) -> int:
        """How many of the rows of a step are this worker's.

        >>> [Worker(rank, 3).part(512) for rank in range(3)]
        [171, 171, 170]
        """
        return n_rows // self.count + (self.rank < n_rows % self.count)


class Trainer(Protocol):
    """Takes the steps of one model."""

    def step(self, examples: Examples, weights: np.ndarray, total_rows: int) -> Any:
        """Learn from this worker's rows of a batch, of which there may be none.

        weights: float32 (rows,). total_rows: those of the whole batch, of all workers. The loss is
        the sum of weighted row losses over `total_rows`, with dropout, before learning. Returns
        this worker's part of it, on the device: `losses` fetches it.
        """

    def losses(self, pending: list[Any]) -> np.ndarray:
        """What steps returned, once they are done: float64 (steps,)."""

    def predict(self, examples: Examples) -> np.ndarray:
        """The logits of examples, or the standardised label: float64 (rows, outputs)."""

    def snapshot(self) -> Any:
        """All that a step changes."""

    def restore(self, snapshot: Any) -> None:
        """Go back to a snapshot."""

    def write_back(self) -> None:
        """Put what was learned into the Keras model, which may be saved then."""


class Backend(Protocol):
    """A process that trains, with its devices; the processes beside it do the same steps."""

    name: str
    strategy: str
    replicas: int
    worker: Worker
    lost_worker_errors: tuple[type[Exception], ...]
    """What is raised where another worker is not there any more."""

    def scope(self) -> AbstractContextManager[Any]:
        """Where models are made or loaded."""

    def trainer(self, network: Any, target: Target) -> Trainer:
        """What trains a model that was made in the scope."""

    def gather(self, array: np.ndarray) -> np.ndarray:
        """The arrays of all workers, float64 (workers, …); of one shape on all of them."""

    def devices(self) -> tuple[str, ...]:
        """What it trains on, in words."""

    def versions(self) -> dict[str, str]:
        """The versions of the libraries."""

    def close(self) -> None:
        """Leave the other workers."""


def open_backend(name: str | None, options: DeviceOptions) -> Backend:
    """The backend of that name; None for the one that Keras runs on, else the first installed.

    Raises MissingDependencyError where it is not installed, UsageError where Keras runs on another
    one in this process, or the devices are not there.
    """
    chosen = choose_backend(name)
    if chosen == "tensorflow":
        from bigdata_cli.training.backends.tensorflow import TensorflowBackend

        return TensorflowBackend(options)
    if chosen == "torch":
        from bigdata_cli.training.backends.torch import TorchBackend

        return TorchBackend(options)
    from bigdata_cli.training.backends.jax import JaxBackend

    return JaxBackend(options)


def choose_backend(name: str | None) -> str:
    """The name of the backend that is meant."""
    if name is not None:
        if name not in BACKENDS:
            raise UsageError(f'there is no backend "{name}"', hint=did_you_mean(name, BACKENDS))
        return name
    if "keras" in sys.modules:
        import keras

        return keras.backend.backend()
    asked = os.environ.get("KERAS_BACKEND")
    if asked in BACKENDS:
        return asked
    installed = [name for name in BACKENDS if _is_installed(name) and _is_installed("keras")]
    if not installed:
        raise MissingDependencyError.for_extra(
            "Keras with TensorFlow, PyTorch or JAX", "train", purpose="bigdata train"
        )
    return installed[0]


def _is_installed(name: str) -> bool:
    if name in sys.modules:
        return sys.modules[name] is not None
    return find_spec(name) is not None


def import_framework(name: str) -> ModuleType:
    """A backend's library; MissingDependencyError where it is not installed."""
    from importlib import import_module

    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise MissingDependencyError.for_extra(
            name, _EXTRAS[name], purpose="bigdata train"
        ) from error


def import_keras(name: str) -> ModuleType:
    """Keras on a backend; UsageError where this process has it on another one."""
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = name
    try:
        import keras
    except ModuleNotFoundError as error:
        if error.name != "keras":
            raise
        raise MissingDependencyError.for_extra(
            "keras", _EXTRAS[name], purpose="bigdata train"
        ) from error
    running = keras.backend.backend()
    if running != name:
        raise UsageError(
            f"Keras runs on {running} in this process, and cannot change to {name}",
            hint=f"--backend {running}, or {name} in a process of its own",
        )
    return keras
