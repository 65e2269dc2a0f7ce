"""Peers do the work that ours does: the same rows, columns and values."""

from __future__ import annotations

import re
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from benchmarks.inputs import sample_file
from benchmarks.peers import PEERS, Task
from benchmarks.peers_shaping import Shaping
from benchmarks.shapes import SHAPES
from benchmarks.suites import groups
from bigdata_cli import convert

SIZE = 60_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("inputs")


def work(name: str, kind: str, folder: Path, output: Path, **more):
    output.mkdir(exist_ok=True)
    return PEERS[name](Task(source=sample_file(kind, SIZE, folder=folder), output=output, **more))


@pytest.mark.parametrize("kind", ["transactions", "sensors"])
@pytest.mark.parametrize("name", ["polars-parquet", "duckdb-parquet"])
def test_parquet_of_a_peer_has_our_values(name, kind, folder, tmp_path):
    done = work(name, kind, folder, tmp_path / "theirs")
    source = sample_file(kind, SIZE, folder=folder)
    convert(source, to="parquet", output=tmp_path / "ours")
    theirs = pq.read_table(tmp_path / "theirs").to_pandas()
    ours = pq.read_table(next((tmp_path / "ours").glob("[!_]*.parquet"))).to_pandas()
    assert theirs.shape == (done.rows, done.columns)
    pd.testing.assert_frame_equal(
        ours.astype(theirs.dtypes.to_dict()), theirs, check_exact=False, rtol=1e-6
    )


@pytest.mark.parametrize("name", ["polars-parquet", "duckdb-parquet"])
def test_sorted_parquet_of_a_peer_has_our_rows(name, folder, tmp_path):
    work(name, "transactions", folder, tmp_path / "theirs", shaping=Shaping(sort="nameOrig"))
    source = sample_file("transactions", SIZE, folder=folder)
    convert(source, to="parquet", output=tmp_path / "ours", sort_by="nameOrig")
    found = [
        pq.read_table(tmp_path / folder, columns=["nameOrig"]).column(0).to_pylist()
        for folder in ("theirs", "ours")
    ]
    assert found[0] == found[1]


SHAPED = {
    "where": (Shaping(where="amount > 5000 and type in ('TRANSFER', 'DEBIT')"), {}),
    "derive": (Shaping(derive="left = newbalanceOrig + amount"), {}),
    "dedup": (Shaping(dedup=("type", "isFraud")), {"dedup": ["type", "isFraud"]}),
    "standardize": (Shaping(standardize=("amount",)), {"standardize": ["amount"]}),
    "shuffle": (Shaping(shuffle=True), {"shuffle": True}),
}


@pytest.mark.parametrize("what", SHAPED)
@pytest.mark.parametrize("name", ["polars-parquet", "duckdb-parquet"])
def test_shaped_rows_of_a_peer_are_ours(name, what, folder, tmp_path):
    shaping, options = SHAPED[what]
    work(name, "transactions", folder, tmp_path / "theirs", shaping=shaping)
    if shaping.where:
        options = {"where": shaping.where}
    if shaping.derive:
        column, expression = shaping.derive.split(" = ")
        options = {"derive": {column: expression}}
    source = sample_file("transactions", SIZE, folder=folder)
    convert(source, to="parquet", output=tmp_path / "ours", **options)
    ours, theirs = (pq.read_table(tmp_path / folder).to_pandas() for folder in ("ours", "theirs"))
    if what == "dedup" and name == "duckdb-parquet":  # which of equal rows it keeps is not said
        ours, theirs = (rows[list(shaping.dedup)] for rows in (ours, theirs))
    if what in ("dedup", "shuffle"):
        names = list(ours)
        ours, theirs = (rows.sort_values(names, ignore_index=True) for rows in (ours, theirs))
    assert 0 < len(ours) == len(theirs)
    pd.testing.assert_frame_equal(
        ours.astype(theirs.dtypes.to_dict()), theirs, check_exact=False, rtol=1e-5
    )


def test_reading_leaves_out_what_a_matrix_cannot_hold(folder, tmp_path):
    dropped = SHAPES["transactions"].others
    done = work("polars-read", "transactions", folder, tmp_path / "a", drop=dropped)
    names = pd.read_csv(sample_file("transactions", SIZE, folder=folder)).columns
    assert set(dropped) < set(names)
    assert done.columns == len(names) - len(dropped)
    assert work("polars-read", "transactions", folder, tmp_path / "b").columns == len(names)


@pytest.mark.parametrize("layout", ["columns", "matrix"])
def test_hdf5_of_pandas_has_our_values_and_filters(layout, folder, tmp_path):
    done = work(f"pandas-hdf5-{layout}-gzip", "sensors", folder, tmp_path / "theirs")
    source = sample_file("sensors", SIZE, folder=folder)
    convert(
        source, to="hdf5", layout=layout, label="label", output=tmp_path / "ours",
        compression="gzip",
    )  # fmt: skip
    (file,) = (tmp_path / "ours").glob("*.h5")
    with h5py.File(tmp_path / "theirs" / "data.h5") as theirs, h5py.File(file) as ours:
        assert set(theirs) == set(ours)
        for name, data in theirs.items():
            assert len(data) == done.rows
            assert np.array_equal(data[:], ours[name][:])
            assert (data.shuffle, data.compression) == (ours[name].shuffle, ours[name].compression)
            assert data.dtype == ours[name].dtype


