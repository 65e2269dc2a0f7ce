"""The evidence of chunks, joined as they come."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import structs

from bigdata_cli.native.parser import TEXT
from bigdata_cli.native.vocabulary import MAX_BYTES, Vocabulary
from bigdata_cli.sources.csv.records import Chunk
from bigdata_cli.types.lattice import Observed
from bigdata_cli.types.state import ColumnState
from bigdata_cli.types.statistics import ColumnStatistics
from bigdata_cli.types.summary import Summary
from bigdata_cli.types.vocabulary import MAX_CATEGORIES, MAX_VOCABULARY_BYTES


class TextEvidence:
    """The distinct texts of all columns of some chunks; those of one may be joined twice."""

    def __init__(self, columns: Sequence[ColumnState]) -> None:
        self._untracked = {i for i, state in enumerate(columns) if state.distinct is None}
        self._fixed = {i for i, state in enumerate(columns) if state.fixed}
        self._vocabularies: dict[int, Vocabulary] = {}
        self._last: tuple[object, bool] = None, False
        self._known: dict[int, frozenset[str]] = {}

    @property
    def n_distinct(self) -> dict[int, int]:
        """How many distinct texts were seen, by column."""
        return {index: texts.n_values for index, texts in self._vocabularies.items()}

    @property
    def text_bytes(self) -> int:
        """Bytes of the distinct texts of all columns."""
        return sum(texts.n_bytes for texts in self._vocabularies.values())

    def is_tracked(self, index: int) -> bool:
        """Whether the distinct texts of a column are still collected."""
        return index not in self._untracked

    def of(self, index: int) -> frozenset[str] | None:
        """The distinct texts of a column, None where there are too many, or untracked."""
        if index in self._untracked:
            return None
        texts = self._vocabularies.get(index)
        if texts is None:
            return frozenset()
        known = self._known.get(index)
        if known is None or len(known) < texts.n_values:
            known = self._known[index] = texts.values()
        return known

    def join(self, chunk: Chunk) -> bool:
        """Take the texts of a chunk; whether a column has too many of them from here on."""
        if chunk.texts is None or chunk.texts is not self._last[0]:
            self._last = chunk.texts, self._join(chunk)
        return self._last[1]

    def _join(self, chunk: Chunk) -> bool:
        counted = {} if chunk.texts is None else chunk.texts.parts
        overflowed = False
        for index in np.flatnonzero(chunk.summary.modes == TEXT).tolist():
            if index in self._untracked:
                continue
            texts = self._vocabularies.get(index)
            if texts is None:
                max_bytes = MAX_BYTES if index in self._fixed else MAX_VOCABULARY_BYTES
                texts = self._vocabularies[index] = Vocabulary(MAX_CATEGORIES, max_bytes)
            if chunk.texts is None or index not in counted or not texts.add(chunk.texts, index):
                self._untracked.add(index)
                del self._vocabularies[index]
                overflowed = True
        return overflowed


class Evidence:
    """Evidence of types, statistics and distinct texts of all columns of some chunks.

    texts: the distinct texts, which others may join too.
    """

    def __init__(self, columns: Sequence[ColumnState], texts: TextEvidence | None = None) -> None:
        n = len(columns)
        self.texts = texts or TextEvidence(columns)
        self._forms = np.zeros(n, np.int64)
        self._negative, self._positive = np.zeros(n, np.uint64), np.zeros(n, np.uint64)
        self._statistics: tuple[ColumnStatistics, ...] | None = None
        self._summary: Summary | None = None
        self._dtypes: list[str] = []

    def join(self, chunk: Chunk) -> bool:
        """Take what a chunk showed; whether a column has too many distinct texts from here on."""
        results = chunk.summary.results
        self._forms |= results["forms"]
        np.maximum(self._negative, results["negative"], out=self._negative)
        np.maximum(self._positive, results["positive"], out=self._positive)
        self._join_statistics(chunk)
        return self.texts.join(chunk)

    def observed(self) -> tuple[Observed, ...]:
        """The evidence of each column."""
        arrays = (self._forms.tolist(), self._negative.tolist(), self._positive.tolist())
        return tuple(Observed(*values) for values in zip(*arrays, strict=True))

    def statistics(self) -> tuple[ColumnStatistics, ...]:
        """The statistics of each column."""
        if self._summary is None:
            return self._statistics or tuple(ColumnStatistics() for _ in self._forms)
        found = self._summary.statistics(self._dtypes)
        if self._statistics is None:
            return found
        return tuple(_continued(a, b) for a, b in zip(self._statistics, found, strict=True))

    def distinct(self) -> tuple[frozenset[str] | None, ...]:
        """The distinct texts of each column, None where there are too many, or untracked."""
        return tuple(self.texts.of(index) for index in range(len(self._forms)))

    def _join_statistics(self, chunk: Chunk) -> None:
        if self._summary is None:
            self._summary = chunk.summary
        elif np.array_equal(self._summary.modes, chunk.summary.modes):
            self._summary = self._summary.merged(chunk.summary)
        else:  # what is compared are other numbers from here on
            self._statistics = self.statistics()
            sums = np.zeros_like(self._summary.results)
            for name in ("n_finite", "sums"):
                sums[name] = self._summary.results[name]
            self._summary = Summary(sums, chunk.summary.modes, 0).merged(chunk.summary)
        self._dtypes = [state.dtype for state in chunk.columns]


def _continued(before: ColumnStatistics, after: ColumnStatistics) -> ColumnStatistics:
    """The statistics of both parts; those of the second have means and deviations of both."""
    both = before.merge(after)
    last = before if after.mean is None else after
    return structs.replace(both, mean=last.mean, m2=last.m2)
