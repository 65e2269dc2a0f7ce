"""`--disk-limit`: refused beforehand with flags that make it fit, and stopped at while running."""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner, Result

from bigdata_cli import convert
from bigdata_cli.cli import main
from bigdata_cli.errors import BudgetError, UsageError
from bigdata_cli.samples.options import SampleOptions
from bigdata_cli.samples.write import write_sample

LINE = re.compile(r"^  (?P<flags>-.*?): about (?P<bytes>[\d,]+) bytes(?:; (?P<loss>.*))?$", re.M)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("disk") / "payments.csv"
    with path.open("wb") as stream:
        write_sample(SampleOptions(kind="transactions", n_rows=40_000), stream)
    return path


def run(folder: Path, *words: str) -> Result:
    """The command line, in a folder."""
    with contextlib.chdir(folder):
        return CliRunner().invoke(main, ["convert", *words])


def files_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("given", "limit"),
    [
        (["--to", "tfrecord"], 3_000_000),
        (["--to", "tfrecord", "--layout", "block"], 1_900_000),
        (["--to", "npy"], 2_500_000),
        (["--to", "parquet"], 1_050_000),
        (["--to", "hdf5", "--columns", "amount,isFraud", "--layout", "columns"], 200_000),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_does_not_fit_is_refused_and_each_suggestion_fits(source, tmp_path, given, limit):
    (tmp_path / "refused").mkdir()
    done = run(tmp_path / "refused", str(source), *given, "--disk-limit", str(limit))
    assert done.exit_code == 4
    assert f"--disk-limit is {limit:,} bytes" in done.stderr
    assert list((tmp_path / "refused").iterdir()) == []  # refused before anything is written
    suggested = list(LINE.finditer(done.stderr))
    assert suggested, done.stderr
    for place, found in enumerate(suggested):
        folder = tmp_path / str(place)
        folder.mkdir()
        words = [*given, *shlex.split(found["flags"]), "--disk-limit", str(limit)]
        followed = run(folder, str(source), *words, "--quiet")
        assert followed.exit_code == 0, (words, followed.stderr)
        [dataset] = folder.iterdir()
        shards = sum(path.stat().st_size for path in dataset.glob("[!_]*"))
        assert shards <= limit
        predicted = int(found["bytes"].replace(",", ""))
        assert abs(predicted / shards - 1) < 0.1
        narrows = "--float 32" in found["flags"] or (
            "--to tfrecord" in found["flags"] and "--to tfrecord" not in " ".join(given)
        )
        assert bool(found["loss"]) == (narrows or "--drop" in found["flags"])
        if narrows:
            assert "loses digits of" in found["loss"]


def test_a_dataset_that_is_replaced_counts_until_the_new_one_is_whole(source, tmp_path):
    first = convert(source, to="parquet", output=tmp_path / "out")
    limit = round(1.5 * first.bytes_out)
    before = files_bytes(tmp_path / "out")
    with pytest.raises(BudgetError, match="of the dataset that it replaces"):
        convert(source, to="parquet", output=tmp_path / "out", force=True, disk_limit=limit)
    assert files_bytes(tmp_path / "out") == before
    convert(source, to="parquet", output=tmp_path / "out", force=True, disk_limit=2 * limit)
    convert(source, to="parquet", output=tmp_path / "other", disk_limit=f"{limit}B")


def test_a_pipe_stops_at_the_limit_and_leaves_nothing(source, tmp_path):
    """How long it is is not known, so that it cannot be refused beforehand."""
    header, _, rows = source.read_bytes().partition(b"\n")
    done = subprocess.run(
        [
            sys.executable, "-m", "bigdata_cli", "convert", "-", "--to", "tfrecord", "-o", "out",
            "--disk-limit", "30MB",
        ],
        input=header + b"\n" + 6 * rows, cwd=tmp_path, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 4
    said = done.stderr.decode()
    assert "bytes are written, and --disk-limit is 30,000,000 bytes" in said
    assert "--no-spool" in said
    assert list(tmp_path.iterdir()) == []


class Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_without_a_limit_it_is_what_is_free_less_a_twentieth(source, tmp_path, monkeypatch):
    free = 1_000_000
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10 * free, 9 * free, free))
    with pytest.raises(BudgetError, match="950,000 bytes can be used on that disk"):
        convert(source, to="tfrecord", output=tmp_path / "out")
    # What a run that was killed has left will be free again.
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "payments-00000-of-00001.parquet.partial").write_bytes(bytes(2_000_000))
    convert(source, to="parquet", output=tmp_path / "out")


def test_where_there_is_room_nothing_is_tried(source, tmp_path):
    """Neither is a module loaded that only predictions need."""
    code = (
        "import sys; from bigdata_cli import convert; "
        f"convert({str(source)!r}, to='parquet', output={str(tmp_path / 'out')!r}); "
        "assert 'bigdata_cli.conversion.estimate.disk' in sys.modules; "
        "estimate = 'bigdata_cli.conversion.estimate.'; "
        "sys.exit({estimate + 'rows', estimate + 'predict'} & sys.modules.keys() != set())"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_that_is_none_is_told(source, tmp_path, limit):
    with pytest.raises(UsageError, match=f"disk_limit={limit} is not positive"):
        convert(source, to="parquet", output=tmp_path / "out", disk_limit=limit)


def test_a_limit_below_the_possible_says_what_is_needed_least(source, tmp_path):
    with pytest.raises(BudgetError) as caught:
        convert(source, to="parquet", output=tmp_path / "out", disk_limit="1kB")
    assert "the least that was tried takes about" in str(caught.value)
