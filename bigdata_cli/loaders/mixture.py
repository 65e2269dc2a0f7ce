"""Batches that mix the rows of several datasets, in shares that do not change."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.base import Encoder, ReadableDataset
from bigdata_cli.loaders.elastic import Readers
from bigdata_cli.loaders.encode import Encoding
from bigdata_cli.loaders.epochs import EpochStream, StreamOptions
from bigdata_cli.loaders.make_encoder import make_encoder
from bigdata_cli.loaders.normalized import normalized_together
from bigdata_cli.loaders.order import MIXTURES, generator
from bigdata_cli.loaders.stream import BatchStream
from bigdata_cli.types.dtype import Kind


class MixedStream(EpochStream):
    """The batches of several streams, one of each together, epoch after epoch.

    An epoch ends when every row of every dataset was there at least once: those with fewer batches
    begin their next epoch, in another order. A batch has fewer rows where one of them ends.
    """

    def __init__(
        self,
        streams: Sequence[BatchStream],
        options: StreamOptions,
        weights: Sequence[float] | None,
    ) -> None:
        """Make a stream of others, whose batch sizes are the shares.

        Args:
            streams: The streams; their rows have the same arrays.
            options: Those of the mixture: the sum of the batch sizes, the seed, the reader.
            weights: What the shares follow from.
        """
        super().__init__(options)
        self.streams = tuple(streams)
        self.encoder = streams[0].encoder
        self._weights = weights
        for stream in self.streams:
            if stream.batches_of_every_epoch is None:
                raise UsageError(
                    f"{stream.dataset.path} cannot be mixed for several readers: each of them has "
                    "whole shards, of other rows in each epoch",
                    hint="one reader, without workers; or another format or compression",
                )

    @property
    def batches_of_every_epoch(self) -> int:
        """The number of batches of each epoch."""
        return self.own_batches_in(0)

    def own_batches_in(self, epoch: int) -> int:
        """Return the number of batches of an epoch: those of the longest dataset."""
        return max(stream.own_batches_in(epoch) for stream in self.streams)

    def full_batches_in(self, epoch: int) -> int:
        """Return the number of batches before the first that has fewer rows."""
        counts = [(s.full_batches_in(epoch), s.own_batches_in(epoch)) for s in self.streams]
        return min([self.own_batches_in(epoch), *(full for full, all_ in counts if full < all_)])

    def batch_rows(self, epoch: int) -> Callable[[int], int]:
        """Return what gives the rows of a batch of an epoch, by its number."""
        n_batches = self.own_batches_in(epoch)

        def n_rows(number: int) -> int:
            total = 0
            for stream in self.streams:
                inner, place = _inner_epoch(stream, epoch, number, n_batches)
                total += stream.batch_rows(inner)(place)
            return total

        return n_rows

    def own_arrays(self, epoch: int, n_given: int) -> Iterator[list[np.ndarray]]:
        """Return the arrays of the batches of an epoch after so many."""
        n_batches = self.own_batches_in(epoch)
        parts = [_repeated(stream, epoch, n_given, n_batches) for stream in self.streams]
        try:
            for number in range(n_given, n_batches):
                arrays = [
                    np.concatenate(same)
                    for same in zip(*(next(part) for part in parts), strict=True)
                ]
                if self.options.shuffle:
                    order = generator(
                        self.options.seed, epoch, MIXTURES, self.options.rank, number
                    ).permutation(len(arrays[0]))
                    arrays = [array[order] for array in arrays]
                yield arrays
        finally:
            for part in parts:
                part.close()

    @property
    def _source(self) -> str:
        return "this mixture of " + ", ".join(str(s.dataset.path) for s in self.streams)

    def data_description(self) -> Any:
        """What the rows are of, as JSON values."""
        return [stream.data_description() for stream in self.streams]

    def order_description(self) -> Any:
        """All but the data and the readers that the batches follow from, as JSON values."""
        sizes = [stream.options.batch_size for stream in self.streams]
        return [
            self.options.shuffle,
            sizes,
            [stream.order_description() for stream in self.streams],
        ]

    def of_reader(
        self, readers: Readers, rank: int, worker: int, *, reads_ahead: bool = True
    ) -> MixedStream:
        """Return the stream of one of those who share the rows of all ranks of this one."""
        shared = replace(
            self.options,
            rank=readers.number_of(rank, worker),
            world=readers.n_readers,
            batch_size=readers.batch_size,
        )
        sizes = batch_shares(self._weights, len(self.streams), readers.batch_size)
        streams = [
            stream.of_reader(
                replace(readers, batch_size=size), rank, worker, reads_ahead=reads_ahead
            )
            for stream, size in zip(self.streams, sizes, strict=True)
        ]
        return MixedStream(streams, shared, self._weights)


def _repeated(
    stream: BatchStream, epoch: int, n_given: int, n_batches: int
) -> Generator[list[np.ndarray]]:
    """Yield the arrays of `n_batches` batches without the first ones, over the epochs it takes."""
    number = n_given
    while number < n_batches:
        inner, place = _inner_epoch(stream, epoch, number, n_batches)
        reader = stream.with_encoder(stream.encoder)
        reader.begin_at(inner, place)
        for arrays in reader.arrays():
            yield arrays
            number += 1
            if number == n_batches:
                return


def _inner_epoch(stream: BatchStream, epoch: int, number: int, n_batches: int) -> tuple[int, int]:
    """Return the epoch of a stream, and its batch, that is in a batch of a mixture's epoch."""
    n_own = stream.own_batches_in(0)
    turn, place = divmod(number, n_own)
    return epoch * math.ceil(n_batches / n_own) + turn, place


