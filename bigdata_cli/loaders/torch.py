"""Datasets for torch: whole batches of tensors, or rows by their number."""

from __future__ import annotations

import uuid
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bigdata_cli.errors import MissingDependencyError, UsageError
from bigdata_cli.loaders.access import RandomAccess
from bigdata_cli.loaders.base import Encoder, ReadableDataset
from bigdata_cli.loaders.elastic import Position, Readers, worker_turns
from bigdata_cli.loaders.encode import Encoding, float_dtype, learned_dtype
from bigdata_cli.loaders.epochs import EpochStream, StreamOptions
from bigdata_cli.loaders.make_encoder import make_encoder
from bigdata_cli.loaders.narrow import NarrowEncoder
from bigdata_cli.loaders.order import check_count, check_not_negative, split_rows
from bigdata_cli.loaders.states import SavedPosition, check_batches
from bigdata_cli.loaders.stream import BatchStream

try:
    import torch
    from torch.utils.data import Dataset as MapDataset
    from torch.utils.data import IterableDataset, get_worker_info

    from bigdata_cli.loaders.torch_buffers import SharedBuffers, each, forget
    from bigdata_cli.loaders.torch_device import DeviceBatches, DeviceForm, known_device
except ModuleNotFoundError as error:
    raise MissingDependencyError.for_extra("torch", "torch", purpose="to_torch") from error

MAX_WORKERS = 1_024
(_CURRENT, _WORKERS, _RESUMED, _STEP, _ROW, _WORLD, _ORDER_WORKERS, _BATCH_SIZE, _NEXT) = range(9)
"""Places in the memory that the workers share: the epoch that started last, its number of workers;
the epoch that a state resumes (-1: none), and the position in it; the readers in whose order the
rows come (0: one's own); and then the next epoch of each worker."""
_WIDER: dict[np.dtype, np.dtype] = {
    np.dtype("uint16"): np.dtype("int32"),
    np.dtype("uint32"): np.dtype("int64"),
}
"""torch has these dtypes, but hardly any operation for them."""


def _array(values: Any) -> Any:
    """Return an array of a dtype that torch can compute with; text is str, or a list of str."""
    array = np.asarray(values)
    if array.dtype.kind in "OU":
        return array.tolist()
    wider = _WIDER.get(array.dtype)
    return array if wider is None else array.astype(wider)


def _tensor(values: Any) -> Any:
    """Return a tensor that shares the memory of an array; text stays what it is."""
    array = _array(values)
    return torch.from_numpy(array) if isinstance(array, np.ndarray) else array


def _tensors(value: Any) -> Any:
    """Return a batch with tensors in place of its arrays."""
    return each(value, _tensor)


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
            batches = TorchBatches(BatchStream(dataset, _torch_encoder(dataset, encoding), options))
            return DeviceBatches(batches, place)
        float_dtype(encoding.dtype)
        narrow = NarrowEncoder(dataset, encoding)
        batches = TorchBatches(BatchStream(dataset, narrow, options))
        is_padded = options.sequences is not None and options.sequences.short == "pad"
        return DeviceBatches(batches, place, DeviceForm(narrow.form, place, is_padded=is_padded))
    return TorchBatches(BatchStream(dataset, _torch_encoder(dataset, encoding), options))


def _torch_encoder(dataset: ReadableDataset, encoding: Encoding) -> Encoder:
    label_dtype = learned_dtype(dataset, encoding)
    return make_encoder(dataset, replace(encoding, label_dtype=label_dtype), plain=True)


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
        readers = self._readers(workers)
        saved = SavedPosition(self._order(workers), epoch, self._first(epoch))
        reader = self._stream
        following = reader.following(saved, readers, worker)
        if following is not None:
            reader.follow(following, epoch, saved.position)
        else:
            shares, turn = worker_turns(self._totals(epoch, workers), saved.position.step)
            # A DataLoader starts with its first worker, which takes the place of the next in turn.
            part = (worker + turn) % max(1, workers)
            if workers:
                reader = self._part_of(part, readers)
            reader.begin_at(epoch, shares[part])
        if worker == 0:
            self._shared[_CURRENT], self._shared[_WORKERS] = epoch, workers
        self._shared[_NEXT + worker] = epoch + 1
        return map(_tensors if workers == 0 else self._sent, iter(reader))

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
        return self._buffers.tensors(each(batch, _array), torch.from_numpy)

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
        epoch = int(self._shared[_CURRENT])
        first, order = self._first(epoch), self._order(workers)
        n_batches = self._batches_after(epoch, workers, first)
        check_batches(epoch, batches, n_batches)
        position = Position(first.step + batches)
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


def torch_rows(dataset: ReadableDataset, encoding: Encoding, *, split: str | None) -> TorchRows:
    """See `Dataset.to_torch_map`."""
    encoder = _torch_encoder(dataset, encoding)
    return TorchRows(dataset, encoder, split_rows(split, dataset.rows))


class TorchRows(MapDataset):
    """Rows by their number, as tensors, for the samplers of torch.

    `rows[7]` is one row, `rows[[3, 1, 4]]` a batch that is read at once, as a DataLoader does with
    `sampler=BatchSampler(RandomSampler(rows), 512, drop_last=False), batch_size=None`. With its own
    `batch_size` a DataLoader calls `__getitems__`, and collates the rows.
    """

    def __init__(self, dataset: ReadableDataset, encoder: Encoder, rows: range) -> None:
        self._encoder = encoder
        self._rows = rows
        self._access = RandomAccess(dataset, encoder)

    def __len__(self) -> int:
        return len(self._rows)

    def _take(self, numbers: Sequence[int]) -> list[np.ndarray]:
        wanted = np.asarray(numbers, np.int64).reshape(-1)
        n_rows = len(self._rows)
        if len(wanted) and not (-n_rows <= wanted.min() and wanted.max() < n_rows):
            raise IndexError(f"there are {n_rows:,} rows")
        return self._access.take(self._rows.start + wanted % max(1, n_rows))

    def __getitem__(self, index: Any) -> Any:
        if np.ndim(index) == 0:
            return self.__getitems__([index.__index__()])[0]
        return _tensors(self._encoder.batch(self._take(index)))

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        """Return rows one by one, read at once."""
        arrays = self._take(indices)
        return [
            _tensors(self._encoder.batch([array[row] for array in arrays]))
            for row in range(len(arrays[0]))
        ]
