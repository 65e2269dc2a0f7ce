"""Datasets that all loaders read, and windows so small that these have many."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bigdata_cli.dataset import Dataset
from bigdata_cli.loaders import cut, stream
from tests.datasets import LAYOUTS
from tests.loaders import tables

CASES = [
    *LAYOUTS,
    ("tfrecord", "rows gzip"),
    ("arrow", "rows zstd"),
    ("hdf5", "matrix gzip"),
    ("hdf5", "columns gzip"),
]


FEW = {"parquet-rows", "npy-matrix", "hdf5-columns", "tfrecord-rows gzip"}
"""What loaders in processes of their own are tested with; all the others are slow tests."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        few = getattr(getattr(item, "cls", None), "few_cases", False)
        case = getattr(item, "callspec", None)
        layouts = [case.params[n] for n in ("stored", "logs") if n in case.params] if case else []
        if few and any("-".join(layout) not in FEW for layout in layouts):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", params=CASES, ids="-".join)
def stored(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A dataset of 1,003 rows in 5 shards, in each format and layout."""
    format_name, layout = request.param
    layout, _, compression = layout.partition(" ")
    folder = tmp_path_factory.mktemp("stored") / "d"
    return tables.dataset(folder, format_name, layout, compression=compression or None)


@pytest.fixture(scope="session")
def npy(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return tables.dataset(tmp_path_factory.mktemp("npy") / "d", "npy", "columns")


@pytest.fixture(autouse=True)
def small_windows() -> Iterator[None]:
    """Windows of about 200 rows and pieces of about 50, shuffled 10, of the tables here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream, "WINDOW_BYTES", 6_000)
        patch.setattr(stream, "ORDERED_WINDOW_BYTES", 3_000)
        patch.setattr(cut, "ORDERED_PIECE_BYTES", 1_500)
        patch.setattr(cut, "PIECE_BYTES", 300)
        yield