def mixed_stream(
    datasets: Sequence[ReadableDataset],
    weights: Sequence[float] | None,
    options: StreamOptions,
    encoding: Encoding,
    *,
    plain: bool = False,
) -> MixedStream:
    """Return the stream of a mixture; see `bigdata_cli.mix`.

    Raises:
        UsageError: The datasets have other columns, or a share is less than a row of a batch.
    """
    sizes = batch_shares(weights, len(datasets), options.batch_size)
    encoders: Sequence[Encoder]
    if encoding.normalize:
        encoders = normalized_together(datasets, encoding, batch_weights(weights, len(datasets)))
    else:
        encoders = [make_encoder(dataset, encoding, plain=plain) for dataset in datasets]
    streams = []
    for place, (dataset, encoder, size) in enumerate(zip(datasets, encoders, sizes, strict=True)):
        own = replace(options, batch_size=size, seed=options.seed + place)
        streams.append(BatchStream(dataset, encoder, own, sharers=len(datasets)))
    first = streams[0]
    for other in streams[1:]:
        _check_compatible(first, other)
    for stream in streams:
        if not stream.batches_in(0):
            raise UsageError(f"{stream.dataset.path} has no rows to mix")
    return MixedStream(streams, options, weights)


def batch_shares(weights: Sequence[float] | None, n_datasets: int, batch_size: int) -> list[int]:
    """Return how many rows of a batch are of each dataset: the weights, to the nearest row.

    >>> batch_shares([0.7, 0.3], 2, 512), batch_shares(None, 3, 100)
    ([358, 154], [34, 33, 33])
    """
    given = batch_weights(weights, n_datasets)
    exact = [batch_size * weight / sum(given) for weight in given]
    sizes = [int(size) for size in exact]
    by_rest = sorted(range(n_datasets), key=lambda place: (sizes[place] - exact[place], place))
    for place in by_rest[: batch_size - sum(sizes)]:
        sizes[place] += 1
    if min(sizes) < 1:
        place = sizes.index(min(sizes))
        raise UsageError(
            f"the weight {given[place]:g} is less than a row of a batch of {batch_size}",
            hint=f"a batch_size of {math.ceil(sum(given) / min(given))} or more",
        )
    return sizes


def batch_weights(weights: Sequence[float] | None, n_datasets: int) -> list[float]:
    """Return the weight of each dataset, as given or the same for all.

    Raises:
        UsageError: They are not those of so many datasets.
    """
    if n_datasets < 1:
        raise UsageError("a mixture has at least one dataset")
    given = [1.0] * n_datasets if weights is None else [float(weight) for weight in weights]
    if len(given) != n_datasets or not all(math.isfinite(w) and w > 0 for w in given):
        raise UsageError(
            f"weights are {given}: each of the {n_datasets} datasets has one above 0",
            hint="weights=[0.7, 0.3]",
        )
    return given


def _check_compatible(first: BatchStream, other: BatchStream) -> None:
    """Raise UsageError where two streams do not give the same arrays."""
    ours, theirs = first.encoder, other.encoder
    names = [[column.name for column in encoder.columns] for encoder in (ours, theirs)]
    what = None
    if names[0] != names[1]:
        only = [name for name in names[0] if name not in names[1]]
        only += [name for name in names[1] if name not in names[0]]
        what = f'only one of them has the column "{only[0]}"' if only else "their order differs"
    elif ours.specs != theirs.specs:
        pairs = zip(ours.specs, theirs.specs, strict=False)
        one, two = next(((a, b) for a, b in pairs if a != b), (ours.specs[-1], theirs.specs[-1]))
        what = f'"{one.name}" is {one.dtype} in the one and {two.dtype} in the other'
    else:
        for a, b in zip(ours.columns, theirs.columns, strict=True):
            codes = Kind.CATEGORY in (a.kind, b.kind)
            if codes and (a.kind, a.vocabulary) != (b.kind, b.vocabulary):
                what = f'the categories of "{a.name}" are others'
    if what is not None:
        raise UsageError(
            f"{first.dataset.path} and {other.dataset.path} cannot be mixed: {what}",
            hint='columns=[…] takes what they share; label_dtype="float32" gives both the same '
            "dtype; convert with the same --schema",
        )
