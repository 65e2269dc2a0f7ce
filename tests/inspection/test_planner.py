"""What `inspect` says of a source beyond its types: values, warnings, costs, all of it read."""

from __future__ import annotations

import gzip
import inspect as stdlib_inspect
import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bigdata_cli import inspect
from bigdata_cli.cli import main
from bigdata_cli.errors import BigdataError, UsageError
from bigdata_cli.inspection.report import CsvReport
from bigdata_cli.types.distinct import estimate_distinct
from bigdata_cli.types.sketch import DistinctSketch, hash_values

ROWS = 30_000


def table(n_rows: int = ROWS) -> pd.DataFrame:
    """Columns of every kind, some with nulls."""
    draw = np.random.default_rng(0)
    number = draw.integers(0, 500, n_rows)
    return pd.DataFrame(
        {
            "user_id": np.arange(n_rows) * 7,
            "amount": np.round(draw.exponential(90_000.0, n_rows), 2) + 20_000_000,
            "small": number.astype("float64") / 4,
            "city": np.array(["Oslo", "Paris", "Rome"])[number % 3],
            "name": [f"customer {i}" for i in range(n_rows)],
            "constant": 5,
            "code": [f"{i % 900:05d}" for i in range(n_rows)],
            "seen": pd.date_range("2024-01-01", periods=n_rows, freq="min").astype(str),
            "rare": np.where(number < 10, "x", None),
            "is_fraud": (number < 25).astype(int),
        }
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("planner") / "table.csv"
    table().to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def full(source) -> CsvReport:
    report = inspect(source, full=True, label="is_fraud")
    assert isinstance(report, CsvReport)
    return report


def test_all_that_is_read_is_exact(source, full):
    frame = pd.read_csv(source)
    assert (full.rows, full.exact, full.is_full, full.bad_rows) == (ROWS, True, True, 0)
    for column in full.columns:
        series = frame[column.name]
        assert column.distinct == series.nunique(), column.name
        assert column.distinct_exact
        assert column.nulls_share == series.isna().mean()
        if series.dtype.kind in "if" and column.name != "code":  # which is 00501 and so on
            assert (column.minimum, column.maximum) == (series.min(), series.max())
            assert column.mean == pytest.approx(series.mean())
            assert column.std == pytest.approx(series.std(ddof=0))


def test_histograms_count_every_value(source, full):
    frame = pd.read_csv(source)
    for column in full.columns:
        shown = column.histogram
        assert shown is not None
        counted = sum(shown.counts) + shown.below + shown.above + shown.others
        assert counted == frame[column.name].notna().sum(), column.name
    by_name = {column.name: column.histogram for column in full.columns}
    cities = frame["city"].value_counts()
    assert dict(zip(by_name["city"].values, by_name["city"].counts, strict=True)) == dict(cities)
    edges, amounts = by_name["amount"].edges, frame["amount"].to_numpy()
    expected = np.histogram(amounts, edges)[0]
    assert by_name["amount"].counts == tuple(expected)
    assert by_name["amount"].above == (amounts > edges[-1]).sum()


def test_classes_of_the_label(source, full):
    frame = pd.read_csv(source)
    counts = frame["is_fraud"].value_counts()
    assert full.balance is not None
    assert full.balance.values == ("0", "1")
    assert full.balance.counts == (counts[0], counts[1])
    assert full.balance.rows == ROWS
    assert all("--label is_fraud" in cost.command for cost in full.costs)


def test_warnings_that_are_worth_money(full):
    warnings = {column.name: " ".join(column.warnings) for column in full.columns}
    assert "an id" in warnings["user_id"]
    assert "one value" in warnings["constant"]
    assert "float32 would save 120 kB" in warnings["amount"]
    assert "digits whose form a number would lose" in warnings["code"]
    assert "is null" in warnings["rare"]
    assert warnings["small"] == warnings["city"] == warnings["is_fraud"] == ""
    assert full.label_candidates[0] == "is_fraud"
    before, after = warnings["amount"].split(" turn ")[1].split(" (")[0].split(" into ")
    assert float(before) in set(table()["amount"])
    assert float(after) == float(np.float32(float(before))) != float(before)


def test_surprises_at_the_end_are_in_the_types(tmp_path):
    path = tmp_path / "late.csv"
    rows = [f"{i},{i % 5},x\n" for i in range(40_000)]
    rows[-2:] = ["12,5.5,y\n", "abc,6,z\n"]
    path.write_text("a,b,c\n" + "".join(rows))
    report = inspect(path, full=True, sample_size=None)
    dtypes = {column.name: column.dtype for column in report.columns}
    assert dtypes == {"a": "text", "b": "float32", "c": "category"}
    by_name = {column.name: column for column in report.columns}
    assert by_name["a"].distinct == 39_999
    assert (by_name["b"].distinct, by_name["b"].maximum) == (7, 6)
    assert by_name["c"].distinct == 3


def test_records_that_cannot_be_kept_are_counted_and_located(tmp_path):
    path = tmp_path / "bad.csv"
    rows = [f"{i},b\n" for i in range(5000)]
    rows[3000] = "1,2,3\n"
    path.write_text("a,b\n" + "".join(rows))
    report = inspect(path, full=True)
    assert (report.rows, report.bad_rows) == (4999, 1)
    assert any("line 3,002" in note for note in report.notes)


def test_what_a_stream_cannot_tell_is_told(source, tmp_path):
    packed = tmp_path / "table.csv.gz"
    packed.write_bytes(gzip.compress(source.read_bytes()))
    report = inspect(packed, sample_size=200_000)
    assert not report.exact
    assert (report.rows_low, report.rows_high) == (None, None)
    assert any("beginning" in note for note in report.notes)
    assert abs(report.rows / ROWS - 1) < 0.2
    whole = inspect(packed, full=True)
    assert (whole.rows, whole.rows_low, whole.rows_high) == (ROWS, ROWS, ROWS)
    assert [c.distinct for c in whole.columns] == [c.distinct for c in inspect(source).columns]


def test_a_pipe_is_read_once_and_to_its_end(source):
    reader, writer = os.pipe()
    if os.fork() == 0:  # a child that writes, as a shell would have
        os.close(reader)
        with open(writer, "wb") as stream:
            stream.write(source.read_bytes())
        os._exit(0)
    os.close(writer)
    try:
        report = inspect(f"/dev/fd/{reader}", full=True, sample_size=None)
    finally:
        os.close(reader)
    assert (report.rows, report.exact, report.size_known) == (ROWS, True, True)
    assert {c.name: c.distinct for c in report.columns}["user_id"] == ROWS


def test_plans_for_another_machine(source):
    report = inspect(source, disk="1MB", memory=500_000)
    room = report.room
    assert room is not None
    assert (room.disk_bytes, room.memory_bytes) == (1_000_000, 500_000)
    assert room.has_disk_limit
    for cost in report.costs:
        assert cost.fits_disk == (cost.max_bytes <= 1_000_000)
        assert cost.fits_memory == (cost.memory_bytes <= 500_000)
    assert {cost.fits_disk for cost in report.costs} == {True, False}
    best = report.recommended
    assert best is not None
    assert best.fits_disk
    assert report.next_command == best.command
    none = inspect(source, disk=10)
    assert none.recommended is None
    assert none.next_command == shlex.join(["bigdata", "convert", str(source), "--to", "parquet"])


def test_what_loses_digits_is_not_recommended_over_what_does_not(source):
    costs = inspect(source).costs
    narrowed = {(cost.format, cost.layout) for cost in costs if cost.narrowed}
    assert narrowed >= {("tfrecord", "rows"), ("npy", "matrix")}
    assert all("amount" in cost.narrowed for cost in costs if cost.narrowed)
    best = next(cost for cost in costs if cost.is_recommended)
    assert not best.narrowed
    assert not best.dropped


@pytest.mark.parametrize("cost", range(14))
def test_commands_can_be_pasted(full, tmp_path, monkeypatch, cost):
    monkeypatch.chdir(tmp_path)
    words = shlex.split(full.costs[cost].command)
    assert words[:2] == ["bigdata", "convert"]
    with pytest.raises(SystemExit) as stopped:
        main([*words[1:], "--dry-run", "--quiet"])
    assert stopped.value.code == 0


@example([2, 2**62, -2, -(2**62)], 1)
@given(st.lists(st.integers(-(2**62), 2**62) | st.integers(-9, 9), max_size=300), st.integers(1, 5))
def test_a_sketch_counts_what_it_can_hold_exactly(values, n_pieces):
    sketch = DistinctSketch(1024)
    for piece in range(n_pieces):
        sketch.add(hash_values(pa.array(values[piece::n_pieces], pa.int64())))
    assert sketch.is_exact
    assert sketch.count == len(set(values))


def test_a_sketch_estimates_what_it_cannot_hold():
    sketch = DistinctSketch(4096)
    for start in range(0, 200_000, 5000):
        sketch.add(hash_values(pa.array([f"value {i}" for i in range(start, start + 6000)])))
    assert not sketch.is_exact
    assert abs(sketch.count / 201_000 - 1) < 0.1


def test_a_number_counts_once_in_whatever_dtype_it_comes():
    sketch = DistinctSketch(1024)
    for dtype in (pa.int8(), pa.uint16(), pa.int64(), pa.float32(), pa.float64()):
        sketch.add(hash_values(pa.array([0, 1, 100], dtype)))
    sketch.add(hash_values(pa.array([-1], pa.int8())))
    sketch.add(hash_values(pa.array([-1], pa.int64())))
    assert sketch.count == 4


@pytest.mark.parametrize(
    ("values", "within"),
    [
        (range(200_000), 0.01),
        ([i // 10 for i in range(200_000)], 0.01),
        (np.random.default_rng(0).integers(0, 20_000, 200_000).tolist(), 0.1),
        ([i % 7 for i in range(200_000)], 0.0),
    ],
    ids=["unique", "runs", "many", "few"],
)
def test_distinct_values_are_estimated_from_pieces(values, within):
    values = list(values)
    starts = range(0, 200_000 - 300, 6000)
    pieces = [pa.array(values[start : start + 300]) for start in starts]
    number, seen = estimate_distinct(pieces, rows=300 * len(pieces), all_rows=len(values))
    assert abs(number / len(set(values)) - 1) <= within
    assert seen <= number


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"label": "isfraud"}, "is_fraud"),
        ({"html": "missing/report.html"}, "no folder"),
        ({"html": "."}, "is a folder"),
        (
            {"full": True, "sample_size": "8MB"},
            "full=True reads everything",
        ),
        ({"sample_size": 5}, "less than"),
        ({"disk": "twenty"}, "not a size"),
        ({"memory": "0GB"}, "not positive"),
        ({"disk": -5}, "not positive"),
    ],
    ids=str,
)
def test_bad_options_are_told_before_any_work(source, options, said):
    with pytest.raises(UsageError) as caught:
        inspect(source, **options)
    assert said in str(caught.value)


