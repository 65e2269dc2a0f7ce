"""Batches of a dataset for the loops of NumPy, TensorFlow and torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

from bigdata_cli.dataset.shards import ShardReader
from bigdata_cli.errors import UsageError, did_you_mean
from bigdata_cli.types.dtype import Column, Kind, item_bytes, numpy_dtype

if TYPE_CHECKING:
    import numpy as np

    from bigdata_cli.loaders.sequences import Short
    from bigdata_cli.loaders.shuffle_score import ShuffleScore
    from bigdata_cli.loaders.stream import BatchStream

READ_BYTES = 16_000_000
"""About how much is read at a time where the caller does not say how many rows."""
_MASKED = (Kind.NULL, Kind.BOOL, Kind.INT, Kind.CATEGORY)
"""The kinds that have no value of their own for a null."""


class BatchReader(ShardReader):
    """The rows of a dataset as arrays, batch by batch."""

    @property
    def split_names(self) -> tuple[str, ...]:
        """The names of the splits of the whole dataset, in their order."""
        return tuple(entry.name for entry in self.whole_manifest.splits)

    def of_split(self, name: str) -> Self:
        """A split of the whole dataset: its rows, its shards, its statistics.

        Raises UsageError where there is no such split.
        """
        try:
            manifest = self.whole_manifest.of_split(name)
        except KeyError:
            if self.split_names:
                raise UsageError(
                    f'{self.path} has no split "{name}"', hint=did_you_mean(name, self.split_names)
                ) from None
            raise UsageError(
                f"{self.path} has no splits",
                hint="bigdata convert --split train=0.8,val=0.1,test=0.1 makes them",
            ) from None
        return type(self)(self.path, manifest, name, self.whole_manifest)

    def read_rows(self, columns: Iterable[Column]) -> int:
        """How many rows of these columns to read at a time to hold about READ_BYTES."""
        per_row = sum(
            item_bytes(
                column.dtype,
                n_values=column.n_values,
                # A Python string costs about 50 bytes more than its text.
                mean_text_bytes=50 + self.statistics(column.name).mean_text_bytes,
            )
            for column in columns
        )
        return int(min(65_536, max(256, READ_BYTES / max(per_row, 1.0))))

    def batches(
        self,
        batch_size: int,
        *,
        columns: Sequence[str] | None = None,
        drop_remainder: bool = False,
    ) -> Iterator[dict[str, np.ndarray]]:
        """The rows as dicts of arrays of shape (batch_size,), across the shards' ends.

        The last batch may be shorter; `drop_remainder` leaves it out. Numbers have their dtype
        (a matrix its own), dates are datetime64[D], timestamps datetime64[us] or [ns], text is
        object of str, a category its codes (`schema[name].vocabulary` has the values). Where
        there is no value: NaN, NaT, or 0, False and "" with a bool mask under "COL.valid", which
        is there only in the batches that need it. The arrays are the caller's own.
        Raises UsageError where a column named "COL.valid" and COL are both asked for.
        """
        return iter(
            self.to_numpy_batches(
                batch_size, columns=columns, dtype=None, drop_remainder=drop_remainder
            )
        )

    def features(
        self, label: str | None, columns: Sequence[str] | None = None
    ) -> tuple[Column, ...]:
        """The columns of X: all or those named, but for the label; UsageError where one is text."""
        features = tuple(column for column in self.select(columns) if column.name != label)
        texts = [column.name for column in features if column.kind is Kind.TEXT]
        if not features:
            raise UsageError(f'there is no column besides the label "{label}"')
        if texts:
            raise UsageError(
                f"these columns are text and have no number: {', '.join(texts)}",
                hint="dtype=None gives text, columns=[…] leaves columns out; or convert with "
                "--drop or --type COL=category",
            )
        return features

    def label(self, label: str | None = None) -> Column:
        """The label's column: the one named, or the manifest's; UsageError where neither is."""
        name = label if label is not None else self.storage.label
        if name is None:
            raise UsageError(
                f"{self.path} was converted without a label", hint="--label COL, or label=COL"
            )
        return self.schema[name]

    def label_dtype(self, label: str | None = None) -> np.dtype:
        """The dtype of y in `xy_batches`; UsageError where the label is not there or is text."""
        import numpy as np

        target = self.label(label)
        if target.kind is Kind.TEXT:
            raise UsageError(
                f'the label "{target.name}" is text',
                hint=f"convert with --type {target.name}=category",
            )
        as_feature = self.storage.layout == "matrix" and target.name != self.storage.label
        if as_feature and target.kind is not Kind.CATEGORY:
            return np.dtype(self.storage.matrix_dtype)
        if target.kind in _MASKED and self.statistics(target.name).nulls:
            return np.dtype("float64")
        return numpy_dtype(target.dtype, n_values=target.n_values)

    def xy_batches(
        self,
        batch_size: int,
        *,
        label: str | None = None,
        dtype: str = "float32",
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The rows as (X, y): X of `dtype`, shape (batch, features), y of shape (batch,).

        label: a column, by default the manifest's. The columns of X are `features(label)`:
        bools 0 and 1, dates days and timestamps seconds since 1970, categories codes, NaN where
        there is no value. float32 holds integers exactly up to 2**24; dtype="float64" up to
        2**53. y has the label's dtype (codes for a category); where the label has nulls and is
        neither float nor date, y is float64 with NaN. Raises UsageError for text columns.
        """
        return iter(self.to_numpy_batches(batch_size, label=label, dtype=dtype))

    def to_numpy_batches(
        self,
        batch_size: int,
        *,
        label: str | None = None,
        shuffle: bool = False,
        seed: int = 0,
        split: str | None = None,
        columns: Sequence[str] | None = None,
        dtype: str | None = "float32",
        normalize: bool | str = False,
        label_dtype: str | None = None,
        drop_remainder: bool = False,
        window: int | None = None,
        by: str | None = None,
        short: Short = "pad",
        rank: int = 0,
        world: int = 1,
    ) -> BatchStream:
        """The rows as (X, y) of NumPy arrays, epoch after epoch; see `BatchStream`.

        X and y are those of `xy_batches`; dtype=None gives dicts as `batches` does, and (dict, y)
        where a label is named. shuffle: another order in every epoch, the same for the same
        seed. split: a slice of the dataset's rows ("[:80%]", "[80%:]", "[100000:]"). rank, world:
        this reader's part of the rows. normalize: X as `bigdata train` makes it, by the statistics
        of the manifest: standardised numbers, null indicators, one-hot categories; those of more
        than 32 values are codes, in ((X, codes), y). The statistics are those of the split "train"
        where there is one, or of the split that is named. label_dtype: the dtype of y, by default
        the label's own. window, by: in place of rows, windows of so many rows of one value of a
        column, in their order; arrays are (batch, window, …). short: rows that do not fill a window
        are padded with 0, and (X, y, valid) tells where rows are ("pad"), or left out ("drop").
        """
        from bigdata_cli.loaders.encode import Encoding
        from bigdata_cli.loaders.epochs import StreamOptions
        from bigdata_cli.loaders.make_encoder import make_encoder
        from bigdata_cli.loaders.sequences import sequence_options
        from bigdata_cli.loaders.stream import BatchStream

        options = StreamOptions(
            batch_size=batch_size, shuffle=shuffle, seed=seed, split=split,
            drop_remainder=drop_remainder, rank=rank, world=world,
            sequences=sequence_options(window, by, short),
        )  # fmt: skip
        encoding = Encoding(
            label=label, columns=columns, dtype=dtype, normalize=normalize, label_dtype=label_dtype
        )
        return BatchStream(self, make_encoder(self, encoding), options)

    def shuffle_score(
        self, *, label: str | None = None, batch_size: int = 512, seed: int = 0
    ) -> ShuffleScore:
        """How well `shuffle=True` mixes the classes of the label, by the labels of an epoch.

        The score is 0 for a permutation of all rows, and near 1 where each batch has one class of
        many. Up to 2,000 batches are looked at. Raises UsageError where there is no label, or it is
        text.
        """
        from bigdata_cli.loaders.order import check_count, check_not_negative
        from bigdata_cli.loaders.shuffle_score import shuffle_score

        check_count("batch_size", batch_size)
        check_not_negative("seed", seed)
        return shuffle_score(self, label=label, batch_size=batch_size, seed=seed)

    def generator(
        self,
        batch_size: int,
        *,
        label: str | None = None,
        shuffle: bool = False,
        seed: int = 0,
        split: str | None = None,
        columns: Sequence[str] | None = None,
        dtype: str | None = "float32",
        normalize: bool | str = False,
        label_dtype: str | None = None,
        drop_remainder: bool = False,
        window: int | None = None,
        by: str | None = None,
        short: Short = "pad",
        epochs: int | None = None,
    ) -> Iterator[Any]:
        """What `to_numpy_batches` gives, for so many epochs without a break (None: for ever).

        For `model.fit`, `train_on_batch` and `partial_fit`.
        """
        stream = self.to_numpy_batches(
            batch_size, label=label, shuffle=shuffle, seed=seed, split=split, columns=columns,
            dtype=dtype, normalize=normalize, label_dtype=label_dtype,
            drop_remainder=drop_remainder, window=window, by=by, short=short,
        )  # fmt: skip
        return stream.for_epochs(epochs)

    def to_tf(
        self,
        batch_size: int,
        *,
        label: str | None = None,
        shuffle: bool = False,
        seed: int = 0,
        split: str | None = None,
        columns: Sequence[str] | None = None,
        dtype: str | None = "float32",
        normalize: bool | str = False,
        label_dtype: str | None = None,
        drop_remainder: bool = False,
        window: int | None = None,
        by: str | None = None,
        short: Short = "pad",
        rank: int = 0,
        world: int = 1,
        prefetch: int = 8,
        start: tuple[int, int] = (0, 0),
        device: str | None = None,
    ) -> Any:
        """A `tf.data.Dataset` of the batches of `to_numpy_batches`; each iteration is an epoch.

        dtype=None gives dicts of tensors by column, text as tf.string. prefetch: batches ahead.
        start: an epoch, and how many batches of it were taken before: there it goes on. device:
        where batches are prefetched to, as "GPU:0". Dates and timestamps are int64 days and ticks.
        The cardinality is known, but after a `start` within an epoch, with a device, and where each
        of several readers has whole shards.
        """
        from bigdata_cli.loaders.encode import Encoding
        from bigdata_cli.loaders.epochs import StreamOptions
        from bigdata_cli.loaders.sequences import sequence_options
        from bigdata_cli.loaders.tensorflow import TensorFlowOptions, tf_dataset

        options = StreamOptions(
            batch_size=batch_size, shuffle=shuffle, seed=seed, split=split,
            drop_remainder=drop_remainder, rank=rank, world=world,
            sequences=sequence_options(window, by, short),
        )  # fmt: skip
        encoding = Encoding(
            label=label, columns=columns, dtype=dtype, normalize=normalize, label_dtype=label_dtype
        )
        given = TensorFlowOptions(prefetch=prefetch, start=start, device=device)
        return tf_dataset(self, options, encoding, given)

    def feature_spec(self) -> dict[str, Any]:
        """The features of the records of a TFRecord dataset, for `tf.io.parse_example`.

        For readers of their own: `to_tf` needs none. A column with nulls that is no float is a
        VarLenFeature, all else a FixedLenFeature. Raises UsageError for other formats.
        """
        from bigdata_cli.loaders.tensorflow import tf_feature_spec

        return tf_feature_spec(self)

    def to_torch(
        self,
        batch_size: int,
        *,
        label: str | None = None,
        shuffle: bool = False,
        seed: int = 0,
        split: str | None = None,
        columns: Sequence[str] | None = None,
        dtype: str | None = "float32",
        normalize: bool | str = False,
        label_dtype: str | None = None,
        drop_remainder: bool = False,
        window: int | None = None,
        by: str | None = None,
        short: Short = "pad",
        rank: int | None = None,
        world: int | None = None,
        device: str | None = None,
    ) -> Any:
        """A torch `IterableDataset` of whole batches of tensors; see `loaders.torch.TorchBatches`.

        `.loader(num_workers=…)` has workers that share the rows; so has
        `DataLoader(…, batch_size=None, num_workers=…)`, for other work on a batch. rank, world:
        those of `torch.distributed` by default, where it is initialised. device: such as "cuda":
        batches travel as they are stored, and are cast and normalised there.
        label_dtype: by default what the losses of torch take: int64 for classes, float32 for two
        values and for numbers.
        """
        from bigdata_cli.loaders.encode import Encoding
        from bigdata_cli.loaders.epochs import StreamOptions
        from bigdata_cli.loaders.sequences import sequence_options
        from bigdata_cli.loaders.torch import rank_and_world, torch_batches

        rank, world = rank_and_world(rank, world)
        options = StreamOptions(
            batch_size=batch_size, shuffle=shuffle, seed=seed, split=split,
            drop_remainder=drop_remainder, rank=rank, world=world,
            sequences=sequence_options(window, by, short),
        )  # fmt: skip
        encoding = Encoding(
            label=label, columns=columns, dtype=dtype, normalize=normalize, label_dtype=label_dtype
        )
        return torch_batches(self, options, encoding, device)

    def to_torch_map(
        self,
        *,
        label: str | None = None,
        split: str | None = None,
        columns: Sequence[str] | None = None,
        dtype: str | None = "float32",
        normalize: bool | str = False,
        label_dtype: str | None = None,
    ) -> Any:
        """A map-style torch dataset of npy or HDF5 rows; see `loaders.torch_rows.TorchRows`.

        Raises UsageError for the other formats, without random access to rows.
        """
        from bigdata_cli.loaders.encode import Encoding
        from bigdata_cli.loaders.torch_rows import torch_rows

        encoding = Encoding(
            label=label, columns=columns, dtype=dtype, normalize=normalize, label_dtype=label_dtype
        )
        return torch_rows(self, encoding, split=split)

    def memmap(self) -> list[dict[str, np.ndarray] | tuple[np.ndarray, np.ndarray | None]]:
        """The arrays of an npy dataset, one entry per shard, mapped into memory and not copied.

        Layout columns: a dict of arrays (rows,) by column as they are stored, with "COL.valid"
        where a shard has nulls, and "COL.offsets" and "COL.bytes" for text. Layout matrix: (X, y),
        y None without a label. Read-only. Raises UsageError for other formats.
        """
        from bigdata_cli.loaders.access import memmaps

        return memmaps(self)