@pytest.mark.parametrize(
    "name", [name for name in PEERS if re.fullmatch("pandas-.*(ws|ns|ix)", name)]
)
def test_files_of_pandas_have_the_values_of_the_source(name, folder, tmp_path):
    import tensorflow as tf

    done = work(name, "sensors", folder, tmp_path / "theirs")
    frame = pd.read_csv(sample_file("sensors", SIZE, folder=folder))
    assert (done.rows, done.columns) == frame.shape
    file = next((tmp_path / "theirs").iterdir())
    last, label = frame["f27"].to_numpy("float32"), frame["label"].to_numpy()
    if file.suffix == ".parquet":
        pd.testing.assert_frame_equal(pd.read_parquet(file), frame)
    elif file.suffix == ".h5":
        with h5py.File(file) as data:
            found = data["X"][:, -1] if "X" in data else data["f27"][:].astype("float32")
            assert np.array_equal(found, last)
            assert np.array_equal(data["y" if "X" in data else "label"][:], label)
    elif file.suffix == ".npy":
        if "matrix" in name:
            assert np.array_equal(np.load(tmp_path / "theirs" / "X.npy")[:, -1], last)
            assert np.array_equal(np.load(tmp_path / "theirs" / "y.npy"), label)
        else:
            assert np.array_equal(np.load(tmp_path / "theirs" / "f27.npy"), frame["f27"])
    else:
        records = list(tf.data.TFRecordDataset(str(file)))
        assert len(records) == len(frame)
        feature = tf.train.Example.FromString(records[-1].numpy()).features.feature
        assert feature["f27"].float_list.value[0] == last[-1]


def test_examples_have_the_values_of_the_source(folder, tmp_path):
    import tensorflow as tf

    done = work("example-tfrecord", "sensors", folder, tmp_path / "theirs")
    frame = pd.read_csv(sample_file("sensors", SIZE, folder=folder))
    records = list(tf.data.TFRecordDataset(str(tmp_path / "theirs" / "data.tfrecord")))
    assert len(records) == done.rows == len(frame)
    feature = tf.train.Example.FromString(records[-1].numpy()).features.feature
    assert len(feature) == done.columns == frame.shape[1]
    assert feature["f27"].float_list.value[0] == np.float32(frame["f27"].iloc[-1])
    assert feature["label"].int64_list.value[0] == frame["label"].iloc[-1]


def test_loops_over_lines_have_the_lines(folder, tmp_path):
    import tensorflow as tf

    source = sample_file("log", SIZE, folder=folder)
    lines = source.read_bytes().split(b"\n")[:-1]
    done = work("python-lines-npy", "log", folder, tmp_path / "npy")
    offsets = np.load(tmp_path / "npy" / "text.offsets.npy")
    assert done.rows == len(offsets) - 1 == len(lines)
    assert (tmp_path / "npy" / "text.bytes").read_bytes() == b"".join(lines)
    work("python-lines-tfrecord", "log", folder, tmp_path / "tfrecord")
    found = []
    for record in tf.data.TFRecordDataset(str(tmp_path / "tfrecord" / "text.tfrecord")):
        feature = tf.train.Example.FromString(record.numpy()).features.feature
        found += feature["text"].bytes_list.value
    assert found == lines
    for name in ("polars-lines", "pyarrow-lines"):
        assert work(name, "log", folder, tmp_path / name).rows == len(lines)


def test_gunzip_gives_all_bytes(folder, tmp_path):
    done = work("igzip-read", "gzip", folder, tmp_path)
    assert done.n_bytes == sample_file("transactions", SIZE, folder=folder).stat().st_size


def test_a_copy_has_the_same_files(tmp_path):
    (tmp_path / "from").mkdir()
    (tmp_path / "to").mkdir()
    (tmp_path / "from" / "a").write_bytes(b"12345")
    done = PEERS["copy"](Task(source=tmp_path / "from", output=tmp_path / "to"))
    assert done.n_bytes == 5
    assert (tmp_path / "to" / "a").read_bytes() == b"12345"


@pytest.mark.parametrize("kind", ["early", "spread"])
def test_surprises_stand_in_three_rows(kind, folder):
    plain = sample_file("transactions", SIZE, folder=folder).read_bytes().split(b"\n")
    changed = sample_file(kind, SIZE, folder=folder).read_bytes().split(b"\n")
    assert len(plain) == len(changed)
    different = [place for place, line in enumerate(changed) if line != plain[place]]
    assert len(different) == 3
    limit = 0.05 if kind == "early" else 1.0
    assert max(different) < limit * len(plain)


def test_every_peer_is_used():
    used = {
        command.arguments[0]
        for group in groups(sizes=(1, 2))
        for command in group.commands
        if not command.is_ours
    }
    assert used == set(PEERS)
