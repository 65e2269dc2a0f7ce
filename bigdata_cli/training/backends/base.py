"""The interface of a backend, and what all backends share.

A `Backend` is the process with its devices and the other workers; a `Trainer` takes the steps of
one model. The training loop knows only these two.
"""

from __future__ import annotations

import platform
import sys
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from bigdata_cli.loaders.examples import Examples
from bigdata_cli.loaders.target import Target

PREDICT_ROWS = 8192
"""At most the rows of a prediction: the activations of the layers are of so many."""


@dataclass(frozen=True)
class Worker:
    """One of `count` processes that train the same model; rank 0 saves and reports."""

    rank: int = 0
    count: int = 1

    def part(self, n_rows: int) -> int:
        """Return how many of the rows of a step are this worker's.

        >>> [Worker(rank, 3).part(512) for rank in range(3)]
        [171, 171, 170]
        """
        return n_rows // self.count + (self.rank < n_rows % self.count)


class Trainer(ABC):
    """Takes the steps of one model."""

    def __init__(self, network: Any, target: Target) -> None:
        self.network = network
        self._target = target
        dtypes = [str(tensor.dtype) for tensor in network.inputs]
        self._has_numbers, self._has_codes = "float32" in dtypes, "int32" in dtypes

    def _arrays(self, examples: Examples) -> list[np.ndarray]:
        """Return the inputs of the network: an array without columns is left out."""
        dense = [examples.dense] if self._has_numbers else []
        return [*dense, examples.codes] if self._has_codes else dense

    def _variables(self) -> list[Any]:
        return [*self.network.variables, *self.network.optimizer.variables]

    @abstractmethod
    def step(self, examples: Examples, weights: np.ndarray, total_rows: int) -> Any:
        """Learn from this worker's rows of a batch, of which there may be none.

        The loss is the sum of the weighted row losses over `total_rows`, with dropout, before the
        update of the weights. The penalty of the weights is learned from, and no part of it.

        Args:
            examples: This worker's rows.
            weights: The weight of each row, float32 (rows,).
            total_rows: The rows of the whole batch, of all workers.

        Returns:
            This worker's part of the loss, on the device; `losses` fetches it.
        """

    def set_learning_rate(self, rate: float) -> None:
        """Set the learning rate of the next steps."""
        self.network.optimizer.learning_rate = rate

    def losses(self, pending: list[Any]) -> np.ndarray:
        """Wait for steps and return their losses, float64 (steps,)."""
        return np.array([float(loss) for loss in pending])

    def predict(self, examples: Examples) -> np.ndarray:
        """Return the logits of examples, or the standardised label: float64 (rows, outputs)."""
        logits = np.empty((len(examples), len(self._target.start)))
        for first in range(0, len(examples), PREDICT_ROWS):
            block = examples.take(slice(first, first + PREDICT_ROWS))
            logits[first : first + len(block)] = self._apply_block(block)
        return logits

    @abstractmethod
    def _apply_block(self, examples: Examples) -> np.ndarray:
        """Return the outputs of the network for up to PREDICT_ROWS rows, (rows, outputs)."""

    @abstractmethod
    def snapshot(self) -> Any:
        """Return a copy of all that a step changes."""

    @abstractmethod
    def restore(self, snapshot: Any) -> None:
        """Go back to a snapshot."""

    def write_back(self) -> None:
        """Copy what was learned into the Keras model, so that it can be saved."""
        return  # most trainers change its variables in place


class Backend(ABC):
    """A process that trains, with its devices; other workers take the same steps.

    Attributes:
        name: The library.
        strategy: "none", "mirrored" or "multiworker".
        replicas: Devices that train, of all workers.
        worker: This process among the workers.
        lost_worker_errors: What is raised where another worker has ended.
    """

    name: str
    strategy: str = "none"
    replicas: int = 1
    worker: Worker = Worker()
    lost_worker_errors: tuple[type[Exception], ...] = ()

    def scope(self) -> AbstractContextManager[Any]:
        """Return the context in which models are made or loaded."""
        return nullcontext()

    @abstractmethod
    def trainer(self, network: Any, target: Target) -> Trainer:
        """Return what trains a model that was made in the scope."""

    def gather(self, array: np.ndarray) -> np.ndarray:
        """Return the arrays of all workers, float64 (workers, …); all have the same shape."""
        array = np.asarray(array, np.float64)
        return array[np.newaxis] if self.worker.count == 1 else self._gather(array)

    def _gather(self, array: np.ndarray) -> np.ndarray:
        raise NotImplementedError(f"{self.name} has one worker")

    @abstractmethod
    def devices(self) -> tuple[str, ...]:
        """Return the names of the devices of this process."""

    def versions(self) -> dict[str, str]:
        """Return the versions of the libraries."""
        libraries = {name: str(sys.modules[name].__version__) for name in (self.name, "keras")}
        return {**libraries, "python": platform.python_version()}

    def close(self) -> None:
        """Leave the other workers."""
        return  # a single process has none
