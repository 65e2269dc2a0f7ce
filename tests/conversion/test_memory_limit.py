"""`--memory-limit`, as the kernel measures it, and the record of memory over time."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pytest

from benchmarks.cgroup import inside, memory_group
from bigdata_cli import convert, open_dataset
from bigdata_cli.errors import BudgetError, UsageError
from bigdata_cli.formats.registry import FORMATS
from bigdata_cli.resources.budget import START_BYTES
from bigdata_cli.resources.sizes import parse_size
from bigdata_cli.samples.options import SampleOptions
from bigdata_cli.samples.write import write_sample

LAYOUTS = [
    ("parquet", "rows"), ("hdf5", "columns"), ("npy", "matrix"), ("tfrecord", "rows"),
    ("arrow", "rows"),
]  # fmt: skip
N_ROWS = 150_000
SLOW = pytest.mark.slow
LIMIT = 180_000_000
TIMES = 1 + 20 * (LIMIT - START_BYTES) // 40_000_000
WIDE_ROWS = 60
LONG_BYTES = 4_000_000


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("memory") / "sensors.csv"
    with path.open("wb") as stream:
        write_sample(SampleOptions(kind="sensors", n_rows=N_ROWS), stream)
    return path


@pytest.fixture(scope="module")
def large(source, tmp_path_factory) -> Path:
    """So large that the room between the program and the limit is a twentieth of it."""
    return repeated(source, TIMES, tmp_path_factory.mktemp("large") / "large.csv")


@pytest.fixture(scope="module")
def wide(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("wide") / "wide.csv"
    names = ",".join(f"c{place}" for place in range(10_000))
    rows = (
        ",".join(str(row * place % 1009) for place in range(10_000)) for row in range(WIDE_ROWS)
    )
    path.write_text("\n".join([names, *rows]) + "\n")
    return path


@pytest.fixture(scope="module")
def long_records(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("long") / "long.csv"
    with path.open("w") as file:
        file.write("id,text\n")
        for row in range(2_000):
            n_bytes = LONG_BYTES if row % 200 == 100 else row * 7919 % 200
            file.write(f"{row},{'x' * n_bytes}\n")
    return path


def repeated(source: Path, times: int, path: Path) -> Path:
    """The rows of a file many times over."""
    header, _, rows = source.read_bytes().partition(b"\n")
    with path.open("wb") as file:
        file.write(header + b"\n")
        for _ in range(times):
            file.write(rows)
    return path


class Ended(NamedTuple):
    """A command: its exit status, what it printed, and its memory as the kernel measured it."""

    status: int
    output: str
    complaint: str
    peak_bytes: int


def run(
    *words: object, folder: Path, address_kib: int | None = None, group: Path | None = None
) -> Ended:
    """The command line, in a folder, an address space and a control group of its own."""
    command = [sys.executable, "-m", "bigdata_cli", "convert", *map(str, words)]
    if address_kib is not None:
        command = ["sh", "-c", f'ulimit -v {address_kib}; exec "$@"', "sh", *command]
    command = [*inside(group), *command]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    peak = json.loads(done.stdout)["peak_memory_bytes"] if done.stdout.startswith("{") else 0
    return Ended(done.returncode, done.stdout, done.stderr, peak)


def run_within(limit: int, *words: object, folder: Path) -> Ended:
    """A conversion under a limit, which must hold; the kernel kills it beyond, where it can."""
    with memory_group(limit) as group:
        done = run(*words, "--memory-limit", limit, "--json", "--quiet", folder=folder, group=group)
    assert done.status == 0, done.complaint
    assert 0 < done.peak_bytes <= limit
    assert json.loads(done.output)["memory"]["limit_bytes"] == limit
    return done


@pytest.mark.parametrize(("to", "layout"), LAYOUTS)
def test_20_times_the_room_that_the_limit_leaves(large, tmp_path, to, layout):
    words = ["--to", to, "--layout", layout, "--label", "label"]
    run_within(LIMIT, large, *words, "-o", "out", folder=tmp_path)
    assert open_dataset(tmp_path / "out").rows == TIMES * N_ROWS


@pytest.mark.soak
@pytest.mark.parametrize(("to", "layout"), LAYOUTS)
def test_20_times_the_limit(source, tmp_path, to, layout):
    words = ["--to", to, "--layout", layout, "--label", "label"]
    times = -(-20 * LIMIT // source.stat().st_size)
    huge = repeated(source, times, tmp_path / "huge.csv")
    run_within(LIMIT, huge, *words, "-o", "out", folder=tmp_path)
    assert open_dataset(tmp_path / "out").rows == times * N_ROWS


@pytest.mark.parametrize(
    ("to", "layout"),
    [
        ("parquet", "rows"),
        pytest.param("npy", "matrix", marks=SLOW),
        pytest.param("hdf5", "matrix", marks=SLOW),
        pytest.param("tfrecord", "block", marks=SLOW),
        pytest.param("arrow", "rows", marks=SLOW),
    ],
)
def test_ten_thousand_columns(wide, tmp_path, to, layout):
    words = [wide, "--to", to, "--layout", layout, "-o", "out"]
    run_within(smallest_limit(*words, folder=tmp_path), *words, folder=tmp_path)
    assert open_dataset(tmp_path / "out").rows == WIDE_ROWS


@pytest.mark.parametrize(
    "to",
    [one if one in ("parquet", "hdf5") else pytest.param(one, marks=SLOW) for one in FORMATS],
)
def test_long_records_among_short_ones(long_records, tmp_path, to):
    words = [long_records, "--to", to, "-o", "out"]
    run_within(smallest_limit(*words, folder=tmp_path), *words, folder=tmp_path)
    batches = open_dataset(tmp_path / "out").read(["text"], max_rows=1000)
    longest = (max(map(len, filter(None, b.column("text").to_pylist()))) for b in batches)
    assert max(longest) == LONG_BYTES


def test_many_bad_rows_of_many_columns(tmp_path):
    path, n_columns = tmp_path / "ragged.csv", 200
    with path.open("w") as file:
        file.write(",".join(f"c{i}" for i in range(n_columns)) + "\n")
        for row in range(10_000):
            n_fields = n_columns - (row % 10 == 9)
            file.write(",".join(str(row * i % 99_991) for i in range(n_fields)) + "\n")
    words = [path, "--to", "parquet", "--on-bad-row", "skip", "-o", "out"]
    done = run_within(LIMIT, *words, folder=tmp_path)
    assert json.loads(done.output)["rejected_rows"] == 1000


def smallest_limit(*words: object, folder: Path) -> int:
    """The limit that a refusal names as the smallest; it does."""
    refused = run(*words, "--memory-limit", START_BYTES, "--dry-run", folder=folder)
    if refused.status == 0:
        return START_BYTES
    return parse_size(re.findall(r"--memory-limit (\d+MB) is the smallest", refused.complaint)[0])


def test_a_limit_that_is_too_small_names_the_smallest_and_that_one_does(source, tmp_path):
    words = [source, "--to", "npy", "-o", "out"]
    done = run(*words, "--memory-limit", "100MB", folder=tmp_path)
    assert done.status == 4
    assert "100,000,000 bytes is too little" in done.complaint
    assert not (tmp_path / "out").exists()
    limit = re.findall(r"--memory-limit (\d+MB)", done.complaint)
    done = run(*words, "--memory-limit", *limit, folder=tmp_path)
    if done.status == 4:  # enough for the program, and this file needs more
        run_within(smallest_limit(*words, folder=tmp_path), *words, folder=tmp_path)
    else:
        assert done.status == 0, done.complaint


def test_an_address_space_that_is_too_small_is_a_message_and_leaves_nothing(source, tmp_path):
    words = [source, "--to", "npy", "-o", "out"]
    n_refused = 0
    for address_kib in range(600_000, 4_000_000, 200_000):
        done = run(*words, folder=tmp_path, address_kib=address_kib)
        assert "Traceback" not in done.complaint
        if done.status == 0:
            break
        assert done.status == 4, done.complaint
        assert done.complaint.startswith("Error: ")
        assert not (tmp_path / "out").exists()
        n_refused += 1
    assert done.status == 0, done.complaint
    assert n_refused > 0
    assert open_dataset(tmp_path / "out").rows == N_ROWS


def test_the_same_rows_whatever_the_limit(source, tmp_path):
    for limit in ("256MB", "4GB"):
        words = [source, "--to", "parquet", "-o", limit, "--memory-limit", limit]
        done = run(*words, folder=tmp_path)  # this process may be larger than the limit by itself
        assert done.status == 0, done.complaint
    small, large = (list(open_dataset(tmp_path / limit).read()) for limit in ("256MB", "4GB"))
    assert pa.Table.from_batches(small).equals(pa.Table.from_batches(large))


def test_the_log_and_the_plot_show_the_phases(source, tmp_path):
    pytest.importorskip("matplotlib")
    log, plot = tmp_path / "memory.csv", tmp_path / "memory.svg"
    report = convert(
        source, to="npy", output=tmp_path / "out", memory_log=log, memory_plot=plot, jobs=1
    )
    with log.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["seconds", "rss_bytes", "phase"]
    phases = list(dict.fromkeys(row["phase"] for row in rows if row["phase"]))
    assert phases == ["sampling", "converting", "committing"]
    seconds = [float(row["seconds"]) for row in rows]
    assert seconds == sorted(seconds)
    assert report.memory is not None
    assert max(int(row["rss_bytes"]) for row in rows) <= report.peak_memory_bytes
    assert plot.read_text().lstrip().startswith("<?xml")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"memory_plot": "missing/plot.png"}, "there is no folder"),
        ({"memory_plot": "plot.bmp"}, "is not a kind of picture"),
        ({"memory_log": "missing/log.csv"}, "there is no folder"),
        ({"memory_limit": 0}, "memory_limit"),
    ],
)
def test_what_cannot_be_is_said_before_any_work(source, tmp_path, monkeypatch, options, told):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((UsageError, BudgetError), match=told):
        convert(source, to="npy", output="out", **options)
    assert list(tmp_path.iterdir()) == []
