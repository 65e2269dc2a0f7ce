"""Rules that assign rows to splits by cuts, which an exact pass over all rows has found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

PLACE, VALUE, CLASS = "place", "value", "class"
"""What a row is compared with the cuts by."""


class CutSplit(msgspec.Struct, frozen=True, kw_only=True):
    """A split of rows in an order: that of the source, of a column, or a random one by class.

    A row is in the split whose number is that of the cuts which its key reaches.

    Attributes:
        names: Of the splits.
        by: PLACE, VALUE or CLASS.
        column: Whose values, or classes, count; None by place.
        cuts: The first key of each split but the first one. By class those of each class, by the
            text of its value, None for null; else those under None alone.
        largest: The place of the split with the most rows.
        seed: Of the random order.
    """

    names: tuple[str, ...]
    by: str
    column: str | None = None
    cuts: Mapping[str | None, tuple[int | float, ...]]
    largest: int = 0
    seed: int = 0

    @property
    def reads_places(self) -> bool:
        """Whether the keys are those of the places of rows."""
        return self.by != VALUE

    def assign(self, keys: np.ndarray) -> np.ndarray:
        """The splits of rows, by place or value: uint8 (rows,). keys: (rows,)."""
        (cuts,) = self.cuts.values()
        return np.searchsorted(np.array(cuts, keys.dtype), keys, side="right").astype(np.uint8)

    def assign_by_class(
        self, classes: Sequence[str | None], codes: np.ndarray, keys: np.ndarray
    ) -> np.ndarray:
        """The splits of rows: uint8 (rows,).

        Args:
            classes: The classes of these rows. What a pass did not see is in the first split.
            codes: Their places in `classes`, int64 (rows,).
            keys: uint64 (rows,).
        """
        nothing = (2**64 - 1,) * (len(self.names) - 1)
        cuts = np.array([self.cuts.get(one, nothing) for one in classes], np.uint64)
        splits = np.zeros(len(keys), np.uint8)
        for place in range(len(self.names) - 1):
            splits += keys >= cuts[codes, place]
        return splits
