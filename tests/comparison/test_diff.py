"""`diff`: what differs, beside pandas, SciPy's definition of KS, and PSI by hand."""

from __future__ import annotations

import datetime
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli import UsageError, convert, diff
from bigdata_cli.cli import main
from bigdata_cli.comparison.bins import choose_column_bins
from bigdata_cli.comparison.drift import psi
from bigdata_cli.types.dtype import Kind
from tests.datasets import LAYOUTS, write_dataset


def run(*arguments: object):
    """The result of a command line."""
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def rows(n: int = 2000, seed: int = 1, shift: float = 0.0) -> pa.Table:
    rng = np.random.default_rng(seed)
    values = np.round(rng.normal(shift, 1, n), 3)
    return pa.table({
        "id": pa.array(np.arange(n), pa.int16()),
        "x": pa.array(values, pa.float32(), mask=rng.random(n) < 0.05),
        "kind": pa.array(rng.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1])),
        "day": pa.array(rng.integers(19_000, 19_100, n).astype(np.int32)).cast(pa.date32()),
        "ok": pa.array(rng.random(n) < 0.3),
    })  # fmt: skip


def numbers(n: int = 1000) -> pa.Table:
    rng = np.random.default_rng(3)
    return pa.table({
        "a": pa.array(rng.integers(0, 100, n), pa.int8()),
        "b": pa.array(rng.random(n), pa.float32()),
        "label": pa.array(rng.integers(0, 3, n), pa.int8()),
    })  # fmt: skip


@pytest.mark.parametrize(("format_name", "layout"), LAYOUTS)
def test_the_same_rows_in_any_format_are_equal(tmp_path, format_name, layout):
    a = write_dataset(tmp_path / "a", numbers(), n_shards=2)
    b = write_dataset(tmp_path / "b", numbers(), format_name, layout, n_shards=3, label="label")
    report = diff(a, b)
    assert report.is_equal
    assert (report.rows_a, report.rows_b, report.differing_rows) == (1000, 1000, 0)
    assert all(column.drift.psi == column.drift.ks == 0 for column in report.columns)


def test_a_file_and_the_dataset_made_of_it_are_equal(tmp_path, sample_data):
    for name in ("messy.csv", "transactions.csv"):
        convert(sample_data / name, to="parquet", output=tmp_path / name)
        report = diff(sample_data / name, tmp_path / name)
        assert report.is_equal, report


def test_some_columns_of_files(sample_data):
    file = sample_data / "transactions.csv"
    report = diff(file, file, columns=["isFraud", "type"])
    assert [column.name for column in report.columns] == ["type", "isFraud"]
    assert (report.is_equal, report.rows_a) == (True, 18_000)


def test_differing_values_are_those_that_pandas_finds(tmp_path):
    first = rows()
    frame = first.to_pandas()
    other = frame.copy()
    other.loc[[7, 900, 1999], "x"] = [9.5, np.nan, -1]
    other.loc[[7, 1000], "kind"] = ["z", None]
    second = pa.Table.from_pandas(other, first.schema, preserve_index=False)
    a = write_dataset(tmp_path / "a", first, n_shards=3)
    b = write_dataset(tmp_path / "b", second, n_shards=2)
    report = diff(a, b, rows=2)
    same = (frame == other) | (frame.isna() & other.isna())
    assert report.differing_rows == int((~same.all(axis=1)).sum())
    by_column = {column.name: column.differing_values for column in report.columns}
    assert by_column == (~same).sum().to_dict()
    assert [one.row for one in report.first_rows] == [8, 901]
    assert report.first_rows[0].values["kind"] == (repr(frame["kind"][7]), "'z'")
    assert report.first_rows[1].values.keys() == {"x"} - ({"x"} if same.loc[900, "x"] else set())
    assert not report.is_equal


