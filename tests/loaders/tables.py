"""Tables that loaders are tested with, and what must come of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from bigdata_cli.dataset import Dataset, open_dataset
from tests.datasets import write_dataset

N_ROWS = 1_003
N_SHARDS = 5
CITIES = ["Zürich", "Bern", "", "日本"]


def table(*, text: bool, nulls: bool = True, n_rows: int = N_ROWS) -> pa.Table:
    """A column of each kind; every seventh row is null in every column but id and label."""
    index = np.arange(n_rows)
    holes = (index % 7 == 3) if nulls else np.zeros(n_rows, bool)
    start = np.datetime64("2020-01-01")
    columns = {
        "id": pa.array(index.astype(np.uint16)),
        "flag": pa.array(index % 3 == 0, mask=holes),
        "count": pa.array((index % 100 - 50).astype(np.int8), mask=holes),
        "fare": pa.array((index / 4).astype(np.float32), mask=holes),
        "ratio": pa.array(index * 0.5, mask=holes),
        "day": pa.array(start + index, mask=holes),
        "city": pa.array([CITIES[i % 4] for i in index], mask=holes).dictionary_encode(),
        "label": pa.array((index % 2).astype(np.int8)),
    }
    if text:
        columns["note"] = pa.array([f"text {i} ü" for i in index], mask=holes)
    return pa.table(columns)


def dataset(
    folder: Path, format_name: str, layout: str, *, compression: str | None = None
) -> Dataset:
    """The table in a format and layout, in several shards, with a label."""
    rows = table(text=layout not in ("matrix", "packed"))
    written = write_dataset(
        folder, rows, format_name, layout, N_SHARDS, "label", compression=compression
    )
    return open_dataset(written)


def expected_x(ids: np.ndarray) -> np.ndarray:
    """(rows, 7) float32: what X must be for the rows of these ids, without text."""
    holes = ids % 7 == 3
    codes = np.array([sorted(CITIES).index(city) for city in CITIES])[ids % 4]
    columns = [ids % 3 == 0, ids % 100 - 50, ids / 4, ids * 0.5, 18262 + ids, codes]
    numbers = [np.where(holes, np.nan, column.astype(float)) for column in columns]
    return np.stack([ids, *numbers], axis=1).astype(np.float32)


FEATURES = ["id", "flag", "count", "fare", "ratio", "day", "city"]
