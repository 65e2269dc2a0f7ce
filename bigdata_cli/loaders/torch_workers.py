"""Batches of workers, several in a message.

A DataLoader asks its workers for one batch at a time. What it does for each, in queues and their
threads there and here, costs more than to read a batch of 512 rows. Here a message has several
batches, one after the other in its arrays, and is cut into them where it arrives. They come in the
order in which a DataLoader gives them, so states are the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from itertools import cycle
from operator import itemgetter
from typing import Any, Protocol

from torch.utils.data import DataLoader, IterableDataset

from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.order import check_not_negative
from bigdata_cli.loaders.torch_buffers import each

MESSAGE_BYTES = 1_000_000
"""About the size of the arrays of a message. A worker has at most four of them in its buffers."""

Message = tuple[int, Any]
"""The number of a worker, and batches: tensors of (batches, rows, …), None after its last one."""


class SharedBatches(Protocol):
    """Batches that the workers of a loader share; `TorchBatches` has them."""

    def begin(self, workers: int) -> int: ...
    def messages(self, max_bytes: int) -> Iterator[Message]: ...
    def set_epoch(self, epoch: int) -> None: ...
    def batches_in(self, epoch: int, *, num_workers: int = 0) -> int: ...
    def next_epoch(self) -> int: ...
    def state_dict(self, *, batches: int | None = None) -> dict[str, Any]: ...
    def next_state(self, workers: int) -> dict[str, Any]: ...
    def state_after(self, batches: int, *, epoch: int, workers: int) -> dict[str, Any]: ...
    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


class _Messages(IterableDataset):
    """What a worker sends."""

    def __init__(self, batches: SharedBatches) -> None:
        super().__init__()
        self._batches = batches

    def __iter__(self) -> Iterator[Message]:
        return self._batches.messages(MESSAGE_BYTES)


def _unchanged(message: Message) -> Message:
    return message


class BatchLoader:
    """The batches that some workers read; each iteration is an epoch, or what remains of one.

    Workers start with the first iteration, and end with the loader. Unlike with a DataLoader, a
    state needs no count of what was taken, as batches are handed out here.
    """

    def __init__(
        self, batches: SharedBatches, num_workers: int, multiprocessing_context: str | None
    ) -> None:
        """See `TorchBatches.loader`."""
        check_not_negative("num_workers", num_workers)
        self._batches = batches
        self._n_workers = int(num_workers)
        self._messages: Any = _Messages(batches)
        if self._n_workers:
            self._messages = DataLoader(
                self._messages,
                batch_size=None,
                num_workers=self._n_workers,
                collate_fn=_unchanged,
                persistent_workers=True,
                multiprocessing_context=multiprocessing_context,
            )
        self._epoch: int | None = None
        self._n_taken = 0
        self._n_begun = 0

    def __iter__(self) -> Iterator[Any]:
        self._n_begun += 1
        self._epoch, self._n_taken = self._batches.begin(self._n_workers), 0
        return self._handed_out(iter(self._messages), self._n_begun)

    def _handed_out(self, messages: Iterator[Message], number: int) -> Iterator[Any]:
        """Yield the batches of messages, and count them."""
        batches = in_turns(messages, max(1, self._n_workers))
        while True:
            if number != self._n_begun:
                raise UsageError(
                    "another iteration of this loader has begun, and its workers read for that one",
                    hint="a loader for each loop",
                )
            batch = next(batches, None)
            if batch is None:
                self._end()
                return
            self._n_taken += 1
            yield batch

    def _end(self) -> None:
        self._epoch, self._n_taken = None, 0

    def __len__(self) -> int:
        """The number of batches of an epoch: the one that is read, or else the next one."""
        epoch = self._batches.next_epoch() if self._epoch is None else self._epoch
        return self._batches.batches_in(epoch, num_workers=self._n_workers)

    def batches_in(self, epoch: int) -> int:
        """Return the number of batches of an epoch."""
        return self._batches.batches_in(epoch, num_workers=self._n_workers)

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration be this epoch, from its start."""
        self._batches.set_epoch(epoch)
        self._end()

    def loader(
        self, num_workers: int, *, multiprocessing_context: str | None = None
    ) -> BatchLoader:
        """Return a loader of the same batches with other workers."""
        return BatchLoader(self._batches, num_workers, multiprocessing_context)

    def state_dict(self, *, batches: int | None = None) -> dict[str, Any]:
        """Return the position of the iteration that started last, as JSON values.

        After its last batch this is the start of the next epoch.

        Args:
            batches: How many batches were used, at least one, where not all that were taken are.
        """
        if batches is not None:
            return self._batches.state_dict(batches=batches)
        if self._epoch is None:
            return self._batches.next_state(self._n_workers)
        return self._batches.state_after(self._n_taken, epoch=self._epoch, workers=self._n_workers)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next iteration continue at a state; see `TorchBatches.load_state_dict`."""
        self._batches.load_state_dict(state)
        self._end()


def in_turns(messages: Iterator[Message], n_workers: int) -> Iterator[Any]:
    """Yield the batches of messages as a DataLoader does: one of each worker in turns.

    Workers that have no more are left out.
    """
    waiting: list[deque[Any]] = [deque() for _ in range(n_workers)]
    running = set(range(n_workers))
    for worker in cycle(range(n_workers)):
        while worker in running and not waiting[worker]:
            sender, several = next(messages)
            if several is None:
                running.remove(sender)
            else:
                waiting[sender].extend(_cut(several))
        if waiting[worker]:
            yield waiting[worker].popleft()
        elif not running and not any(waiting):
            break
    for _ in messages:  # the DataLoader learns that its workers have ended
        pass


def _cut(several: Any) -> Iterator[Any]:
    """Yield the batches of a message."""
    for number in range(_n_batches(several)):
        yield each(several, itemgetter(number))


def _n_batches(several: Any) -> int:
    while isinstance(several, (tuple, dict)):
        several = next(iter(several.values() if isinstance(several, dict) else several))
    return len(several)