def test_options_of_files_are_none_of_datasets(source, tmp_path):
    from bigdata_cli import convert

    convert(source, to="parquet", output=tmp_path / "dataset")
    with pytest.raises(BigdataError, match="label is for files"):
        inspect(tmp_path / "dataset", label="is_fraud")
    report = inspect(tmp_path / "dataset")
    assert report.ratio == pytest.approx(source.stat().st_size / report.bytes)


def test_loader_lines_run(tmp_path):
    from bigdata_cli import convert

    path = tmp_path / "n.csv"
    path.write_text("a,b,y\n" + "".join(f"{i},{i}.5,{i % 2}\n" for i in range(50)))
    of_torch = []
    for to, layout, label in (
        ("npy", "matrix", "y"), ("npy", "columns", None), ("tfrecord", "rows", "y")
    ):  # fmt: skip
        output = tmp_path / f"{to}-{layout}"
        convert(path, to=to, layout=layout, label=label, output=output)
        report = inspect(output)
        records = {"tf.io"} if to == "tfrecord" else set()
        assert set(report.loaders) == {"NumPy", "pandas", "tf.data", "torch"} | records
        for library, lines in report.loaders.items():
            is_of_ours = library != "tf.io"
            check = "len(dataset)" if is_of_ours else "sum(len(batch['y']) for batch in batches)"
            pasted = f"{lines}\nassert {check} == 50"
            if library == "torch":
                of_torch.append(pasted)
            else:
                exec(pasted, {})
    assert len(of_torch) == 3
    for_torch = "\n".join(f"exec({pasted!r}, {{}})" for pasted in of_torch)
    done = subprocess.run(  # by itself, as it starts workers
        [sys.executable, "-c", for_torch], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{of_torch}\n{done.stderr}"


def test_every_option_of_the_command_is_one_of_the_function():
    names = set(stdlib_inspect.signature(inspect).parameters)
    command = main.get_command(None, "inspect")
    renamed = {"sample_bytes": "sample_size", "memory_bytes": "memory", "disk_bytes": "disk",
               "null_tokens": "null", "as_json": "path"}  # fmt: skip
    options = {str(parameter.name) for parameter in command.params}
    options -= {
        "help",
        "help_all",
        "verbose",
        "other",
        "compare",
    }  # of Python that is `diff(a, b, sample=True)`
    assert {renamed.get(name, name) for name in options} <= names


def test_reports_are_the_same_in_json_and_python(full):
    plain = full.to_json()
    assert plain["report_version"] == 1
    assert plain["costs"][0]["bytes"] == full.costs[0].bytes
    assert plain["columns"][1]["histogram"]["edges"] == list(full.columns[1].histogram.edges)
    assert full._repr_html_().startswith("<iframe sandbox srcdoc=")
