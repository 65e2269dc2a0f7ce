"""Numbers of columns, normalised and put where they belong among shuffled rows, in one pass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bigdata_cli.native import compiled
from bigdata_cli.native.instructions import float32_at, float64_at

NOWHERE = -1
"""The place of a row that is left out."""
_TILE_ROWS = 256
"""Rows whose features are written together, so that they stay in a core's first cache."""


def place_numbers(
    values: Sequence[np.ndarray],
    places: np.ndarray,
    out: np.ndarray,
    indicators: np.ndarray,
    normal: np.ndarray,
    most: float,
) -> None:
    """Write (value - center) / scale, cut to ±most, into out[place, feature] of each row.

    values: of each feature, float32 or float64 (rows,), NaN for null, which becomes 0; places:
    int64 (rows,), NOWHERE for rows that are left out. indicators: int64 (features,), where
    out[place, indicator] says whether a value is null, or -1; normal: float64 (features, 2),
    centers and scales. Reckoned in float64: float32 would lose what tells the values of a large id
    or time apart.
    """
    where = [(column.ctypes.data, column.strides[0], column.itemsize) for column in values]
    columns = np.array(where, np.int64).reshape(-1, 3)
    _place(columns, places, out, indicators, normal, most)


@compiled(error_model="numpy")
def _place(
    columns: np.ndarray,
    places: np.ndarray,
    out: np.ndarray,
    indicators: np.ndarray,
    normal: np.ndarray,
    most: float,
) -> None:
    """columns: int64 (features, 3), where each begins in memory, and the bytes from one value to
    the next and of a value."""
    for start in range(0, len(places), _TILE_ROWS):
        stop = min(start + _TILE_ROWS, len(places))
        for feature in range(len(columns)):
            address, stride, size = columns[feature]
            address += start * stride
            center, scale = normal[feature]
            indicator = indicators[feature]
            for row in range(start, stop):
                value = float(float32_at(address)) if size == 4 else float64_at(address)
                address += stride
                place = places[row]
                if place < 0:
                    continue
                missing = value != value
                value = 0.0 if missing else min(max((value - center) / scale, -most), most)
                out[place, feature] = value
                if indicator >= 0:
                    out[place, indicator] = missing
