"""The order of the batches of all readers together, and how other readers go on in it.

A rank takes the batches of its workers in turns, as a DataLoader does. A step is a batch of each
rank, one after the other. So the steps of an epoch are one order of its rows, which follows from
how many readers there were, and a position in it says what all of them have given. Any other number
of readers can read on from there. They take the same steps where their batches together have as
many rows; else they take as many rows at a time as their batches have. Each takes an even share.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Protocol

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Readers:
    """Who reads an epoch together.

    Attributes:
        world: The number of ranks.
        workers: The workers of each; 0 where a rank reads itself.
        batch_size: The rows of a batch of a rank.
    """

    world: int
    workers: int
    batch_size: int

    @property
    def step_rows(self) -> int:
        """The rows of a batch of every rank."""
        return self.world * self.batch_size

    @property
    def n_per_rank(self) -> int:
        """The readers of a rank: its workers, or itself."""
        return max(1, self.workers)

    @property
    def n_readers(self) -> int:
        """The readers of all ranks."""
        return self.world * self.n_per_rank

    def number_of(self, rank: int, worker: int) -> int:
        """Return the number of a worker of a rank among all readers."""
        return rank * self.n_per_rank + worker


@dataclass(frozen=True)
class Position:
    """What all readers have given of an epoch: so many steps, and so many rows of the next one."""

    step: int = 0
    row: int = 0


class ReaderBatches(Protocol):
    """The batches that one of several readers gives of an epoch."""

    def own_batches_in(self, epoch: int) -> int: ...
    def full_batches_in(self, epoch: int) -> int: ...
    def batch_rows(self, epoch: int) -> Callable[[int], int]: ...
    def own_arrays(self, epoch: int, n_given: int) -> Iterator[list[np.ndarray]]: ...


def worker_turns(totals: list[int], n_given: int) -> tuple[list[int], int]:
    """Return how many of the first batches came from each worker, and which is next.

    A DataLoader takes them in turns, without workers that have no more.
    """
    shares = [0] * len(totals)
    turn = 0
    left = min(n_given, sum(totals))
    while left > 0:
        waiting = [worker for worker, total in enumerate(totals) if shares[worker] < total]
        rounds = min(totals[worker] - shares[worker] for worker in waiting)
        rounds = max(1, min(left // len(waiting), rounds))
        for worker in waiting[:left]:
            shares[worker] += rounds
            left -= rounds
            turn = (worker + 1) % len(totals)
    return shares, turn


@dataclass(frozen=True)
class _Rows:
    """Rows [start, stop) of a batch of a reader."""

    rank: int
    worker: int
    batch: int
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def between(self, low: int, high: int) -> _Rows:
        """Return those of the rows that are from `low` to `high`, counted from the first."""
        start = min(max(self.start + low, self.start), self.stop)
        stop = min(max(self.start + high, start), self.stop)
        return _Rows(self.rank, self.worker, self.batch, start, stop)


class EpochSteps:
    """The steps of an epoch of some readers."""

    def __init__(
        self, readers: Readers, reader: Callable[[int, int], ReaderBatches], epoch: int
    ) -> None:
        """Make the steps.

        Args:
            readers: The readers.
            reader: Gives the batches of the worker of a rank.
            epoch: The epoch.
        """
        self._readers = readers
        self._epoch = epoch
        self._by_rank = [
            [reader(rank, worker) for worker in range(readers.n_per_rank)]
            for rank in range(readers.world)
        ]
        self._totals = [[r.own_batches_in(epoch) for r in workers] for workers in self._by_rank]
        self._sizes = [[r.batch_rows(epoch) for r in workers] for workers in self._by_rank]
        self.n_steps = max(sum(totals) for totals in self._totals)
        self._n_full = min(
            reader.full_batches_in(epoch) * len(workers) + place
            for workers in self._by_rank
            for place, reader in enumerate(workers)
        )
        """So many steps surely have `step_rows` rows."""

    def steps(self, first: int) -> Iterator[list[_Rows]]:
        """Yield the steps from number `first` on."""
        ranks = [self._of_rank(rank, first) for rank in range(self._readers.world)]
        for step in zip_longest(*ranks):
            yield [rows for rows in step if rows is not None]

    def _of_rank(self, rank: int, first: int) -> Iterator[_Rows]:
        totals = self._totals[rank]
        shares, worker = worker_turns(totals, first)
        for _ in range(sum(totals) - sum(shares)):
            while shares[worker] == totals[worker]:
                worker = (worker + 1) % len(totals)
            number = shares[worker]
            yield _Rows(rank, worker, number, 0, self._sizes[rank][worker](number))
            shares[worker] += 1
            worker = (worker + 1) % len(totals)

    def rows_before(self, position: Position) -> int:
        """Return the rows of an epoch that were given at a position."""
        n_full = min(position.step, self._n_full)
        rest = zip(range(position.step - n_full), self.steps(n_full), strict=False)
        n_rest = sum(len(rows) for _, step in rest for rows in step)
        return n_full * self._readers.step_rows + n_rest + position.row

    def position_of(self, n_rows: int) -> Position:
        """Return the position after so many rows of an epoch."""
        step = min(n_rows // self._readers.step_rows, self._n_full)
        n_rows -= step * self._readers.step_rows
        for rows in self.steps(step):
            size = sum(map(len, rows))
            if n_rows < size:
                break
            n_rows -= size
            step += 1
        return Position(step, n_rows)

    @property
    def n_rows(self) -> int:
        return self.rows_before(Position(self.n_steps))

    def read(self, spans: Iterator[list[_Rows]]) -> Iterator[list[np.ndarray]]:
        """Yield the arrays of some rows at a time, whose batches are in their order."""
        opened: dict[tuple[int, int], _OpenReader] = {}
        try:
            for parts in spans:
                found = []
                for part in parts:
                    key = part.rank, part.worker
                    if key not in opened:
                        reader = self._by_rank[part.rank][part.worker]
                        opened[key] = _OpenReader(reader.own_arrays(self._epoch, part.batch), part)
                    arrays = opened[key].batch(part.batch)
                    found.append([array[part.start : part.stop] for array in arrays])
                if len(found) == 1:
                    yield found[0]
                else:
                    yield [np.concatenate(same) for same in zip(*found, strict=True)]
        finally:
            for reader_arrays in opened.values():
                reader_arrays.close()


class _OpenReader:
    """The batches of a reader from one on, of which the last that was asked for is kept."""

    def __init__(self, found: Iterator[list[np.ndarray]], first: _Rows) -> None:
        self._found = found
        self._number = first.batch - 1
        self._arrays: list[np.ndarray] = []

    def batch(self, number: int) -> list[np.ndarray]:
        while self._number < number:
            self._arrays = next(self._found)
            self._number += 1
        return self._arrays

    def close(self) -> None:
        close = getattr(self._found, "close", None)
        if close is not None:
            close()


@dataclass(frozen=True, kw_only=True)
class Following:
    """A reader that goes on in the order of other readers.

    Attributes:
        order: Those who gave the rows before.
        mine: Those who read now.
        rank: Of this reader.
        worker: Of this reader, 0 where a rank reads itself.
        drop_remainder: Whether batches of fewer rows are left out.
    """

    order: Readers
    mine: Readers
    rank: int
    worker: int = 0
    drop_remainder: bool = False

    def n_batches(self, steps: EpochSteps, first: Position) -> int:
        """Return the batches of a rank from a position on."""
        if self._keeps_steps(first):
            return steps.n_steps - first.step
        n_rows = steps.n_rows - steps.rows_before(first)
        whole, rest = divmod(n_rows, self.mine.step_rows)
        return whole + (rest > 0 and not self.drop_remainder)

    def position(self, steps: EpochSteps, first: Position, n_given: int) -> Position:
        """Return the position after so many batches of each rank from one on."""
        if self._keeps_steps(first) or not n_given:
            return Position(first.step + n_given, first.row)
        n_rows = steps.rows_before(first) + n_given * self.mine.step_rows
        return steps.position_of(min(n_rows, steps.n_rows))

    def arrays(
        self, steps: EpochSteps, first: Position, n_given: int
    ) -> Iterator[list[np.ndarray]]:
        """Yield the arrays of this reader's batches from a position on, without some of them."""
        return steps.read(self._spans(steps, first, n_given))

    def _keeps_steps(self, first: Position) -> bool:
        is_alike = self.order.step_rows == self.mine.step_rows
        return is_alike and not first.row and not self.drop_remainder

    def _spans(self, steps: EpochSteps, first: Position, n_given: int) -> Iterator[list[_Rows]]:
        """Yield what this reader takes of each step that is its own."""
        readers = self.mine.n_per_rank
        n_skipped = self.worker + n_given * readers
        start = self.position(steps, first, n_skipped)
        together = steps.steps(start.step)
        if not self._keeps_steps(first):
            together = self._regrouped(together, start.row)
        for number, rows in enumerate(together):
            if number % readers == 0:
                n_rows = sum(map(len, rows))
                low = n_rows * self.rank // self.mine.world
                high = n_rows * (self.rank + 1) // self.mine.world
                mine = _between(rows, low, high)
                if mine:
                    yield mine

    def _regrouped(self, steps: Iterator[list[_Rows]], n_skipped: int) -> Iterator[list[_Rows]]:
        """Yield the rows of steps, without the first, as many at a time as all take together."""
        size = self.mine.step_rows
        pending: list[_Rows] = []
        n_pending = -n_skipped
        for step in steps:
            pending += step
            n_pending += sum(map(len, step))
            if n_skipped and n_pending >= 0:
                pending = _between(pending, n_skipped, n_skipped + n_pending)
                n_skipped = 0
            while n_pending >= size:
                yield _between(pending, 0, size)
                pending = _between(pending, size, n_pending)
                n_pending -= size
        if n_pending > 0 and not self.drop_remainder:
            yield pending


def _between(parts: list[_Rows], low: int, high: int) -> list[_Rows]:
    """Return rows [low, high) of what the parts are together."""
    found = []
    for part in parts:
        mine = part.between(low, high)
        if len(mine):
            found.append(mine)
        low, high = low - len(part), high - len(part)
    return found
