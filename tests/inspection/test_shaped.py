"""What `inspect` says of rows that are shaped, split and shuffled is what a conversion makes."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bigdata_cli import convert, inspect
from bigdata_cli.cli import main
from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.samples.options import SampleOptions
from bigdata_cli.samples.write import write_sample

N_ROWS = 15_000
SAMPLE_BYTES = 500_000
SHAPES: dict[str, dict[str, Any]] = {
    "where": {"where": "amount > 100000 and type in ('CASH_OUT', 'TRANSFER', 'CASH_IN')"},
    "derive": {
        "derive": {"error": "newbalanceOrig + amount - oldbalanceOrg", "big": "error > 1e6"},
        "rename": {"isFraud": "label"},
    },
    "statistics": {
        "standardize": ["amount", "oldbalanceOrg"],
        "minmax": ["step"],
        "one_hot": ["type"],
        "bin": {"newbalanceDest": "quantiles:8"},
        "hash": {"nameDest": 500},
    },
    "sample": {"sample": 0.3, "seed": 5},
    "limit": {"limit": 8_500},
    "rows": {"sample": "4500rows", "where": "amount > 1000"},
    "split": {"split": {"train": 0.7, "val": 0.2, "test": 0.1}, "standardize": ["amount"]},
    "shuffle": {"shuffle": True, "where": "amount > 20000"},
}
FORMATS = [("parquet", "rows", "zstd"), ("npy", "columns", "none"), ("tfrecord", "rows", "gzip")]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shaped") / "transactions.csv"
    with path.open("wb") as stream:
        write_sample(SampleOptions(kind="transactions", n_rows=N_ROWS), stream)
    return path


@pytest.mark.parametrize("name", SHAPES)
def test_rows_and_bytes_are_predicted_within_a_tenth(
    source: Path, tmp_path: Path, name: str
) -> None:
    given = SHAPES[name]
    report = inspect(source, sample_size=SAMPLE_BYTES, **given)
    assert not report.exact
    costs = {(cost.format, cost.layout, cost.compression): cost for cost in report.costs}
    for form, layout, compression in FORMATS:
        cost = costs[form, layout, compression]
        real = convert(
            source,
            to=form,
            layout=layout,
            compression=compression,
            output=tmp_path / form,
            **given,
        )
        assert [column.name for column in report.columns] == list(real.manifest.schema.names)
        assert abs(report.rows / real.rows - 1) < 0.1
        assert abs(cost.bytes / real.bytes_out - 1) < 0.1, (form, cost.bytes, real.bytes_out)
        assert cost.shards == real.n_shards


def test_rows_that_a_filter_keeps_are_within_the_bounds(source: Path, tmp_path: Path) -> None:
    for condition in ("amount > 100000", "isFraud = 1", "step < 50", "amount % 2 < 1"):
        report = inspect(source, sample_size=SAMPLE_BYTES, where=condition)
        kept = convert(source, to="npy", where=condition, output=tmp_path / "o", force=True).rows
        assert report.rows_low is not None
        assert report.rows_high is not None
        # Thrice the half of an interval that holds 19 of 20: one of a file in order may be off.
        assert abs(report.rows - kept) <= 3 * (report.rows_high - report.rows)


def test_all_of_it_and_small_files_are_exact(source: Path, tmp_path: Path) -> None:
    given = {"where": "amount > 100000", "derive": {"twice": "amount * 2"}}
    real = convert(source, to="npy", output=tmp_path / "o", **given)
    full = inspect(source, full=True, **given)
    assert (full.rows, full.is_full) == (real.rows, True)
    small = tmp_path / "small.csv"
    small.write_text("a,b\n" + "".join(f"{i},x\n" for i in range(50)))
    assert inspect(small, where="a >= 20").rows == 30


def test_the_command_does_what_was_inspected(source: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.csv").write_bytes(source.read_bytes()[:200_000].rpartition(b"\n")[0] + b"\n")
    report = inspect(
        "t.csv",
        where=["amount > 1", "type <> 'DEBIT'"],
        derive={"a=b": "amount / 2"},
        fill={"amount": "mean"},
        split={"train": 0.5, "test": 0.5},
        seed=3,
        clip={"step": "1:"},
    )
    words = shlex.split(report.next_command)
    assert words[:2] == ["bigdata", "convert"]
    assert "--where" in words
    result = CliRunner().invoke(main, [*words[1:], "-o", "made", "--json"])
    assert result.exit_code == 0, result.output
    made = convert("t.csv", to="parquet", output="again", where=["amount > 1", "type <> 'DEBIT'"])
    assert f'"rows": {made.rows}' in result.output
    assert report.rows == made.rows


def test_what_does_not_go_together_is_refused(source: Path, tmp_path: Path) -> None:
    convert(source, to="npy", output=tmp_path / "d", columns=["step"])
    with pytest.raises(UsageError, match="where is for files"):
        inspect(tmp_path / "d", where="step > 1")
    with pytest.raises(UsageError, match='there is no column "amont"'):
        inspect(source, where="amont > 1")
    with pytest.raises(DataError, match="no row of the sample is left"):
        inspect(source, where="amount < -1")
    result = CliRunner().invoke(main, ["inspect", "a", "b", "--compare", "--where", "x > 1"])
    assert result.exit_code == 2
    assert "--where does not go with --compare" in result.output
