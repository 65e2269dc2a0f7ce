"""Whole batches of tensors for torch."""

from __future__ import annotations

import uuid
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from bigdata_cli.errors import MissingDependencyError, UsageError
from bigdata_cli.loaders.base import ReadableDataset
from bigdata_cli.loaders.elastic import Position, Readers, worker_turns
from bigdata_cli.loaders.encode import Encoding, float_dtype
from bigdata_cli.loaders.epochs import EpochStream, StreamOptions
from bigdata_cli.loaders.narrow import NarrowEncoder
from bigdata_cli.loaders.order import check_count, check_not_negative
from bigdata_cli.loaders.states import SavedPosition, check_batches
from bigdata_cli.loaders.stream import BatchStream

try:
    import torch
    from torch.utils.data import IterableDataset, get_worker_info

    from bigdata_cli.loaders.torch_buffers import SharedBuffers, each, forget
    from bigdata_cli.loaders.torch_device import DeviceBatches, DeviceForm, known_device
    from bigdata_cli.loaders.torch_tensors import plain_array, tensors, torch_encoder
    from bigdata_cli.loaders.torch_workers import BatchLoader, Message
except ModuleNotFoundError as error:
    raise MissingDependencyError.for_extra("torch", "torch", purpose="to_torch") from error

MAX_WORKERS = 1_024
(_CURRENT, _WORKERS, _RESUMED, _STEP, _ROW, _WORLD, _ORDER_WORKERS, _BATCH_SIZE, _NEXT) = range(9)
"""Places in the memory that the workers share: the epoch that started last, its number of workers;
the epoch that a state resumes (-1: none), and the position in it; the readers in whose order the
rows come (0: one's own); and then the next epoch of each worker."""


def torch_batches(
    dataset: ReadableDataset,
    options: StreamOptions,
    encoding: Encoding,
    device: str | None = None,
) -> TorchBatches | DeviceBatches:
    """See `Dataset.to_torch`."""
    if device is not None:
        place = known_device(device)
        if encoding.dtype is None:
            batches = TorchBatches(BatchStream(dataset, torch_encoder(dataset, encoding), options))
            return DeviceBatches(batches, place)
        float_dtype(encoding.dtype)
        narrow = NarrowEncoder(dataset, encoding)
        batches = TorchBatches(BatchStream(dataset, narrow, options))
        is_padded = options.sequences is not None and options.sequences.short == "pad"
        return DeviceBatches(batches, place, DeviceForm(narrow.form, place, is_padded=is_padded))
    return TorchBatches(BatchStream(dataset, torch_encoder(dataset, encoding), options))


def rank_and_world(rank: int | None, world: int | None) -> tuple[int, int]:
    """Return a rank and a number of readers: those given, else those of `torch.distributed`."""
    if rank is not None and world is not None:
        return rank, world
    if rank is not None or world is not None:
        raise UsageError("rank and world go together", hint="rank=0, world=2")
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


