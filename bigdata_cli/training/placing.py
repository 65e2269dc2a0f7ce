"""Numbers of columns, normalised and put where they belong among shuffled rows, in one pass."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bigdata_cli.native.library import NUMBER_COLUMN, address, lib

NOWHERE = -1
"""The place of a row that is left out."""


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
    int64 (rows,), NOWHERE for rows that are left out; out: float32 (…, width). indicators: int64
    (features,), where out[place, indicator] says whether a value is null, or -1; normal: float64
    (features, 2), centers and scales. Reckoned in float64: float32 would lose what tells the values
    of a large id or time apart.
    """
    columns = np.empty(len(values), NUMBER_COLUMN)
    columns["values"] = [column.ctypes.data for column in values]
    columns["stride"] = [column.strides[0] for column in values]
    columns["is_float32"] = [column.dtype == np.float32 for column in values]
    columns["indicator"] = indicators
    columns["center"], columns["scale"] = normal.T
    lib.bd_place_numbers(
        address(columns), len(columns), address(places), len(places), address(out), out.shape[1],
        most,
    )  # fmt: skip
