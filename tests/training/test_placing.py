"""Numbers of columns, normalised and put where they belong."""

from __future__ import annotations

import numpy as np
import pytest

from bigdata_cli.training.placing import NOWHERE, place_numbers


@pytest.mark.parametrize("n_rows", [0, 1, 255, 256, 257, 1000])
def test_rows_go_to_their_places(n_rows: int) -> None:
    random = np.random.default_rng(n_rows)
    wide = random.normal(3, 50, (4, 2 * n_rows))
    wide[:, 1::9] = np.nan
    wide[0, :1], wide[1, :1] = np.inf, -np.inf
    values = [wide[0, :n_rows], wide[1, ::2], wide[2, :n_rows].astype(np.float32),
              wide[3].astype(np.float32)[::2]]  # fmt: skip
    normal = np.array([[3.0, 50.0], [-1.5, 2.0], [0.0, 1.0], [1e9, 1e3]])
    indicators = np.array([4, -1, 6, 5])
    places = random.permutation(n_rows)
    places[2::7] = NOWHERE
    out = np.full((n_rows, 7), -99, np.float32)
    place_numbers(values, places, out, indicators, normal, 10.0)

    expected = np.full((n_rows, 7), -99, np.float32)
    kept = places >= 0
    for i, column in enumerate(values):
        missing = np.isnan(column)
        scaled = (column.astype(np.float64) - normal[i, 0]) / normal[i, 1]
        scaled = np.where(missing, 0.0, np.clip(scaled, -10, 10)).astype(np.float32)
        expected[places[kept], i] = scaled[kept]
        if indicators[i] >= 0:
            expected[places[kept], indicators[i]] = missing[kept]
    assert out.tobytes() == expected.tobytes()