def test_more_rows_other_columns_and_another_order(tmp_path):
    a = write_dataset(tmp_path / "a", rows())
    b = write_dataset(tmp_path / "b", rows().slice(0, 1500).select(["x", "id", "kind", "day"]))
    report = diff(a, b)
    assert (report.rows_a, report.rows_b, report.differing_rows) == (2000, 1500, 0)
    assert not report.same_order
    missing = {column.name: (column.a is None, column.b is None) for column in report.columns}
    assert missing["ok"] == (False, True)
    assert not diff(a, a, columns=["ok"]).columns[1:]
    result = run("diff", a, b)
    assert result.exit_code == 1
    assert "columns  only in A: ok; in another order" in result.stdout
    assert "rows     500 more in A" in result.stdout


def test_dtypes_that_hold_the_same_values_differ_as_dtypes_only(tmp_path):
    values = {"n": [1, 2, None], "t": [datetime.datetime(2024, 1, 1)] * 3, "s": ["a", "b", "a"]}
    types = pa.schema([("n", pa.int8()), ("t", pa.timestamp("us")), ("s", pa.string())])
    category = pa.dictionary(pa.int32(), pa.string())
    wide = pa.schema([("n", pa.float64()), ("t", pa.timestamp("ns")), ("s", category)])
    a = write_dataset(tmp_path / "a", pa.Table.from_pydict(values, types))
    b = write_dataset(tmp_path / "b", pa.Table.from_pydict(values, types).cast(wide))
    report = diff(a, b)
    assert report.differing_rows == 0
    assert all(column.has_other_dtype for column in report.columns)
    assert not report.is_equal
    report = diff(a, write_dataset(tmp_path / "c", pa.table({"n": ["1", "2", None]})))
    assert report.columns[0].differing_values is None
    assert report.columns[0].drift is None


def ks_of(a: np.ndarray, b: np.ndarray) -> float:
    """The statistic of Kolmogorov and Smirnov, by its definition."""
    points = np.unique(np.concatenate([a, b]))
    of_a = np.searchsorted(np.sort(a), points, side="right") / len(a)
    of_b = np.searchsorted(np.sort(b), points, side="right") / len(b)
    return float(np.abs(of_a - of_b).max())


@pytest.mark.parametrize("shift", [0.0, 0.1, 1.0])
def test_ks_of_many_values_lies_between_its_bounds(tmp_path, shift):
    tables = [
        pa.table({"x": np.random.default_rng(s).normal(m, 1, 20_000)})
        for s, m in ((1, 0), (2, shift))
    ]
    a, b = (write_dataset(tmp_path / str(i), t, n_shards=3) for i, t in enumerate(tables))
    drift = diff(a, b).columns[0].drift
    exact = ks_of(*(table["x"].to_numpy() for table in tables))
    assert drift.ks - 1e-12 <= exact <= drift.max_ks + 1e-12
    assert drift.max_ks - drift.ks < 0.01
    edges = np.concatenate([[-np.inf], drift.edges, [np.inf]])
    shares = [np.histogram(table["x"].to_numpy(), edges)[0] / 20_000 for table in tables]
    assert np.allclose([*shares[0], 0], drift.a)
    assert np.allclose([*shares[1], 0], drift.b)
    assert np.isclose(drift.psi, psi(*shares))
    assert np.allclose(drift.a[:-1], 0.1, atol=0.01)
    assert drift.size == {0.0: "none", 0.1: "none", 1.0: "large"}[shift]


@given(
    st.lists(st.integers(-5, 5), min_size=1, max_size=60),
    st.lists(st.integers(-5, 5), min_size=1, max_size=60),
)
def test_ks_of_few_values_is_exact(a, b):
    pieces = [pa.array(a, pa.int8()), pa.array(b, pa.int64())]
    bins = choose_column_bins((Kind.INT, Kind.INT), pieces)
    drift = bins.drift(*(bins.count(piece) for piece in pieces), (len(a), len(b)))
    assert np.isclose(drift.ks, ks_of(np.array(a), np.array(b)))
    assert np.isclose(drift.max_ks, drift.ks)
    assert np.isclose(sum(drift.a), 1)
    assert drift.psi >= 0


