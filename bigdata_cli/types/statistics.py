"""Statistics of a column, merged exactly while streaming.

Mean and M2 are combined as in Chan, Golub and LeVeque, "Updating Formulae and a Pairwise
Algorithm for Computing Sample Variances" (1979).
"""

from __future__ import annotations

import math
from typing import Any

import msgspec


class ColumnStatistics(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What is known of a column's values.

    count: rows; nulls: those without a value. minimum, maximum: ints for int columns, floats for
    float columns, ISO 8601 strings for dates and timestamps, 0 or 1 for bools, None for text.
    mean, m2: of finite numbers and of bools (false 0, true 1), m2 the sum of squared deviations;
    infinite: how many values are not finite (minimum and maximum leave them out too).
    text_bytes, max_text_bytes: UTF-8 bytes in all and of the longest value, of text and category.
    float32_error: the largest relative error that float32 would cost, of numbers.
    """

    count: int = 0
    nulls: int = 0
    minimum: Any = None
    maximum: Any = None
    mean: float | None = None
    m2: float | None = None
    infinite: int = 0
    text_bytes: int = 0
    max_text_bytes: int = 0
    float32_error: float = 0.0

    @property
    def values(self) -> int:
        """Rows that have a value."""
        return self.count - self.nulls

    @property
    def finite(self) -> int:
        """Values that mean and m2 are of."""
        return self.values - self.infinite

    @property
    def std(self) -> float | None:
        """The population standard deviation; None where there are no numbers."""
        if self.m2 is None or not self.finite:
            return None
        return math.sqrt(max(self.m2, 0.0) / self.finite)

    @property
    def n_possible_values(self) -> int | None:
        """How many integers or bools there are from the minimum to the maximum; else None."""
        if isinstance(self.minimum, int) and isinstance(self.maximum, int):
            return self.maximum - self.minimum + 1
        return None

    @property
    def mean_text_bytes(self) -> float:
        return self.text_bytes / self.values if self.values else 0.0

    def merge(self, other: ColumnStatistics) -> ColumnStatistics:
        """The statistics of both sets of rows together.

        >>> a = ColumnStatistics(count=2, minimum=1, maximum=3, mean=2.0, m2=2.0)
        >>> b = ColumnStatistics(count=1, minimum=8, maximum=8, mean=8.0, m2=0.0)
        >>> both = a.merge(b)
        >>> both.minimum, both.maximum, both.mean, both.m2
        (1, 8, 4.0, 26.0)
        """
        mean, m2 = _merge_moments(self, other)
        return ColumnStatistics(
            count=self.count + other.count,
            nulls=self.nulls + other.nulls,
            minimum=_pick(min, self.minimum, other.minimum),
            maximum=_pick(max, self.maximum, other.maximum),
            mean=mean,
            m2=m2,
            infinite=self.infinite + other.infinite,
            text_bytes=self.text_bytes + other.text_bytes,
            max_text_bytes=max(self.max_text_bytes, other.max_text_bytes),
            float32_error=max(self.float32_error, other.float32_error),
        )


def _pick(choose, a, b):
    return b if a is None else a if b is None else choose(a, b)


def _merge_moments(a: ColumnStatistics, b: ColumnStatistics) -> tuple[float | None, float | None]:
    if a.mean is None or a.m2 is None:
        return b.mean, b.m2
    if b.mean is None or b.m2 is None:
        return a.mean, a.m2
    total = a.finite + b.finite
    delta = b.mean - a.mean
    mean = a.mean + delta * b.finite / total
    return mean, a.m2 + b.m2 + delta * delta * a.finite * b.finite / total
