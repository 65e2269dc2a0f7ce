"""Numbers of a column, normalised and put where they belong among shuffled rows, in one pass."""

from __future__ import annotations

import numpy as np

from bigdata_cli.native import compiled

NOWHERE = -1
"""The place of a row that is left out."""


@compiled(error_model="numpy")
def place_numbers(
    values: np.ndarray,
    places: np.ndarray,
    out: np.ndarray,
    feature: int,
    indicator: int,
    center: float,
    scale: float,
    most: float,
) -> None:
    """Write (value - center) / scale, cut to ±most, into out[place, feature] of each row.

    values: float32 or float64 (rows,), NaN for null, which becomes 0; places: int64 (rows,). Into
    out[place, indicator] goes whether it is null, where indicator is not negative. In float64:
    float32 would lose what tells the values of a large id or time apart.
    """
    for row in range(len(values)):
        place = places[row]
        if place < 0:
            continue
        value = float(values[row])
        missing = value != value
        if missing:
            value = 0.0
        else:
            value = (value - center) / scale
            if value > most:
                value = most
            elif value < -most:
                value = -most
        out[place, feature] = value
        if indicator >= 0:
            out[place, indicator] = missing
