"""The fraud benchmark: its transactions are like PaySim's, and each variant really runs."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest

from benchmarks.fraud.data import TEST_SHARE, generate, prepare
from benchmarks.fraud.data import main as make_data
from benchmarks.fraud.derive import derive
from benchmarks.fraud.features import ERRORS, FEATURES, LABEL, TYPES, frame_features
from benchmarks.fraud.measure import Stage, run_stage, weigh_imports
from benchmarks.fraud.ours import batches, class_counts, draw, moments
from benchmarks.fraud.run import check_packages, main, thinned
from benchmarks.fraud.scores import judge, write_scores
from benchmarks.fraud.variants import VARIANTS
from benchmarks.process import CommandError
from bigdata_cli import convert, open_dataset
from bigdata_cli.errors import DataError, MissingDependencyError, UsageError
from bigdata_cli.sample import transactions

ROWS, SHARE = 20_000, 0.05


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fraud") / "data"
    prepare(folder, n_rows=ROWS, fraud_share=SHARE)
    return folder


@pytest.fixture(scope="module")
def rows():
    """300,000 rows with the usual share of frauds, as they are generated."""
    return generated(300_000, 0.0013, seed=3)


@pytest.fixture(scope="module")
def shards(files, tmp_path_factory):
    """The file to train on, as a dataset."""
    output = tmp_path_factory.mktemp("fraud-shards") / "train"
    convert(files / "train.csv", to="hdf5", label=LABEL, float_mode="64", output=output)
    return output


def all_rows(dataset):
    return map(np.concatenate, zip(*batches(dataset, 4096), strict=True))


def generated(n_rows, share, *, seed):
    train, test = io.BytesIO(), io.BytesIO()
    generate(n_rows, train, test, seed=seed, fraud_share=share)
    return [pd.read_csv(io.BytesIO(stream.getvalue())) for stream in (train, test)]


def test_the_columns_are_paysims_and_a_fifth_is_to_test_with(rows):
    train, test = rows
    assert tuple(train.columns) == tuple(test.columns) == transactions.COLUMNS
    assert len(train) + len(test) == 300_000
    assert len(test) / 300_000 == pytest.approx(TEST_SHARE, abs=0.003)
    assert set(train["type"]) == set(TYPES) == set(transactions.TYPES)


def test_the_share_of_frauds_is_as_asked(rows):
    frauds = sum(frame[LABEL].sum() for frame in rows)
    assert frauds / 300_000 == pytest.approx(0.0013, rel=0.15)  # three standard deviations
    assert sum(frame[LABEL].sum() for frame in generated(30_000, 0.0, seed=0)) == 0


def test_frauds_empty_accounts_by_transfers_and_withdrawals(rows):
    frame = pd.concat(rows)
    fraud = frame[frame[LABEL] == 1]
    genuine = frame[(frame[LABEL] == 0) & frame["type"].isin(["TRANSFER", "CASH_OUT"])]
    assert set(fraud["type"]) == {"TRANSFER", "CASH_OUT"}
    assert (fraud["amount"] == fraud["oldbalanceOrg"]).mean() > 0.9
    assert (genuine["amount"] == genuine["oldbalanceOrg"]).mean() < 0.001
    error = {name: frame_features(part)[ERRORS[0]] for name, part in
             {"fraud": fraud, "genuine": genuine}.items()}  # fmt: skip
    assert (error["fraud"] == 0).mean() > 0.95
    assert (error["genuine"] == 0).mean() < 0.3
    transfers = fraud[fraud["type"] == "TRANSFER"]
    assert (transfers[["oldbalanceDest", "newbalanceDest"]] == 0).all(axis=1).mean() > 0.9
    assert fraud["amount"].max() <= 10_000_000


def test_some_frauds_look_like_any_other_row(rows):
    frame = pd.concat(generated(300_000, 0.05, seed=3))
    fraud = frame[frame[LABEL] == 1]
    hidden = fraud[(fraud["amount"] != fraud["oldbalanceOrg"]) & (fraud["amount"] < 10_000_000)]
    assert 0.01 < len(hidden) / len(fraud) < 0.03


def test_the_same_seed_makes_the_same_bytes_and_another_one_others():
    made = []
    for seed in (1, 1, 2):
        train, test = io.BytesIO(), io.BytesIO()
        generate(70_000, train, test, seed=seed, fraud_share=0.01)
        made.append((train.getvalue(), test.getvalue()))
    assert made[0] == made[1]
    assert made[0][0] != made[2][0]


def test_a_csv_that_is_there_is_split_row_by_row(tmp_path):
    whole = tmp_path / "PaySim.csv"
    train, test = io.BytesIO(), io.BytesIO()
    generate(70_000, train, test, seed=1, fraud_share=0.01)
    head, _, body = train.getvalue().partition(b"\n")
    lines = body.splitlines() + test.getvalue().splitlines()[1:]
    whole.write_bytes(b"\n".join([head, *lines]))
    prepare(tmp_path / "data", n_rows=0, csv=whole)
    parts = [(tmp_path / "data" / name).read_bytes().splitlines() for name in
             ("train.csv", "test.csv")]  # fmt: skip
    assert parts[0][0] == parts[1][0] == head
    assert sorted(parts[0][1:] + parts[1][1:]) == sorted(lines)
    assert len(parts[1]) / 70_000 == pytest.approx(TEST_SHARE, abs=0.01)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (None, UsageError, "there is no file"),
        ("a,b\n1,2\n", DataError, "not those of PaySim"),
        (",".join(transactions.COLUMNS) + "\n", DataError, "no rows"),
    ],
)
def test_a_csv_that_is_not_paysims_is_refused(text, error, message, tmp_path, capsys):
    path = tmp_path / "x.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(error, match=message):
        prepare(tmp_path / "data", n_rows=0, csv=path)
    assert not (tmp_path / "data").exists()
    assert make_data([str(tmp_path / "data"), "--csv", str(path)]) == error.exit_code
    assert capsys.readouterr().err.startswith("Error: ")
    assert main(["--csv", str(path), "--folder", str(tmp_path), "--only", "naive"]) == (
        error.exit_code
    )
    assert message in capsys.readouterr().err


def test_features_of_the_shards_are_those_that_the_others_compute(files, shards):
    frame = pd.read_csv(files / "train.csv")
    X, y = all_rows(open_dataset(shards))
    expected = frame_features(frame)
    assert tuple(expected.columns) == FEATURES
    np.testing.assert_array_equal(X, expected.to_numpy(np.float64))
    np.testing.assert_array_equal(y, frame[LABEL])
    mean, std = moments(open_dataset(shards))
    np.testing.assert_allclose(mean, np.arcsinh(X).mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(std, np.arcsinh(X).std(axis=0), rtol=1e-6)


def test_derived_rows_keep_in_float32_what_is_exactly_zero(files, tmp_path):
    with (tmp_path / "features.csv").open("wb") as out:
        derive(files / "train.csv", out)
    output = tmp_path / "features"
    convert(
        tmp_path / "features.csv", to="hdf5", layout="matrix", label=LABEL, float_mode="32",
        output=output,
    )  # fmt: skip
    dataset = open_dataset(output)
    assert tuple(column.name for column in dataset.features(LABEL)) == FEATURES
    X, y = map(np.concatenate, zip(*dataset.xy_batches(1000, label=LABEL), strict=True))
    frame = pd.read_csv(files / "train.csv")
    np.testing.assert_array_equal(X, frame_features(frame).to_numpy(np.float32))
    np.testing.assert_array_equal(y, frame[LABEL])


def test_features_derived_in_small_blocks_are_the_same(files):
    whole, pieces = io.BytesIO(), io.BytesIO()
    derive(files / "test.csv", whole)
    derive(files / "test.csv", pieces, block_bytes=10_000)
    assert whole.getvalue() == pieces.getvalue()


def test_a_sample_has_exact_shares_and_no_row_twice(shards):
    dataset = open_dataset(shards)
    counts = class_counts(dataset)
    whole, labels = all_rows(dataset)
    assert counts.tolist() == np.bincount(labels).tolist()
    wanted = np.array([500, 50])
    X, y = draw(dataset, wanted, np.random.default_rng(5))
    assert np.bincount(y).tolist() == [500, 50]
    stored = {row.tobytes(): int(label) for row, label in zip(whole, labels, strict=True)}
    drawn = [row.tobytes() for row in X]
    assert len(set(drawn)) == len(drawn)  # the rows of the file differ
    assert [stored[row] for row in drawn] == y.tolist()
    again, _ = draw(dataset, wanted, np.random.default_rng(5))
    other, _ = draw(dataset, wanted, np.random.default_rng(6))
    np.testing.assert_array_equal(again, X)
    assert not np.array_equal(other, X)
    everything, _ = draw(dataset, counts, np.random.default_rng(0))
    assert sorted(row.tobytes() for row in everything) == sorted(row.tobytes() for row in whole)


def test_samples_are_drawn_from_all_over_the_shards(shards):
    dataset = open_dataset(shards)
    step = FEATURES.index("step")
    drawn = [draw(dataset, np.array([400, 0]), np.random.default_rng(s))[0] for s in range(10)]
    mean = np.concatenate(drawn)[:, step].mean()
    assert mean == pytest.approx(dataset.statistics("step").mean, rel=0.03)


def test_the_auc_is_that_of_the_scores(tmp_path):
    write_scores(tmp_path, np.array([0.1, 0.4, 0.4, 0.9]), np.array([0, 0, 1, 1]))
    assert judge(tmp_path) == {"rows": 4, "frauds": 2, "auc": 0.875}


def test_memory_is_counted_above_the_imports():
    code = "benchmarks.fraud.imports"
    stage = Stage(name="idle", commands=((code, "weigh", "/dev/null/none"),))
    with pytest.raises(CommandError):
        run_stage(stage, imports_bytes=(0,), environment={})
    stage = Stage(name="json", commands=(("json.tool", "--help"), ("json.tool", "--help")))
    weights = weigh_imports(stage, environment={})
    assert all(5_000_000 < weight < 60_000_000 for weight in weights)
    run = run_stage(stage, imports_bytes=weights, environment={})
    assert run.peak_bytes < 10_000_000
    assert run.seconds > 0
    assert run.samples


def test_what_is_taken_above_the_imports_is_found(tmp_path):
    taken = tmp_path / "taken.py"
    taken.write_text("import time\nheld = bytearray(80_000_000)\ntime.sleep(0.4)\n")
    stage = Stage(name="taken", commands=(("taken",),))
    environment = {"PYTHONPATH": str(tmp_path)}
    weights = weigh_imports(
        Stage(name="light", commands=(("json.tool", "--help"),)), environment=environment
    )
    run = run_stage(stage, imports_bytes=weights, environment=environment)
    assert 75e6 < run.peak_bytes < 100e6
    assert max(above for _, above in run.samples) > 75e6


def test_samples_are_thinned_to_the_largest_of_a_stretch():
    samples = [(place / 10, place * 7 % 100) for place in range(1000)]
    thin = thinned(samples, 100)
    assert len(thin) == 100
    assert thin == sorted(thin)
    assert max(above for _, above in thin) == 99
    assert thinned(samples[:3], 100) == samples[:3]


def test_a_package_that_is_missing_is_named(monkeypatch):
    monkeypatch.setattr("benchmarks.fraud.run.find_spec", lambda n: None if n == "dask" else "")
    with pytest.raises(MissingDependencyError, match="the variant sample needs dask") as raised:
        check_packages(VARIANTS)
    assert "[bench]" in raised.value.hint


def test_an_unknown_variant_is_refused(capsys):
    assert main(["--only", "naiv"]) == 2
    assert 'Did you mean "naive"?' in capsys.readouterr().err
