"""The batches of a dataset, epoch after epoch, in bounded memory, from where one left off.

    pieces (order.py) → decoded, a few at a time, in threads → window, its rows permuted → batches

A window holds whole batches, so that what is done can be skipped by counting rows.
"""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import count, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from bigdata_cli.errors import UsageError
from bigdata_cli.io.prefetch import Prefetch
from bigdata_cli.loaders.by_number import OpenShard
from bigdata_cli.loaders.encode import Encoder
from bigdata_cli.loaders.order import (
    Piece,
    check_count,
    check_epoch,
    check_rank,
    check_seed,
    epoch_pieces,
    rows_by_shard,
    split_rows,
    window_order,
)
from bigdata_cli.resources.memory import available_cpus

if TYPE_CHECKING:
    import pyarrow as pa

    from bigdata_cli.dataset import Dataset

WINDOW_BYTES = 24_000_000
"""Of a window whose rows are permuted: that being filled, one ahead, and that being cut."""
ORDERED_WINDOW_BYTES = 8_000_000
PIECE_BYTES = 4_000_000
"""Of a block, about; more where a format's own blocks are larger."""
MAX_THREADS = 4
_ALIGNED_BATCHES = 16
"""Of 4 bytes for each value, so many begin at multiples of 64 bytes: TensorFlow copies others."""
_STATE_VERSION = 1
_STATE_FIELDS = ("version", "seed", "epoch", "batches", "fingerprint")


@dataclass(frozen=True, kw_only=True)
class StreamOptions:
    """What is drawn from a dataset; `split` as in `order.split_rows`."""

    batch_size: int
    shuffle: bool = False
    seed: int = 0
    split: str | None = None
    drop_remainder: bool = False
    rank: int = 0
    world: int = 1

    def check(self) -> None:
        """Raise UsageError for what cannot be."""
        check_count("batch_size", self.batch_size)
        check_seed(self.seed)
        check_rank(self.rank, self.world)


