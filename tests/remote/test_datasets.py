"""Datasets at addresses: written, read, verified, kept in a cache."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from bigdata_cli import cat, convert, head, inspect, open_dataset, verify
from bigdata_cli.dataset import Dataset
from bigdata_cli.formats.registry import FORMATS

N_ROWS = 20_000
NEEDS_CACHE = ("npy",)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "trips.csv"
    lines = (f"{i},text {i % 300},{i / 4},{i % 2}\n" for i in range(N_ROWS))
    path.write_text("id,text,value,label\n" + "".join(lines))
    return path


def sha(folder: Path | str) -> list[tuple[str, str]]:
    """The checksums of all files of a dataset."""
    dataset = open_dataset(folder)
    return [(file.name, file.checksum) for shard in dataset.shards for file in shard.files]


def table(dataset: Dataset) -> pa.Table:
    return pa.Table.from_batches(list(dataset.read()))


@pytest.mark.parametrize("name", FORMATS)
def test_a_dataset_in_s3_is_that_of_a_folder(
    s3: str, source: Path, tmp_path: Path, name: str
) -> None:
    here, there = tmp_path / "here", f"{s3}/there"
    convert(source, to=name, output=here, shards=2, label="label")
    report = convert(source, to=name, output=there, shards=2, label="label")
    assert str(report.output) == there
    if name != "hdf5":
        assert sha(there) == sha(here)
    cache = tmp_path / "cache" if name in NEEDS_CACHE else None
    dataset = open_dataset(there, cache=cache)
    assert table(dataset).equals(table(open_dataset(here)))
    assert table(pickle.loads(pickle.dumps(dataset))).num_rows == N_ROWS
    report = verify(there, source=source, cache=cache)
    assert (report.findings, report.compared_rows) == ((), N_ROWS)
    for shuffle in (False, True):
        batches = list(dataset.to_numpy_batches(512, columns=["id", "value"], shuffle=shuffle))
        ids = np.sort(np.concatenate([X[:, 0] for X, _ in batches]))
        assert (ids == np.arange(N_ROWS)).all()
    assert inspect(there, cache=cache).to_json()["path"] == there
    out = tmp_path / "out.csv"
    cat(there, output=out, cache=cache, columns=["id", "text"])
    assert out.read_text().count("\n") == N_ROWS + 1
    assert head(there, cache=cache).num_rows == 10
    convert(there, to="parquet", output=tmp_path / "again", **({"cache": cache} if cache else {}))
    assert table(open_dataset(tmp_path / "again")).num_rows == N_ROWS
