"""How well shuffled batches mix: the label's distribution in them beside that of a permutation."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.base import ReadableDataset
from bigdata_cli.loaders.encode import ColumnsEncoder, Encoding
from bigdata_cli.loaders.epochs import StreamOptions
from bigdata_cli.loaders.make_encoder import make_encoder
from bigdata_cli.loaders.stream import BatchStream
from bigdata_cli.types.dtype import VALIDITY_SUFFIX, Kind

WEAK_SCORE = 0.1
"""A shuffle with a higher score is weak: more than a tenth of a batch is of the wrong classes."""
MAX_CLASSES = 100
"""A label with more values is cut into N_BINS bins with equal numbers of rows."""
N_BINS = 10
MAX_BATCHES = 2_000
_MAX_KNOWN_ROWS = 200_000
_SIMULATED_BATCHES = 500


@dataclass(frozen=True, kw_only=True)
class ShuffleScore:
    """The score of a shuffle; see `shuffle_score`.

    Attributes:
        score: 0 where batches are as those of a permutation of all rows, nearly 1 where each batch
            has one class of many: `distance` less `permutation_distance`, and at least 0.
        distance: The total variation distance between the classes of a batch and those of the
            dataset, the mean over the batches.
        permutation_distance: What it is where every batch is a random sample of the rows.
        classes_per_batch: The mean number of classes in a batch.
        n_classes: The classes of the label, or the bins of a label that is a number.
        n_batches: The batches that were looked at.
    """

    label: str
    score: float
    distance: float
    permutation_distance: float
    classes_per_batch: float
    n_classes: int
    batch_size: int
    n_batches: int

    @property
    def is_weak(self) -> bool:
        return self.score > WEAK_SCORE

    def sentence(self) -> str:
        """Return the score in words."""
        return (
            f"{self.score:.3f}: a batch of {self.batch_size:,} has {self.classes_per_batch:.1f} of "
            f'{self.n_classes} classes of "{self.label}", and is {self.distance:.3f} off the '
            f"distribution of all rows; a permutation is {self.permutation_distance:.3f} off"
        )

    def advice(self, path: str) -> str:
        """Return what to do about a weak shuffle of the dataset at a path."""
        return (
            "the shuffle is weak, as rows of one class lie together, and the files cannot be read "
            f"at many places at once: bigdata convert {shlex.quote(path)} --shuffle writes the "
            "rows in a random order"
        )

    def to_json(self) -> dict[str, Any]:
        """Return the score as plain JSON values."""
        return {**vars(self), "is_weak": self.is_weak}


def score_of(counts: np.ndarray, shares: np.ndarray, *, label: str) -> ShuffleScore:
    """Return the score of batches.

    Args:
        counts: The rows of each class in each batch, int64 (batches, classes); batches that have
            fewer rows than the largest are left out.
        shares: The share of each class in all rows, float64 (classes,).
        label: The name of the label.
    """
    sizes = counts.sum(axis=1)
    batch_size = int(sizes.max(initial=0))
    counts = counts[sizes == batch_size] if batch_size else counts[:0]
    distance = expected = classes = 0.0
    if len(counts):
        # Rows of a permutation without their order: nearly independent where there are many.
        samples = np.random.default_rng(0).multinomial(batch_size, shares, _SIMULATED_BATCHES)
        expected = _distance(samples, shares)
        distance = _distance(counts, shares)
        classes = float((counts > 0).sum(axis=1).mean())
    return ShuffleScore(
        label=label,
        score=max(0.0, distance - expected),
        distance=distance,
        permutation_distance=expected,
        classes_per_batch=classes,
        n_classes=len(shares),
        batch_size=batch_size,
        n_batches=len(counts),
    )


def _distance(counts: np.ndarray, shares: np.ndarray) -> float:
    """Return the mean total variation distance of batches from a distribution."""
    found = counts / counts.sum(axis=1, keepdims=True)
    return float(np.abs(found - shares).sum(axis=1).mean() / 2)


def shuffle_score(
    dataset: ReadableDataset,
    *,
    label: str | None = None,
    batch_size: int = 512,
    seed: int = 0,
    max_batches: int = MAX_BATCHES,
) -> ShuffleScore:
    """See `Dataset.shuffle_score`."""
    column = dataset.label(label)
    if column.kind is Kind.TEXT:
        raise UsageError(
            f'the label "{column.name}" is text, and has no classes',
            hint=f"convert with --type {column.name}=category",
        )
    encoder = ColumnsEncoder(dataset, [column], plain=True)
    bins = _Bins(_known_labels(dataset, encoder, column.name))
    n_features = sum(other.name != column.name for other in dataset.schema)
    encoding = Encoding(
        label=column.name if n_features else None,
        dtype="float32" if n_features and _are_numbers(dataset, column.name) else None,
    )
    whole = make_encoder(dataset, encoding)
    options = StreamOptions(batch_size=batch_size, shuffle=True, seed=seed)
    # The order of the batches that a loader gives, of which only the labels are read.
    stream = BatchStream(dataset, whole, options).with_encoder(encoder)
    counts = [bins.count(labels) for labels in _labels(islice(stream, max_batches), column.name)]
    return score_of(
        np.array(counts, np.int64).reshape(-1, len(bins.shares)), bins.shares, label=column.name
    )


def _are_numbers(dataset: ReadableDataset, label: str) -> bool:
    return all(c.kind is not Kind.TEXT for c in dataset.schema if c.name != label)


def _labels(batches: Iterator[dict[str, np.ndarray]], name: str) -> Iterator[np.ndarray]:
    """Yield the labels of batches that are not null, float64 (rows,)."""
    for batch in batches:
        values = batch[name]
        valid = batch.get(name + VALIDITY_SUFFIX)
        values = values.astype(np.float64) if valid is None else values[valid].astype(np.float64)
        yield values[~np.isnan(values)]


def _known_labels(dataset: ReadableDataset, encoder: ColumnsEncoder, name: str) -> np.ndarray:
    """Return labels from all over the dataset, all where they are not too many, float64 (n,)."""
    ordered = BatchStream(dataset, encoder, StreamOptions(batch_size=65_536))
    step = max(1, dataset.rows // _MAX_KNOWN_ROWS)
    parts = [values[::step] for values in _labels(iter(ordered), name)]
    return np.concatenate([np.empty(0), *parts])


class _Bins:
    """The classes of a label: its values, or bins with equal numbers of rows.

    shares: float64 (classes,), of the labels that are known.
    """

    def __init__(self, known: np.ndarray) -> None:
        self._values = np.unique(known)
        self._edges = None
        if len(self._values) > MAX_CLASSES:
            quantiles = np.quantile(known, np.linspace(0, 1, N_BINS + 1)[1:-1])
            self._edges = np.unique(quantiles)
        counts = self.count(known)
        self.shares = counts / max(1, counts.sum())

    def count(self, values: np.ndarray) -> np.ndarray:
        """Return how many labels are of each class; of a value that is not known, of the next."""
        if self._edges is not None:
            places = np.searchsorted(self._edges, values, side="right")
            return np.bincount(places, minlength=len(self._edges) + 1)
        places = np.searchsorted(self._values, values)
        n_classes = max(1, len(self._values))
        return np.bincount(np.minimum(places, n_classes - 1), minlength=n_classes)
