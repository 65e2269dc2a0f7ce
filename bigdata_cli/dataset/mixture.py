"""Several datasets read as one, in given shares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bigdata_cli.dataset.dataset import Dataset
from bigdata_cli.errors import UsageError

if TYPE_CHECKING:
    from bigdata_cli.loaders.encode import Encoding
    from bigdata_cli.loaders.mixture import MixedStream


def mix(datasets: Sequence[Dataset], *, weights: Sequence[float] | None = None) -> Mixture:
    """A mixture of datasets with the same columns: of each batch so many rows are of each.

    weights: the share of each dataset, by default the same for all; to the nearest row of a batch.
    An epoch ends when every row of every dataset was there at least once; smaller ones begin anew.

    >>> mixture = mix([old, new], weights=[0.7, 0.3])                      # doctest: +SKIP
    >>> for X, y in mixture.to_numpy_batches(512):                         # doctest: +SKIP
    ...     model.partial_fit(X, y)
    """
    return Mixture(datasets, weights)


class Mixture:
    """Datasets whose rows come together; cheap to make, holds no open file."""

    def __init__(self, datasets: Sequence[Dataset], weights: Sequence[float] | None) -> None:
        self.datasets = tuple(datasets)
        self.weights = None if weights is None else tuple(weights)
        wrong = [one for one in self.datasets if not isinstance(one, Dataset)]
        if wrong or not self.datasets:
            raise UsageError(
                f"a mixture is of datasets, not of {wrong[0]!r}" if wrong else "no dataset to mix",
                hint="mix([open_dataset(A), open_dataset(B)], weights=[0.7, 0.3])",
            )

    def __repr__(self) -> str:
        return f"<Mixture of {', '.join(repr(str(one.path)) for one in self.datasets)}>"

    def to_numpy_batches(
        self,
        batch_size: int,
        *,
        label: str | None = None,
        shuffle: bool = True,
        seed: int = 0,
        columns: Sequence[str] | None = None,
        dtype: str | None = "float32",
        normalize: bool | str = False,
        label_dtype: str | None = None,
        rank: int = 0,
        world: int = 1,
    ) -> MixedStream:
        """Batches as those of `Dataset.to_numpy_batches`, with `state_dict` and `set_epoch`.

        normalize: by the mean and standard deviation of the mixture, as its weights make them.
        Raises UsageError where the datasets do not have the same columns and categories.
        """
        from bigdata_cli.loaders.encode import Encoding

        encoding = Encoding(
            label=label, columns=columns, dtype=dtype, normalize=normalize, label_dtype=label_dtype
        )
        return self._stream(
            batch_size, encoding, shuffle=shuffle, seed=seed, rank=rank, world=world
        )

    def generator(self, batch_size: int, *, epochs: int | None = None, **options: Any) -> Iterator:
        """What `to_numpy_batches` gives, for so many epochs without a break (None: for ever)."""
        return self.to_numpy_batches(batch_size, **options).for_epochs(epochs)

    def to_tf(
        self,
        batch_size: int,
        *,
        label: str | None = None,
        shuffle: bool = True,
        seed: int = 0,
        columns: Sequence[str] | None = None,
        dtype: str | None = "float32",
        normalize: bool | str = False,
        label_dtype: str | None = None,
        rank: int = 0,
        world: int = 1,
        prefetch: int = 8,
        start: tuple[int, int] = (0, 0),
        device: str | None = None,
    ) -> Any:
        """A `tf.data.Dataset` of the batches, as `Dataset.to_tf` gives it."""
        from bigdata_cli.loaders.encode import Encoding
        from bigdata_cli.loaders.tensorflow import TensorFlowOptions, tf_batches

        encoding = Encoding(
            label=label, columns=columns, dtype=dtype, normalize=normalize, label_dtype=label_dtype
        )
        stream = self._stream(
            batch_size, encoding, shuffle=shuffle, seed=seed, rank=rank, world=world, plain=True
        )
        return tf_batches(stream, TensorFlowOptions(prefetch=prefetch, start=start, device=device))

    def to_torch(
        self,
        batch_size: int,
        *,
        label: str | None = None,
        shuffle: bool = True,
        seed: int = 0,
        columns: Sequence[str] | None = None,
        dtype: str | None = "float32",
        normalize: bool | str = False,
        label_dtype: str | None = None,
        rank: int | None = None,
        world: int | None = None,
    ) -> Any:
        """A torch `IterableDataset` of whole batches, as `Dataset.to_torch` gives it."""
        from bigdata_cli.loaders.encode import Encoding, learned_dtype
        from bigdata_cli.loaders.torch import TorchBatches, rank_and_world

        rank, world = rank_and_world(rank, world)
        encoding = Encoding(
            label=label, columns=columns, dtype=dtype, normalize=normalize, label_dtype=label_dtype
        )
        found = {learned_dtype(dataset, encoding) for dataset in self.datasets}
        wanted = found.pop() if len(found) == 1 else label_dtype
        stream = self._stream(
            batch_size, replace(encoding, label_dtype=wanted), shuffle=shuffle, seed=seed,
            rank=rank, world=world, plain=True,
        )  # fmt: skip
        return TorchBatches(stream)

    def _stream(
        self,
        batch_size: int,
        encoding: Encoding,
        *,
        plain: bool = False,
        **options: Any,
    ) -> MixedStream:
        from bigdata_cli.loaders.epochs import StreamOptions
        from bigdata_cli.loaders.mixture import mixed_stream

        stream_options = StreamOptions(batch_size=batch_size, **options)
        return mixed_stream(self.datasets, self.weights, stream_options, encoding, plain=plain)