def test_psi_of_texts_and_of_nulls(tmp_path):
    a = pa.table({"s": ["x"] * 50 + ["y"] * 50})
    b = pa.table({"s": ["x"] * 25 + ["y"] * 50 + [None] * 25})
    folders = [write_dataset(tmp_path / str(i), table) for i, table in enumerate((a, b))]
    drift = diff(*folders).columns[0].drift
    assert drift.kind == "values"
    assert drift.ks is None
    shares = pd.DataFrame({"a": [0.5, 0.5, 1e-4], "b": [0.25, 0.5, 0.25]})
    expected = ((shares.b - shares.a) * np.log(shares.b / shares.a)).sum()
    assert np.isclose(drift.psi, expected)


def test_texts_with_many_values_are_compared_by_length(tmp_path):
    tables = [pa.table({"s": [f"{i:0{n}d}" for i in range(3000)]}) for n in (6, 9)]
    folders = [write_dataset(tmp_path / str(i), table) for i, table in enumerate(tables)]
    drift = diff(*folders).columns[0].drift
    assert (drift.kind, drift.ks, drift.size) == ("lengths", 1.0, "large")


def test_samples_of_files_before_anything_is_converted(tmp_path):
    for name, share in (("a", 0.1), ("b", 0.4)):
        rng = np.random.default_rng(4)
        frame = pd.DataFrame({"x": rng.normal(size=5000), "y": rng.random(5000) < share})
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    result = run("inspect", tmp_path / "a.csv", tmp_path / "b.csv", "--compare", "--json")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert report["differing_rows"] is None
    drift = {column["name"]: column["drift"] for column in report["columns"]}
    assert drift["x"]["psi"] == 0
    assert drift["y"]["size"] == "large"
    sampled = diff(tmp_path / "a.csv", tmp_path / "b.csv", sample=True)
    assert json.loads(json.dumps(sampled.to_json()))["columns"] == report["columns"]
    full = run("inspect", tmp_path / "a.csv", tmp_path / "b.csv", "--compare", "--full")
    assert full.exit_code == 0
    assert "differ" in full.stdout


def test_compare_takes_two_and_nothing_of_a_plan(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("a\n1\n")
    for words in ([file, "--compare"], [file, file]):
        result = run("inspect", *words)
        assert result.exit_code == 2
        assert "--compare takes two" in result.stderr
    result = run("inspect", file, file, "--compare", "--label", "a")
    assert "--label does not go with --compare" in result.stderr


def test_exit_statuses_and_quiet(tmp_path):
    a = write_dataset(tmp_path / "a", numbers())
    b = write_dataset(tmp_path / "b", numbers().slice(1))
    assert run("diff", a, a, "-q").exit_code == 0
    result = run("diff", a, b, "-q")
    assert (result.exit_code, result.stdout) == (1, "")
    assert run("diff", a, tmp_path / "nothing").exit_code == 2
    assert json.loads(run("diff", a, b, "--json").stdout)["is_equal"] is False


def test_a_pipe_and_columns_that_are_not_there(tmp_path):
    a = write_dataset(tmp_path / "a", numbers())
    with pytest.raises(UsageError, match="has none of the columns lable") as caught:
        diff(a, a, columns=["lable"])
    assert caught.value.hint == 'Did you mean "label"?'
    result = CliRunner().invoke(main, ["diff", "-", str(a)], input="a\n1\n")
    assert result.exit_code == 2
    assert "is a pipe" in result.stderr


def test_bad_records_are_left_out_and_said(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("a,b\n1,2\n3\n4,5\n")
    report = diff(file, file)
    assert (report.rows_a, report.is_equal) == (2, True)
    assert "1 records of" in report.notes[0]
    assert "line 3" in report.notes[0]


def test_no_rows_and_only_nulls(tmp_path):
    a = write_dataset(tmp_path / "a", pa.table({"n": pa.array([None] * 3, pa.bool_())}))
    b = write_dataset(tmp_path / "b", pa.table({"n": pa.array([1, 2, 3], pa.int8())}))
    report = diff(a, b)
    assert report.differing_rows == 3
    assert report.columns[0].drift is not None
    assert diff(a, a).is_equal
    assert diff(a, a).columns[0].drift is None
