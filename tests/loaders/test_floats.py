"""Features that are all floats, which TFRecord gives as a matrix at once."""

from __future__ import annotations

import numpy as np
import pytest

from bigdata_cli.dataset import Dataset
from tests.loaders.tables import N_ROWS


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("columns", [["fare", "ratio"], ["ratio", "fare"], ["ratio"]])
def test_floats_come_as_from_any_format(stored: Dataset, dtype: str, columns: list[str]) -> None:
    stream = stored.to_numpy_batches(40, shuffle=True, columns=columns, dtype=dtype)
    for _ in range(2):
        whole = list(stream)
        X = np.concatenate([X for X, _ in whole])
        y = np.concatenate([y for _, y in whole])
        assert (X.dtype, X.shape, y.dtype) == (dtype, (N_ROWS, len(columns)), np.int8)
        known = ~np.isnan(X[:, columns.index("ratio")])
        ids = (X[known, columns.index("ratio")] * 2).astype(int)
        assert sorted(ids) == [i for i in range(N_ROWS) if i % 7 != 3]
        np.testing.assert_array_equal(y[known], ids % 2)
        if "fare" in columns:
            np.testing.assert_array_equal(X[known, columns.index("fare")], ids / 4)
            assert np.isnan(X[~known]).all()


def test_a_category_is_a_label_of_codes(stored: Dataset) -> None:
    batches = list(stored.to_numpy_batches(40, columns=["ratio"], label="city"))
    X = np.concatenate([X for X, _ in batches])[:, 0]
    y = np.concatenate([y for _, y in batches])
    known = ~np.isnan(X)
    # "", Bern, Zürich, 日本 are the codes 0 to 3.
    np.testing.assert_array_equal(y[known], np.array([2, 1, 0, 3])[(X[known] * 2).astype(int) % 4])
    assert np.isnan(y[~known]).all()
