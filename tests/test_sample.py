"""The sample data: the committed files, the promises of each kind, the command."""

from __future__ import annotations

import csv
import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bigdata_cli.cli.sample import sample_command
from bigdata_cli.errors import UsageError
from bigdata_cli.samples.options import BLOCK_ROWS, KINDS, SampleOptions
from bigdata_cli.samples.write import rows_of_size, write_sample

SAMPLE_DATA = Path(__file__).parent.parent / "sample_data"
COMMITTED = {
    "transactions.csv": SampleOptions(kind="transactions", n_rows=18_000, fraud_share=0.01),
    "sensors.csv": SampleOptions(kind="sensors", n_rows=5_000),
    "messy.csv": SampleOptions(kind="messy", n_rows=500),
    "log.txt": SampleOptions(kind="log", n_rows=2_000),
}


def made(**options) -> bytes:
    stream = io.BytesIO()
    written = write_sample(SampleOptions(**options), stream)
    assert written == len(stream.getvalue())
    return stream.getvalue()


def records(text: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.decode(), newline="")))


def cents(text: str) -> int:
    whole, _, fraction = text.partition(".")
    assert len(fraction) == 2
    return int(whole) * 100 + int(fraction)


@pytest.mark.parametrize("name", COMMITTED)
def test_the_committed_files_are_what_the_generator_makes(name):
    assert made(**vars(COMMITTED[name])) == (SAMPLE_DATA / name).read_bytes()


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"transactions"}))
def test_more_rows_begin_with_the_same_rows(kind):
    few, many = made(kind=kind, n_rows=1_000), made(kind=kind, n_rows=BLOCK_ROWS + 10)
    assert many.startswith(few)


def test_more_transactions_begin_with_the_same_rows_but_for_the_step():
    few = made(kind="transactions", n_rows=500).splitlines()
    many = made(kind="transactions", n_rows=2_000).splitlines()
    assert [row.partition(b",")[2] for row in few] == [
        row.partition(b",")[2] for row in many[: len(few)]
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_and_seeds_differ(kind):
    rows = made(kind=kind, n_rows=BLOCK_ROWS + 200).split(b"\n")
    assert rows[1:150] != rows[BLOCK_ROWS + 1 : BLOCK_ROWS + 150]
    assert made(kind=kind, n_rows=100) != made(kind=kind, n_rows=100, seed=1)


@pytest.mark.parametrize("kind", KINDS)
def test_the_size_is_about_what_was_asked_for(kind):
    n_rows = rows_of_size(kind, 5_000_000)
    assert abs(len(made(kind=kind, n_rows=n_rows)) - 5_000_000) < 250_000


def test_balances_add_up_and_fraud_empties_the_account():
    kinds: Counter[str] = Counter()
    for row in records(made(kind="transactions", n_rows=60_000)):
        amount, old, new = (
            cents(row[name]) for name in ("amount", "oldbalanceOrg", "newbalanceOrig")
        )
        assert amount > 0
        assert new == (old + amount if row["type"] == "CASH_IN" else max(old - amount, 0))
        old_to, new_to = cents(row["oldbalanceDest"]), cents(row["newbalanceDest"])
        if row["type"] == "PAYMENT":
            assert row["nameDest"].startswith("M")
            assert old_to == new_to == 0
        elif row["type"] == "CASH_IN":
            assert new_to == max(old_to - amount, 0)
        else:
            assert new_to == old_to + amount
        assert row["nameOrig"].startswith("C")
        kinds[row["type"]] += 1
        if row["isFraud"] == "1":
            assert row["type"] in ("TRANSFER", "CASH_OUT")
            assert amount == old
            assert new == 0
            kinds["fraud"] += 1
        if row["isFlaggedFraud"] == "1":
            assert row["isFraud"] == "1"
            assert row["type"] == "TRANSFER"
            assert amount > 20_000_000
    assert 0.0009 < kinds["fraud"] / 60_000 < 0.0017
    assert kinds["CASH_OUT"] > kinds["PAYMENT"] > kinds["CASH_IN"] > kinds["TRANSFER"]
    assert 0 < kinds["DEBIT"] < 1_000


def test_steps_ascend_over_the_whole_file():
    steps = [int(row["step"]) for row in records(made(kind="transactions", n_rows=70_000))]
    assert steps == sorted(steps)
    assert (steps[0], steps[-1]) == (1, 743)


def test_sensors_are_float32_and_tell_the_label():
    rows = records(made(kind="sensors", n_rows=20_000))
    names = [f"f{index}" for index in range(28)]
    assert list(rows[0]) == [*names, "label"]
    texts = np.array([[row[name] for name in names] for row in rows])
    exact = texts.astype(np.float64)
    assert (np.char.str_len(np.char.replace(np.char.strip(texts, "-0"), ".", "")) <= 7).all()
    shortest = [float(str(value)) for value in exact.astype(np.float32).ravel()]
    assert (np.array(shortest) == exact.ravel()).all()
    label = np.array([row["label"] == "1" for row in rows])
    assert 0.5 < label.mean() < 0.56
    assert exact[label, 4].mean() - exact[~label, 4].mean() > 0.4


def test_messy_has_what_it_promises():
    text = made(kind="messy", n_rows=2_000)
    rows = records(text)
    assert all(None not in row and None not in row.values() for row in rows)
    assert len(rows) == 2_000
    assert {row["nothing"] for row in rows} == {""}
    assert all(len(row["id"]) == 18 for row in rows)
    for name in set(rows[0]) - {"id", "nothing"}:
        values = {row[name].strip() for row in rows}
        assert values & {"", "NA", "N/A", "null", "\\N"}, name
    assert any(row["zip"].startswith("0") for row in rows)
    assert any("\r\n" in row["remark"] for row in rows)
    assert any('"' in row["remark"] for row in rows)
    assert any(row["spaced"].startswith(" ") for row in rows)
    for piece in ("👩‍🚀", "e\u0301", ',"NA",', ",NA,", '""""', "T23:", "true"):
        assert piece.encode() in text, piece


def test_log_has_blank_long_and_ascending_lines():
    lines = made(kind="log", n_rows=5_000).decode().splitlines()
    assert len(lines) == 5_000
    assert "" in lines
    assert max(map(len, lines)) > 1_000
    times = [line[:24] for line in lines if line]
    assert times == sorted(times)


def test_the_command_writes_to_a_file_or_to_standard_output(tmp_path):
    printed = CliRunner().invoke(sample_command, ["messy", "--rows", "20"])
    assert printed.exit_code == 0
    assert printed.stdout_bytes == made(kind="messy", n_rows=20)
    path = tmp_path / "messy.csv"
    assert (
        CliRunner().invoke(sample_command, ["messy", "--rows", "20", "-o", str(path)]).exit_code
        == 0
    )
    assert path.read_bytes() == printed.stdout_bytes


@pytest.mark.parametrize(
    "arguments",
    [
        ["messy"],
        ["messy", "--rows", "1", "--size", "1MB"],
        ["messy", "--rows", "1", "-o", "no/such/folder/file.csv"],
    ],
)
def test_wrong_options_are_told(arguments):
    result = CliRunner().invoke(sample_command, arguments)
    assert isinstance(result.exception, UsageError)
    assert result.exception.hint


@pytest.mark.parametrize(
    "wrong",
    [{"kind": "sensor"}, {"n_rows": -1}, {"seed": -1}, {"fraud_share": 1.5}],
)
def test_wrong_values_are_told(wrong):
    with pytest.raises(UsageError):
        SampleOptions(**{"kind": "log", "n_rows": 1, **wrong})
