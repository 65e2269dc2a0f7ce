"""The steps on the rows of one chunk: filters in order, and columns when they are asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bigdata_cli.transforms.computed import Computed
from bigdata_cli.transforms.join import Join
from bigdata_cli.transforms.noted import NOTHING, Noted
from bigdata_cli.transforms.program import Outline, Ref
from bigdata_cli.transforms.rows_of_columns import Rows, failing_rows
from bigdata_cli.types.buffers import array_of, booleans_of, scalar_of


class StepError(Exception):
    """Rows of a chunk for which a step has no value: int64 (n,), and why."""

    def __init__(self, rows: np.ndarray, option: str, problem: str) -> None:
        super().__init__(problem)
        self.rows = rows
        self.option = option
        self.problem = problem


class Evaluation:
    """Columns of a chunk, those of the source and those that are made of them.

    A column is computed of the rows that are left when it is asked for: what a filter reads, of
    those that the filters before it have kept, and all else of those that are kept at last.

    Attributes:
        mask: Which rows of the chunk are left, bool (rows,).
        unmatched: For how many rows a join has found nothing, by its table.
        unknown: How many values became null as they are not known, by column.
    """

    def __init__(
        self,
        resolved: Outline,
        computed: Mapping[int, Computed],
        arrays: Mapping[str, pa.Array],
        n_rows: int,
        noted: Noted = NOTHING,
    ) -> None:
        self.mask = np.ones(n_rows, bool)
        self.unmatched: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self._resolved = resolved
        self._computed = computed
        self._source = arrays
        self._last_values = noted.last_values
        self._n_rows = n_rows
        self._is_filtered = False
        self._known: dict[Ref, pa.Array] = {}

    def filter(self) -> None:
        """Apply the filters; raises StepError for rows that one has no value for."""
        for number in self._resolved.filters:
            truth = self.column(number)
            if truth.null_count and pa.types.is_boolean(truth.type):
                truth = truth.fill_null(scalar_of(False, pa.bool_()))
            # A condition that is null whatever its columns are is of no type.
            is_known = pa.types.is_boolean(truth.type)
            kept = booleans_of(truth) if is_known else np.zeros(self._n_rows, bool)
            if kept.all():
                continue
            if number in self._resolved.counted:
                self._count(number, len(kept) - int(np.count_nonzero(kept)))
            self.mask[np.flatnonzero(self.mask)] = kept
            self._n_rows = int(np.count_nonzero(kept))
            self._is_filtered = True
            # Columns of the source are filtered when they are asked for again.
            made = {ref for ref in self._known if isinstance(ref, int) and ref != number}
            chosen = array_of(kept) if made else None
            self._known = {ref: self._known[ref].filter(chosen) for ref in made}

    def count_unmatched(self) -> None:
        """Count the rows that are left and that joins have found nothing for."""
        for number in self._resolved.counted:
            if number not in self._resolved.filters:
                self._count(number, self._n_rows - (pc.sum(self.column(number)).as_py() or 0))

    def _count(self, number: int, n_rows: int) -> None:
        step = self._resolved.made[number].step
        assert isinstance(step, Join)
        if n_rows:
            self.unmatched[step.path] += n_rows

    def column(self, ref: Ref) -> pa.Array:
        """A column of the rows that are left; raises StepError for rows without a value."""
        found = self._known.get(ref)
        if found is None:
            found = self._compute(ref) if isinstance(ref, int) else self._of_source(ref)
            self._known[ref] = found
        return found

    def _of_source(self, name: str) -> pa.Array:
        array = self._source[name]
        return array.filter(array_of(self.mask)) if self._is_filtered else array

    def _compute(self, number: int) -> pa.Array:
        made = self._resolved.made[number]
        arrays = {name: self.column(ref) for name, ref in made.reads}
        rows = Rows(arrays, self._n_rows, self._last_values)
        computed = self._computed[number]
        try:
            found = computed.compute(rows)
        except pa.ArrowInvalid as error:
            failing, problem = failing_rows(computed.compute, rows)
            if not len(failing):  # no row alone is wrong
                raise
            raise StepError(
                np.flatnonzero(self.mask)[failing], computed.option, problem or str(error)
            ) from error
        if made.step.counts_unknown:
            for name, ref in made.reads:
                self.unknown[name] += found.null_count - self.column(ref).null_count
        return found
