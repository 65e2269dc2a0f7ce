"""Numbers of columns, normalised and clipped, with indicators of nulls."""

from __future__ import annotations

import numpy as np
import pytest

from bigdata_cli.loaders.feature_arrays import normalise
from bigdata_cli.loaders.features import FeaturePlan, NumberFeature


@pytest.mark.parametrize("n_rows", [0, 1, 255, 256, 257, 1000])
def test_numbers_are_those_of_the_definition(n_rows: int) -> None:
    random = np.random.default_rng(n_rows)
    wide = random.normal(3, 50, (4, 2 * n_rows))
    wide[:, 1::9] = np.nan
    wide[0, :1], wide[1, :1] = np.inf, -np.inf
    values = [wide[0, :n_rows], wide[1, ::2], wide[2, :n_rows].astype(np.float32),
              wide[3].astype(np.float32)[::2]]  # fmt: skip
    normal = [(3.0, 50.0, True), (-1.5, 2.0, False), (0.0, 1.0, True), (1e9, 1e3, True)]
    numbers = tuple(
        NumberFeature(name=f"f{i}", center=center, scale=scale, has_nulls=has_nulls)
        for i, (center, scale, has_nulls) in enumerate(normal)
    )
    features = FeaturePlan(numbers=numbers, codes=(), notes=())
    out = np.full((n_rows, features.width), -99, np.float32)
    normalise(values, features, out)

    expected = np.full((n_rows, 7), -99, np.float32)
    indicators = [4, None, 5, 6]
    for i, (column, feature) in enumerate(zip(values, numbers, strict=True)):
        missing = np.isnan(column)
        scaled = (column.astype(np.float64) - feature.center) / feature.scale
        expected[:, i] = np.where(missing, 0.0, np.clip(scaled, -10, 10)).astype(np.float32)
        if indicators[i] is not None:
            expected[:, indicators[i]] = missing
    assert out.tobytes() == expected.tobytes()
