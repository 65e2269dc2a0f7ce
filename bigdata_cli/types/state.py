"""The state of a column while rows are read: its dtype so far, and its distinct texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from bigdata_cli.types.dtype import Column, arrow_type
from bigdata_cli.types.lattice import Observed, resolve
from bigdata_cli.types.vocabulary import join_distinct

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class ColumnState:
    """A column's dtype so far, and what that rests on.

    fixed: the user chose the dtype. distinct: the values of a text column seen so far, None where
    there are more than a vocabulary holds (they are then no longer collected).
    """

    name: str
    dtype: str = "null"
    observed: Observed = Observed()
    fixed: bool = False
    distinct: frozenset[str] | None = frozenset()

    def widened(self, observed: Observed, float_mode: str) -> ColumnState:
        """The state after further values; the same object where its dtype holds them.

        Whether text is a category depends on the whole dataset, so it is not decided here.
        """
        if self.fixed:
            return self
        joined = self.observed.join(observed)
        dtype = resolve(joined, float_mode=float_mode, n_distinct=None, n_rows=0)
        if dtype == self.dtype or (dtype == "text" and self.dtype == "category"):
            return self
        return self._with(dtype, joined, self.distinct)

    def joined(
        self, observed: Observed, distinct: frozenset[str] | None, float_mode: str
    ) -> ColumnState:
        """The state after rows that showed this: its dtype holds their values too."""
        widened = self.widened(observed, float_mode)
        joined = join_distinct(widened.distinct, distinct, fixed=self.fixed)
        seen = widened.observed.join(observed)
        if joined is None and widened.dtype == "category" and not widened.fixed:
            return self._with("text", widened.observed, None)
        if joined is widened.distinct and seen is widened.observed:
            return widened
        return self._with(widened.dtype, seen, joined)

    def _with(self, dtype: str, observed: Observed, distinct: frozenset[str] | None) -> ColumnState:
        # `dataclasses.replace` takes five times as long, and a table may have 10,000 columns.
        return ColumnState(
            name=self.name, dtype=dtype, observed=observed, fixed=self.fixed, distinct=distinct
        )

    def column(self) -> Column:
        """The column as it would be stored now."""
        vocabulary = None
        if self.dtype == "category" and self.distinct is not None:
            vocabulary = _sorted(self.distinct)
        return Column(name=self.name, dtype=self.dtype, vocabulary=vocabulary)


_sorted_texts: WeakKeyDictionary[frozenset[str], tuple[str, ...]] = WeakKeyDictionary()


def _sorted(texts: frozenset[str]) -> tuple[str, ...]:
    """The texts in order, sorted once for as long as the set is there."""
    found = _sorted_texts.get(texts)
    if found is None:
        found = _sorted_texts[texts] = tuple(sorted(texts))
    return found


def arrow_schema(columns: Sequence[ColumnState]) -> pa.Schema:
    """The Arrow schema of columns."""
    import pyarrow as pa

    return pa.schema([(state.name, arrow_type(state.dtype)) for state in columns])


def join_all(
    columns: Sequence[ColumnState],
    observed: Sequence[Observed],
    distinct: Sequence[frozenset[str] | None],
    float_mode: str,
) -> tuple[ColumnState, ...]:
    """`ColumnState.joined` of each column."""
    return tuple(
        state.joined(seen, values, float_mode)
        for state, seen, values in zip(columns, observed, distinct, strict=True)
    )


def as_categories(columns: tuple[ColumnState, ...]) -> tuple[ColumnState, ...]:
    """The columns of text as categories, for a layout that holds no text: they may be such yet."""
    return tuple(
        replace(state, dtype="category")
        if state.dtype == "text" and state.distinct is not None and not state.fixed
        else state
        for state in columns
    )
