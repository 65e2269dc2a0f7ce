"""A stream of batches by epochs, whose position can be saved and loaded by any readers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.base import Encoder
from bigdata_cli.loaders.elastic import EpochSteps, Following, Position, Readers
from bigdata_cli.loaders.order import check_count, check_not_negative, check_rank
from bigdata_cli.loaders.sequences import SequenceOptions
from bigdata_cli.loaders.states import (
    STATE_VERSION,
    SavedPosition,
    check_batches,
    check_state,
    digest,
)


@dataclass(frozen=True, kw_only=True)
class StreamOptions:
    """Which rows a stream gives and how; `split` as in `order.split_rows`.

    With `sequences` it gives windows of rows in place of rows; see `sequences.py`.
    """

    batch_size: int
    shuffle: bool = False
    seed: int = 0
    split: str | None = None
    drop_remainder: bool = False
    rank: int = 0
    world: int = 1
    sequences: SequenceOptions | None = None

    def __post_init__(self) -> None:
        check_count("batch_size", self.batch_size)
        check_not_negative("seed", self.seed)
        check_rank(self.rank, self.world)


class EpochStream(ABC):
    """Batches, epoch after epoch; each iteration is the next epoch, or the one that was set."""

    encoder: Encoder

    def __init__(self, options: StreamOptions) -> None:
        self.options = options
        self._epoch = 0
        self._first = Position()
        self._n_given = 0
        self._started = False
        self._following: Following | None = None

    @property
    def readers(self) -> Readers:
        """Those who read this stream together."""
        return Readers(world=self.options.world, workers=0, batch_size=self.options.batch_size)

    # What the kinds of streams say.

    @abstractmethod
    def own_batches_in(self, epoch: int) -> int:
        """Return the number of batches of an epoch, in the order of its own readers."""

    @abstractmethod
    def full_batches_in(self, epoch: int) -> int:
        """Return the number of batches before the first that has fewer rows."""

    @abstractmethod
    def batch_rows(self, epoch: int) -> Callable[[int], int]:
        """Return what gives the rows of a batch of an epoch, by its number."""

    @abstractmethod
    def own_arrays(self, epoch: int, n_given: int) -> Iterator[list[np.ndarray]]:
        """Return the arrays of the batches of an epoch after so many."""

    @abstractmethod
    def of_reader(
        self, readers: Readers, rank: int, worker: int, *, reads_ahead: bool = True
    ) -> EpochStream:
        """Return the stream of one of those who share the rows of all ranks of this one.

        Args:
            readers: All who share them.
            rank: Of the reader.
            worker: Of the reader.
            reads_ahead: Whether it reads while its batches are in use.
        """

    @abstractmethod
    def data_description(self) -> Any:
        """What the rows are of, as JSON values."""

    @abstractmethod
    def order_description(self) -> Any:
        """All but the data and the readers that the batches follow from, as JSON values."""

    @property
    @abstractmethod
    def _source(self) -> str:
        """What a state is of, as a message says it."""

    # Epochs.

    def batches_in(self, epoch: int) -> int:
        """Return the number of batches of an epoch, from the manifest."""
        if self._following is None:
            return self.own_batches_in(epoch)
        return self._following.n_batches(self.steps(self._following.order, epoch), Position())

    def __len__(self) -> int:
        """The number of batches of the next iteration, from the start of its epoch."""
        return self.batches_in(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration be this epoch, from its start."""
        check_not_negative("epoch", epoch)
        self.begin_at(int(epoch))

    def begin_at(self, epoch: int, n_given: int = 0) -> None:
        """Let the next iteration be an epoch, without its first batches."""
        self._epoch, self._n_given, self._started = epoch, n_given, False
        self._first = Position()

    def follow(self, following: Following | None, epoch: int, first: Position) -> None:
        """Let the next iteration go on at a position in the order of other readers."""
        if following is None:
            self.begin_at(epoch, first.step)
        else:
            self.begin_at(epoch)
            self._first = first
        self._following = following

    def steps(self, order: Readers, epoch: int) -> EpochSteps:
        """Return the steps of all readers of an epoch."""

        def reader(rank: int, worker: int) -> EpochStream:
            return self.of_reader(order, rank, worker, reads_ahead=False)

        return EpochSteps(order, reader, epoch)

    def __iter__(self) -> Iterator[Any]:
        return self._batches(*self._begin())

    def _batches(self, epoch: int, n_given: int) -> Iterator[Any]:
        for arrays in self._arrays(epoch, n_given):
            self._count(epoch, 1)
            yield self.encoder.batch(arrays)
        self._end(epoch)

    def _arrays(self, epoch: int, n_given: int) -> Iterator[list[np.ndarray]]:
        following = self._following
        if following is None:
            return self.own_arrays(epoch, n_given)
        return following.arrays(self.steps(following.order, epoch), self._first, n_given)

    def arrays(self) -> Iterator[list[np.ndarray]]:
        """Return an epoch as the encoder's arrays of each batch."""
        return self._arrays(*self._begin())

    def stacked(self, max_bytes: int) -> Iterator[Any]:
        """Return an epoch with several batches at a time, arrays of (batches, rows, …).

        A batch of another number of rows than the one before comes with those that follow it.
        """
        epoch, n_given = self._begin()
        together: list[list[np.ndarray]] = []
        for arrays in self._arrays(epoch, n_given):
            n_bytes = sum(array.nbytes for array in arrays) * (len(together) + 1)
            if together and (len(arrays[0]) != len(together[0][0]) or n_bytes > max_bytes):
                yield self._stack(epoch, together)
                together = []
            together.append(arrays)
        if together:
            yield self._stack(epoch, together)
        self._end(epoch)

    def _stack(self, epoch: int, batches: list[list[np.ndarray]]) -> Any:
        self._count(epoch, len(batches))
        return self.encoder.batch([np.stack(same) for same in zip(*batches, strict=True)])

    def for_epochs(self, epochs: int | None) -> Iterator[Any]:
        """Return the batches of `epochs` epochs in a row; None for no end."""
        if epochs is not None:
            check_count("epochs", epochs)
        turns = count() if epochs is None else range(epochs)
        return (batch for _ in turns for batch in self)

    def _begin(self) -> tuple[int, int]:
        """Return the epoch that starts now, and how many of its batches were given before."""
        if self._started:
            self.begin_at(self._epoch + 1)
        self._started = True
        return self._epoch, self._n_given

    def _count(self, epoch: int, batches: int) -> None:
        if epoch == self._epoch and self._started:
            self._n_given += batches

    def _end(self, epoch: int) -> None:
        """After the last batch of an epoch, the state is the start of the next one."""
        if epoch == self._epoch and self._started:
            self.begin_at(epoch + 1)

    # States.

    def state_dict(self) -> dict[str, Any]:
        """Return the position of the iteration that started last, as JSON values.

        `load_state_dict` continues there. The end of an epoch is the start of the next one.
        """
        following = self._following
        if following is None:
            return self.state_at(self._epoch, self._n_given)
        steps = self.steps(following.order, self._epoch)
        position = following.position(steps, self._first, self._n_given)
        return self.state_of(SavedPosition(following.order, self._epoch, position))

    def state_at(self, epoch: int, batches: int) -> dict[str, Any]:
        """Return the state after `batches` batches of an epoch, in the order of its own readers.

        Raises:
            UsageError: The epoch has fewer batches.
        """
        check_not_negative("epoch", epoch)
        check_batches(epoch, batches, self.own_batches_in(epoch))
        return self.state_of(SavedPosition(self.readers, epoch, Position(batches)))

    def state_of(self, saved: SavedPosition) -> dict[str, Any]:
        """Return the state of a position."""
        order, position = saved.order, saved.position
        return {
            "version": STATE_VERSION,
            "seed": self.options.seed,
            "epoch": saved.epoch,
            "batches": position.step,
            "rows": position.row,
            "world": order.world,
            "workers": order.workers,
            "batch_size": order.batch_size,
            "data": digest(self.data_description()),
            "fingerprint": self.fingerprint(order),
        }

    def fingerprint(self, order: Readers) -> str:
        """Return a digest of all that the rows and their order follow from."""
        one = self.of_reader(order, 0, 0)
        return digest([one.order_description(), order.world, order.workers, order.batch_size])

    def saved_position(self, state: Any) -> SavedPosition:
        """Return the position that a state of this stream says.

        Raises:
            UsageError: The state is of other data or of other options, or there is no such
                position.
        """
        check_state(state)
        order = Readers(
            world=state["world"], workers=state["workers"], batch_size=state["batch_size"]
        )
        if state["data"] != digest(self.data_description()):
            raise UsageError(
                f"the state belongs to other data, not to {self._source}",
                hint="open the dataset that was read when state_dict() was taken",
            )
        if state["fingerprint"] != self.fingerprint(order):
            raise UsageError(
                f"the state is not of this stream of {self._source}: the columns, the split, the "
                "order, the seed or another option differs",
                hint="make the stream with what it had when state_dict() was taken; only rank, "
                "world, workers and batch_size may differ",
            )
        check_not_negative("epoch", state["epoch"])
        steps = self.steps(order, state["epoch"])
        check_batches(state["epoch"], state["batches"], steps.n_steps)
        return SavedPosition(order, state["epoch"], Position(state["batches"], state["rows"]))

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next iteration continue at a state, with exactly the rows that remained.

        The state may be of any rank, and of other readers: another world, other workers, another
        batch_size. Then this epoch and those that follow have the order of those readers; with as
        many rows in a batch of all ranks together, also the same batches of all together.

        Raises:
            UsageError: The state is of other data or of other options.
        """
        saved = self.saved_position(state)
        following = self.following(saved, self.readers)
        first = saved.position
        if following is None:
            first = Position(min(first.step, self.own_batches_in(saved.epoch)))
        self.follow(following, saved.epoch, first)

    def following(
        self, saved: SavedPosition, readers: Readers, worker: int = 0
    ) -> Following | None:
        """Return how this rank goes on at a position; None where in the order of its own."""
        if saved.order == readers and not saved.position.row:
            return None
        return Following(
            order=saved.order, mine=readers, rank=self.options.rank, worker=worker,
            drop_remainder=self.options.drop_remainder,
        )  # fmt: skip
