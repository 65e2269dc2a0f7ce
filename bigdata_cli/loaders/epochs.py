"""A stream of batches by epochs, whose position can be saved and loaded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.order import check_count, check_not_negative

STATE_VERSION = 2
_STATE_FIELDS = ("version", "seed", "epoch", "batches", "fingerprint")


class EpochStream(ABC):
    """Batches, epoch after epoch; each iteration is the next epoch, or the one that was set."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._epoch = 0
        self._n_given = 0
        self._started = False

    @abstractmethod
    def batches_in(self, epoch: int) -> int:
        """Return the number of batches of an epoch."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Return a digest of all that the batches and their order follow from."""

    @property
    @abstractmethod
    def _source(self) -> str:
        """What a state is of, as a message says it, and what of it may differ."""

    @abstractmethod
    def _batches(self, epoch: int, n_given: int) -> Iterator[Any]:
        """The batches of an epoch after so many; calls `_count` and `_end`."""

    def __len__(self) -> int:
        """The number of batches of the next iteration, from the start of its epoch."""
        return self.batches_in(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration be this epoch, from its start."""
        check_not_negative("epoch", epoch)
        self._epoch, self._n_given, self._started = int(epoch), 0, False

    def __iter__(self) -> Iterator[Any]:
        return self._batches(*self._begin())

    def for_epochs(self, epochs: int | None) -> Iterator[Any]:
        """Return the batches of `epochs` epochs in a row; None for no end."""
        if epochs is not None:
            check_count("epochs", epochs)
        turns = count() if epochs is None else range(epochs)
        return (batch for _ in turns for batch in self)

    def _begin(self) -> tuple[int, int]:
        """Return the epoch that starts now, and how many of its batches were given before."""
        if self._started:
            self._epoch, self._n_given = self._epoch + 1, 0
        self._started = True
        return self._epoch, self._n_given

    def _count(self, epoch: int, batches: int) -> None:
        if epoch == self._epoch and self._started:
            self._n_given += batches

    def _end(self, epoch: int) -> None:
        """After the last batch of an epoch, the state is the start of the next one."""
        if epoch == self._epoch and self._started:
            self._epoch, self._n_given, self._started = epoch + 1, 0, False

    def state_dict(self) -> dict[str, Any]:
        """Return the position of the iteration that started last, as JSON values.

        `load_state_dict` continues there. The end of an epoch is the start of the next one.
        """
        return self.state_at(self._epoch, self._n_given)

    def state_at(self, epoch: int, batches: int) -> dict[str, Any]:
        """Return the state after `batches` batches of an epoch.

        Raises:
            UsageError: The epoch has fewer batches.
        """
        check_not_negative("epoch", epoch)
        total = self.batches_in(epoch)
        if not 0 <= batches <= total:
            raise UsageError(f"epoch {epoch} has {total:,} batches, and not {batches:,}")
        return {
            "version": STATE_VERSION,
            "seed": self._seed,
            "epoch": epoch,
            "batches": batches,
            "fingerprint": self.fingerprint(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next iteration continue at a state, with exactly the batches that remained.

        Raises:
            UsageError: The state is of other datasets or of other options.
        """
        check_state(state)
        if state["fingerprint"] != self.fingerprint():
            raise UsageError(
                f"the state is not of {self._source}, the seed or another option differs",
                hint="make the stream with what it had when state_dict() was taken",
            )
        self.state_at(state["epoch"], state["batches"])
        self._epoch, self._n_given, self._started = state["epoch"], state["batches"], False


def check_state(state: Any) -> None:
    """Raise UsageError for what `state_dict` cannot have given."""
    if not isinstance(state, Mapping) or any(name not in state for name in _STATE_FIELDS):
        raise UsageError(f"a state has {', '.join(_STATE_FIELDS)}: it is what state_dict() gave")
    if state["version"] != STATE_VERSION:
        raise UsageError(f"the state has version {state['version']!r}, and not {STATE_VERSION}")
    if type(state["epoch"]) is not int or type(state["batches"]) is not int:
        raise UsageError("the epoch and the batches of a state are integers")