class BatchStream:
    """The batches of one epoch for each time it is iterated; every row once in an epoch.

    Each iteration is the next epoch, with the rows in another order where they are shuffled, or
    the one that `set_epoch` names. Batches have exactly `batch_size` rows, the last may have
    fewer. Their arrays are the caller's own. Memory is that of a few windows of about 24 MB,
    whatever the dataset's size, and of smaller ones where `sharers` read beside each other.
    `threads` decode.
    """

    def __init__(
        self,
        dataset: Dataset,
        encoder: Encoder,
        options: StreamOptions,
        *,
        threads: int | None = None,
        sharers: int = 1,
    ) -> None:
        options.check()
        self.dataset = dataset
        self.encoder = encoder
        self.options = options
        self.threads = min(MAX_THREADS, available_cpus()) if threads is None else threads
        split = split_rows(options.split, dataset.rows)
        self._shards = rows_by_shard([shard.rows for shard in dataset.shards], split)
        self._n_split = len(split)
        if self._n_split < options.world and (self._n_split or options.world > 1):
            raise UsageError(
                f"there is nothing to read for {options.world - self._n_split} of "
                f"{options.world} readers: {dataset.path} has {self._n_split:,} rows here",
                hint="fewer ranks and workers, or a larger split",
            )
        self._block_rows = self._rows_of_block()
        shuffled_bytes = max(ORDERED_WINDOW_BYTES, WINDOW_BYTES // sharers)
        window_bytes = shuffled_bytes if options.shuffle else ORDERED_WINDOW_BYTES
        batch_bytes = max(1.0, encoder.row_bytes) * options.batch_size
        self._window_batches = max(1, int(window_bytes / batch_bytes))
        self._epoch = 0
        self._given = 0
        self._started = False

    def _rows_of_block(self) -> int | None:
        unit = self.dataset.format.block_rows(self.dataset.schema, self.dataset.storage)
        if unit is None:
            return None
        wanted = max(1, int(PIECE_BYTES / max(1.0, self.encoder.row_bytes)))
        return -(-wanted // unit) * unit

    @property
    def window_rows(self) -> int:
        """Rows of a window, whole batches."""
        return self._window_batches * self.options.batch_size

    def pieces(self, epoch: int) -> list[Piece]:
        """What this reader reads in an epoch, in order."""
        return epoch_pieces(
            self._shards,
            block_rows=self._block_rows,
            shuffle=self.options.shuffle,
            seed=self.options.seed,
            epoch=epoch,
            rank=self.options.rank,
            world=self.options.world,
        )

    def batches_in(self, epoch: int) -> int:
        """How many batches an epoch has, counted from the manifest."""
        n_rows = sum(len(piece) for piece in self.pieces(epoch))
        whole, rest = divmod(n_rows, self.options.batch_size)
        return whole + (rest > 0 and not self.options.drop_remainder)

    def __len__(self) -> int:
        """How many batches the next iteration has from its beginning."""
        return self.batches_in(self._epoch)

    def set_epoch(self, epoch: int) -> None:
        """Make the next iteration this epoch, from its beginning."""
        check_epoch(epoch)
        self._epoch, self._given, self._started = int(epoch), 0, False

    def __iter__(self) -> Iterator[Any]:
        return self._batches(*self._begin())

    def for_epochs(self, epochs: int | None) -> Iterator[Any]:
        """The batches of so many epochs, one after the other; None: without an end."""
        if epochs is not None:
            check_count("epochs", epochs)
        if self._n_split == 0:
            return iter(())
        turns = count() if epochs is None else range(epochs)
        return (batch for _ in turns for batch in self)

    def _begin(self) -> tuple[int, int]:
        """The epoch that begins now, and the batches of it that were given before."""
        if self._started:
            self._epoch, self._given = self._epoch + 1, 0
        self._started = True
        return self._epoch, self._given

    def _batches(self, epoch: int, given: int) -> Iterator[Any]:
        size = self.options.batch_size
        for arrays in self._windows(epoch, given):
            for start in range(0, len(arrays[0]), size):
                batch = self.encoder.batch([array[start : start + size] for array in arrays])
                self._count(epoch, 1)
                yield batch
        self._end(epoch)

    def stacked(self, max_bytes: int) -> Iterator[Any]:
        """An epoch as `__iter__` gives it, several batches together: (batches, rows, …).

        The last has one batch with the rows that remain.
        """
        size = self.options.batch_size
        batches = max(1, int(max_bytes / max(1.0, self.encoder.row_bytes * size)))
        if batches > _ALIGNED_BATCHES:
            batches -= batches % _ALIGNED_BATCHES
        most = batches * size
        epoch, given = self._begin()
        for arrays in self._windows(epoch, given):
            n_rows = len(arrays[0])
            whole = n_rows // size * size
            cuts = [(start, min(start + most, whole)) for start in range(0, whole, most)]
            for start, stop in [*cuts, (whole, n_rows)]:
                if start < stop:
                    rows = min(size, stop - start)
                    self._count(epoch, (stop - start) // rows)
                    yield self.encoder.batch(
                        [a[start:stop].reshape(-1, rows, *a.shape[1:]) for a in arrays]
                    )
        self._end(epoch)

    def _count(self, epoch: int, batches: int) -> None:
        if epoch == self._epoch and self._started:
            self._given += batches

    def _end(self, epoch: int) -> None:
        """After its last batch an epoch is over: what goes on from there is the next one."""
        if epoch == self._epoch and self._started:
            self._epoch, self._given, self._started = epoch + 1, 0, False

    def _windows(self, epoch: int, given: int) -> Iterator[list[np.ndarray]]:
        """The arrays of the windows, without the batches that were given before."""
        size = self.options.batch_size
        first, skipped = divmod(given, self._window_batches)
        ahead = Prefetch(self._filled(epoch, first), depth=1, name="bigdata loader")
        try:
            for arrays in ahead:
                n_rows = len(arrays[0])
                if self.options.drop_remainder:
                    n_rows -= n_rows % size
                yield [array[skipped * size : n_rows] for array in arrays]
                skipped = 0
        finally:
            ahead.close()

    def _filled(self, epoch: int, first: int) -> Generator[list[np.ndarray]]:
        """The windows from the `first` on, filled and permuted."""
        pieces = _without(self.pieces(epoch), first * self.window_rows)
        left = sum(len(piece) for piece in pieces)
        window = first
        chunks = self._decoded(pieces)
        rest: list[np.ndarray] = []
        try:
            while left:
                n_rows = min(left, self.window_rows)
                arrays = self.encoder.empty(n_rows)
                places = self._places(n_rows, epoch, window)
                filled = 0
                while filled < n_rows:
                    chunk = rest or next(chunks)
                    take = min(len(chunk[0]), n_rows - filled)
                    target = slice(filled, filled + take)
                    where = target if places is None else places[target]
                    for array, values in zip(arrays, chunk, strict=True):
                        _put(array, where, values[:take])
                    rest = [values[take:] for values in chunk] if take < len(chunk[0]) else []
                    filled += take
                yield arrays
                del arrays
                left -= n_rows
                window += 1
        finally:
            chunks.close()

    def _places(self, n_rows: int, epoch: int, window: int) -> np.ndarray | None:
        if not self.options.shuffle:
            return None
        options = self.options
        return window_order(
            n_rows, seed=options.seed, epoch=epoch, rank=options.rank, window=window
        )

    def _decoded(self, pieces: Sequence[Piece]) -> Generator[list[np.ndarray]]:
        """The rows of the pieces in order, as the encoder's arrays."""
        opened = None
        if self.dataset.format.traits.has_row_access and not self.encoder.takes_matrix():
            opened = OpenShard(self.dataset, self.encoder)
        if self.threads == 1 or self._block_rows is None or len(pieces) < 2:
            for piece in pieces:
                yield from self._decode(piece, opened)
            return
        pool = ThreadPoolExecutor(self.threads, thread_name_prefix="bigdata decoder")
        running: deque[Future[list[list[np.ndarray]]]] = deque()
        waiting = iter(pieces)
        try:
            while True:
                for piece in islice(waiting, self.threads - len(running)):
                    running.append(pool.submit(self._decode_all, piece, opened))
                if not running:
                    return
                yield from running.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _decode_all(self, piece: Piece, opened: OpenShard | None) -> list[list[np.ndarray]]:
        return list(self._decode(piece, opened))

    def _decode(self, piece: Piece, opened: OpenShard | None) -> Iterator[list[np.ndarray]]:
        rows = range(piece.start, piece.stop)
        encoder = self.encoder
        max_rows = min(65_536, max(256, int(PIECE_BYTES / max(1.0, encoder.row_bytes))))
        if encoder.takes_matrix():
            for X, y in self.dataset.read_matrix(piece.shard, rows=rows, max_rows=max_rows):
                yield encoder.encode_matrix(X, y)
            return
        names = [column.name for column in encoder.columns]
        if encoder.takes_floats():
            for X, label in _read_floats(self.dataset, piece, names, max_rows):
                yield encoder.encode_floats(X, label)
            return
        if opened is not None:
            batches = opened.read(piece.shard, rows, max_rows)
        else:
            batches = self.dataset.read_shard(piece.shard, names, rows=rows, max_rows=max_rows)
        for batch in batches:
            yield encoder.encode(batch)

    def fingerprint(self) -> str:
        """A digest of the dataset and of all that decides which batches there are."""
        known = {
            "manifest": self.dataset.manifest.to_json(),
            "options": vars(self.options),
            "columns": [column.name for column in self.encoder.columns],
            "arrays": [(s.name, str(s.dtype), list(s.row_shape)) for s in self.encoder.specs],
            "window": [self.window_rows, self._block_rows],
        }
        text = json.dumps(known, sort_keys=True)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    def state_dict(self) -> dict[str, Any]:
        """Where the stream is: JSON values. What comes next after `load_state_dict` is what would.

        At the end of an epoch that is the next one. The state is of the iteration begun last.
        """
        return self.state_at(self._epoch, self._given)

    def state_at(self, epoch: int, batches: int) -> dict[str, Any]:
        """The state after so many batches of an epoch; UsageError where it has not as many."""
        check_epoch(epoch)
        total = self.batches_in(epoch)
        if not 0 <= batches <= total:
            raise UsageError(f"epoch {epoch} has {total:,} batches, and not {batches:,}")
        return {
            "version": _STATE_VERSION,
            "seed": self.options.seed,
            "epoch": epoch,
            "batches": batches,
            "fingerprint": self.fingerprint(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on in the next iteration with exactly the batches that were still to come.

        Raises UsageError for the state of another dataset or of other options.
        """
        check_state(state)
        if state["fingerprint"] != self.fingerprint():
            raise UsageError(
                f"the state is not of this stream of {self.dataset.path}: the dataset, the batch "
                "size, the columns, the split, the seed or another option differs",
                hint="make the stream with what it had when state_dict() was taken",
            )
        self.state_at(state["epoch"], state["batches"])
        self._epoch, self._given, self._started = state["epoch"], state["batches"], False

    def part(self, part: int, parts: int) -> BatchStream:
        """The stream of one of several workers that share what this one reads."""
        options = self.options
        shared = replace(options, rank=options.rank * parts + part, world=options.world * parts)
        return BatchStream(self.dataset, self.encoder, shared, threads=1, sharers=parts)


def _read_floats(
    dataset: Dataset, piece: Piece, names: Sequence[str], max_rows: int
) -> Iterator[tuple[np.ndarray, pa.Array]]:
    """The rows of a piece as (X, label), of columns whose last is the label."""
    dataset.check_files(piece.shard)
    found, rows = 0, range(piece.start, piece.stop)
    for X, label in dataset.format.read_floats(
        dataset.path,
        dataset.shards[piece.shard].file_names,
        dataset.schema,
        dataset.storage,
        features=names[:-1],
        label=names[-1],
        max_rows=max_rows,
        rows=rows,
    ):
        found += len(X)
        yield X, label
    dataset.check_rows(piece.shard, found, rows)


def check_state(state: Any) -> None:
    """Raise UsageError for what `state_dict` cannot have given."""
    if not isinstance(state, Mapping) or any(name not in state for name in _STATE_FIELDS):
        raise UsageError(f"a state has {', '.join(_STATE_FIELDS)}: it is what state_dict() gave")
    if state["version"] != _STATE_VERSION:
        raise UsageError(f"the state has version {state['version']!r}, and not {_STATE_VERSION}")
    if type(state["epoch"]) is not int or type(state["batches"]) is not int:
        raise UsageError("the epoch and the batches of a state are integers")


def _without(pieces: Sequence[Piece], n_rows: int) -> list[Piece]:
    """The pieces without their first rows."""
    left = []
    for piece in pieces:
        skipped = min(n_rows, len(piece))
        n_rows -= skipped
        if skipped < len(piece):
            left.append(replace(piece, start=piece.start + skipped))
    return left


def _put(array: np.ndarray, where: slice | np.ndarray, values: np.ndarray) -> None:
    """Write rows to places of an array; those of a matrix as one item each, three times as fast."""
    if isinstance(where, slice) or array.ndim == 1 or array.shape[1] == 0:
        array[where] = values
        return
    item = np.dtype((np.void, array.itemsize * array.shape[1]))
    rows = np.ascontiguousarray(values, array.dtype).view(item)[:, 0]
    array.view(item)[:, 0][where] = rows