class TorchBatches(IterableDataset):
    """Whole batches of a stream as tensors, shared among the workers of a DataLoader.

    Each worker opens its own files. Every iteration is the next epoch, or that of `set_epoch`; its
    number is in memory that the workers share, as they may persist.
    """

    def __init__(self, stream: EpochStream) -> None:
        super().__init__()
        self._stream = stream
        self._shared = torch.zeros(_NEXT + MAX_WORKERS, dtype=torch.int64).share_memory_()
        self._shared[_RESUMED] = -1
        self._part: tuple[tuple[int, int], EpochStream] | None = None
        self._name = uuid.uuid4().hex
        self._buffers: SharedBuffers | None = None
        weakref.finalize(self, forget, self._name).atexit = False

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_part": None, "_buffers": None}

    def set_epoch(self, epoch: int) -> None:
        """Let the next iteration be this epoch, from its start."""
        check_not_negative("epoch", epoch)
        self._stream.set_epoch(epoch)
        self._shared[_NEXT:] = self._shared[_CURRENT] = int(epoch)
        self._shared[_RESUMED] = -1

    def __iter__(self) -> Iterator[Any]:
        worker, workers = self._place()
        epoch = int(self._shared[_NEXT + worker])
        reader = self._reader(worker, workers, epoch)
        if worker == 0:
            self._shared[_CURRENT], self._shared[_WORKERS] = epoch, workers
        self._shared[_NEXT + worker] = epoch + 1
        return map(tensors if workers == 0 else self._sent, iter(reader))

    def loader(
        self, num_workers: int, *, multiprocessing_context: str | None = None
    ) -> BatchLoader:
        """Return what reads these batches in some workers, and has their state.

        It is for batches as they are: several of them travel in a message, so that a worker costs
        little for each. A DataLoader is for work of one's own on a batch, in its workers.

        Args:
            num_workers: How many; 0 reads in this process.
            multiprocessing_context: How they start: "fork", "spawn", "forkserver"; by default as
                torch starts them.
        """
        return BatchLoader(self, num_workers, multiprocessing_context)

    def begin(self, workers: int) -> int:
        """Begin the next epoch for workers that read it by `messages`, and return its number."""
        epoch = self.next_epoch()
        self._shared[_CURRENT], self._shared[_WORKERS] = epoch, workers
        self._shared[_NEXT:] = epoch + 1
        return epoch

    def messages(self, max_bytes: int) -> Iterator[Message]:
        """Yield the batches of this worker in the epoch that has begun, several at a time."""
        worker, workers = self._place()
        reader = self._reader(worker, workers, int(self._shared[_CURRENT]))
        for several in reader.stacked(max_bytes):
            yield worker, tensors(several) if workers == 0 else self._sent(several)
        yield worker, None

    def _reader(self, worker: int, workers: int, epoch: int) -> EpochStream:
        """Return the stream of a worker, which begins where the epoch does."""
        readers = self._readers(workers)
        saved = SavedPosition(self._order(workers), epoch, self._first(epoch))
        reader = self._stream
        following = reader.following(saved, readers, worker)
        if following is not None:
            reader.follow(following, epoch, saved.position)
            return reader
        shares, turn = worker_turns(self._totals(epoch, workers), saved.position.step)
        # A DataLoader starts with its first worker, which takes the place of the next in turn.
        part = (worker + turn) % max(1, workers)
        if workers:
            reader = self._part_of(part, readers)
        reader.begin_at(epoch, shares[part])
        return reader

    def _readers(self, workers: int) -> Readers:
        return replace(self._stream.readers, workers=workers)

    def _order(self, workers: int) -> Readers:
        """Return the readers in whose order the rows come."""
        world, order_workers, batch_size = self._shared[_WORLD:_NEXT].tolist()
        if not batch_size:
            return self._readers(workers)
        return Readers(world=world, workers=order_workers, batch_size=batch_size)

    def _first(self, epoch: int) -> Position:
        """Return where an epoch begins."""
        if int(self._shared[_RESUMED]) != epoch:
            return Position()
        return Position(int(self._shared[_STEP]), int(self._shared[_ROW]))

    def _sent(self, batch: Any) -> Any:
        """Return a batch of a worker as tensors that travel in shared memory."""
        if self._buffers is None or not self._buffers.is_of_this_process:
            self._buffers = SharedBuffers(self._name)
        return self._buffers.tensors(each(batch, plain_array), torch.from_numpy)

    def _place(self) -> tuple[int, int]:
        """Return the number of this worker, and of all workers; 0 of 0 where it is none."""
        info = get_worker_info()
        if info is None:
            return 0, 0
        if info.num_workers > MAX_WORKERS:
            raise UsageError(f"there are {info.num_workers} workers; {MAX_WORKERS} are possible")
        return info.id, info.num_workers

    def _part_of(self, part: int, readers: Readers) -> EpochStream:
        """Return the stream of a worker, mostly the same for each epoch."""
        if self._part is None or self._part[0] != (part, readers.workers):
            reader = self._stream.of_reader(readers, self._stream.options.rank, part)
            self._part = (part, readers.workers), reader
        return self._part[1]

    def batches_in(self, epoch: int, *, num_workers: int = 0) -> int:
        """Return the number of batches that a DataLoader gives in an epoch."""
        return self._batches_after(epoch, num_workers, Position())

    def _batches_after(self, epoch: int, workers: int, first: Position) -> int:
        """Return the number of batches of an epoch from a position on."""
        order = self._order(workers)
        following = self._stream.following(
            SavedPosition(order, epoch, first), self._readers(workers)
        )
        if following is None:
            return max(0, sum(self._totals(epoch, workers)) - first.step)
        return following.n_batches(self._stream.steps(order, epoch), first)

    def _totals(self, epoch: int, workers: int) -> list[int]:
        if workers == 0:
            return [self._stream.own_batches_in(epoch)]
        readers, rank = self._readers(workers), self._stream.options.rank
        return [
            self._stream.of_reader(readers, rank, worker).own_batches_in(epoch)
            for worker in range(workers)
        ]

    def state_dict(self, *, batches: int | None = None) -> dict[str, Any]:
        """Return the position of the iteration that started last, as JSON values.

        Args:
            batches: How many batches were taken from the DataLoader since the iteration started, at
                least one. Needed with workers, as they read ahead.
        """
        workers = int(self._shared[_WORKERS])
        if workers == 0 and batches is None:
            return self._stream.state_dict()
        if batches is None:
            raise UsageError(
                f"{workers} workers read ahead of what was taken from the DataLoader",
                hint="state_dict(batches=N), with the number of batches taken in this epoch",
            )
        check_count("batches", batches)
        return self.state_after(batches, epoch=int(self._shared[_CURRENT]), workers=workers)

    def next_epoch(self) -> int:
        """Return the epoch that the next iteration is of."""
        return int(self._shared[_NEXT])

    def next_state(self, workers: int) -> dict[str, Any]:
        """Return the position at which the next iteration begins."""
        return self.state_after(0, epoch=self.next_epoch(), workers=workers)

    def state_after(self, batches: int, *, epoch: int, workers: int) -> dict[str, Any]:
        """Return the position after so many batches of the iteration that is of an epoch."""
        first, order = self._first(epoch), self._order(workers)
        check_batches(epoch, batches, self._batches_after(epoch, workers, first))
        position = Position(first.step + batches, first.row)
        following = self._stream.following(
            SavedPosition(order, epoch, first), self._readers(workers)
        )
        if following is not None:
            position = following.position(self._stream.steps(order, epoch), first, batches)
        return self._stream.state_of(SavedPosition(order, epoch, position))

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next iteration continue at a state, with exactly the rows that remained.

        The state may be of any rank and of other readers; see `EpochStream.load_state_dict`.

        Raises:
            UsageError: The state is of other data or of other options.
        """
        saved = self._stream.saved_position(state)
        self._stream.load_state_dict(state)
        order, position = saved.order, saved.position
        self._shared[_NEXT:] = self._shared[_CURRENT] = self._shared[_RESUMED] = saved.epoch
        self._shared[_STEP], self._shared[_ROW] = position.step, position.row
        self._shared[_WORKERS] = order.workers
        self._shared[_WORLD:_NEXT] = torch.tensor([order.world, order.workers, order.batch_size])
