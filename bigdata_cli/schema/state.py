"""A column as far as it is known."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bigdata_cli.schema.dtype import Column
from bigdata_cli.schema.lattice import Observed, resolve


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
        return replace(self, dtype=dtype, observed=joined)

    def column(self) -> Column:
        """The column as it would be stored now."""
        vocabulary = None
        if self.dtype == "category" and self.distinct is not None:
            vocabulary = tuple(sorted(self.distinct))
        return Column(name=self.name, dtype=self.dtype, vocabulary=vocabulary)
