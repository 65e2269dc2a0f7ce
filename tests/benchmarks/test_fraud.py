"""The fraud benchmark: its transactions are like PaySim's, and each variant really runs."""

from __future__ import annotations

import io
import json
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks.fraud.data import TEST_SHARE, generate, prepare
from benchmarks.fraud.data import main as make_data
from benchmarks.fraud.derive import derive
from benchmarks.fraud.features import ERRORS, FEATURES, LABEL, TYPES, frame_features
from benchmarks.fraud.measure import Stage, run_stage, weigh_imports
from benchmarks.fraud.ours import OURS, batches, class_counts, draw, moments
from benchmarks.fraud.page import BEGIN, END, asked, write_page
from benchmarks.fraud.peers import PEERS
from benchmarks.fraud.run import PAGE, check_packages, main, measure, thinned
from benchmarks.fraud.scores import judge, write_scores
from benchmarks.fraud.variants import VARIANTS, Variant
from benchmarks.process import CommandError
from bigdata_cli import convert, open_dataset
from bigdata_cli.errors import DataError, MissingDependencyError, UsageError
from bigdata_cli.samples import transactions

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
    assert 70e6 < run.peak_bytes < 100e6
    assert max(above for _, above in run.samples) > 70e6


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


def test_each_way_but_keras_finds_most_frauds(files, shards, monkeypatch):
    monkeypatch.setattr("benchmarks.fraud.peers.MEMBERS", 2)
    monkeypatch.setattr("benchmarks.fraud.ours.MEMBERS", 2)
    monkeypatch.setattr("benchmarks.fraud.ours.ITERATIONS", 5)
    labels = pd.read_csv(files / "test.csv")[LABEL]
    for name in ("naive", "sample", "blocks", "bagging"):
        scored = PEERS[name](files / "train.csv", files / "test.csv", 1)
        assert scored[LABEL].tolist() == labels.tolist()
        assert roc_auc_score(labels, scored["score"]) > 0.8, name
    dataset = open_dataset(shards)
    X, y = all_rows(dataset)
    for name in ("bagged", "partial-fit"):
        assert roc_auc_score(y, OURS[name](dataset, 1)(X)) > 0.9, name


def test_a_variant_is_run_measured_and_put_on_a_page(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.fraud.run.SMALL", ("--rows", "3000", "--fraud-share", "0.05"))
    variants = [variant for variant in VARIANTS if variant.name == "naive"]
    results = measure(variants, n_rows=ROWS, csv=None, folder=tmp_path)
    assert not results["failed"]
    (figures,) = results["variants"]
    assert 0 < figures["auc"] <= 1
    assert figures["rows"] == pytest.approx(TEST_SHARE * ROWS, rel=0.1)
    assert 0 < figures["peak_bytes"] < figures["peak_rss_bytes"] < 1e9
    assert [stage["name"] for stage in figures["stages"]] == ["train and test"]
    assert str(tmp_path) not in json.dumps(results)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"fraud-{ROWS}", "fraud-small"]
    page = tmp_path / "fraud.md"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    write_page(results, page)
    text = page.read_text(encoding="utf-8")
    assert f"| {figures['auc']:.4f} |" in text.split(BEGIN)[1].split(END)[0]
    before, after = PAGE.read_text(encoding="utf-8").split(BEGIN)[0], text.split(END)[1]
    assert text.startswith(before)
    assert PAGE.read_text(encoding="utf-8").endswith(after)
    for picture in re.findall(r"\]\((fraud-\w+\.svg)\)", text):
        assert (tmp_path / picture).read_text(encoding="utf-8").startswith("<?xml")


@pytest.mark.slow
def test_all_variants_run_and_are_tested_with_the_same_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.fraud.run.SMALL", ("--rows", "5000", "--fraud-share", "0.1"))
    results = measure(VARIANTS, n_rows=200_000, csv=None, folder=tmp_path)
    assert not results["failed"]
    assert [figures["name"] for figures in results["variants"]] == [v.name for v in VARIANTS]
    of_name = {figures["name"]: figures for figures in results["variants"]}
    assert of_name["bagged"]["stages"][:2] == of_name["partial-fit"]["stages"][:2]  # run once
    assert len({(figures["rows"], figures["frauds"]) for figures in results["variants"]}) == 1
    assert all(figures["auc"] > 0.8 for figures in results["variants"])
    assert "What is asked of ours" in asked(results["variants"])


def test_a_variant_that_fails_does_not_lose_the_others(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("benchmarks.fraud.run.SMALL", ("--rows", "100"))
    broken = Variant(
        name="broken",
        label="not there",
        stages=lambda place: (Stage(name="none", commands=(("no_such_module",),)),),
    )
    results = measure([broken], n_rows=100, csv=None, folder=tmp_path)
    assert not results["variants"]
    assert "No module named no_such_module" in results["failed"]["not there"]


def figures(name, *, peak, auc, seconds, is_ours):
    return {
        "name": name, "label": name.title(), "is_ours": is_ours, "seconds": seconds,
        "peak_bytes": peak * 10**6, "auc": auc,
    }  # fmt: skip


def test_what_is_asked_is_judged_against_the_best_of_the_others():
    others = [
        figures("naive", peak=900, auc=0.99, seconds=40.0, is_ours=False),
        figures("blocks", peak=100, auc=0.97, seconds=12.0, is_ours=False),
    ]
    good = figures("good", peak=99, auc=0.99, seconds=39.9, is_ours=True)
    bad = figures("bad", peak=100, auc=0.9899, seconds=40.0, is_ours=True)
    text = asked([*others, good, bad])
    assert "| Good | yes, 99 MB | yes, 0.9900 | yes, 39.9 s |" in text
    assert "| Bad | **no**, 100 MB | **no**, 0.9899 | **no**, 40.0 s |" in text
    assert "memory below 100 MB (Blocks)" in text
    assert asked(others) == asked([good]) == ""


def test_a_page_without_marks_is_not_overwritten(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("no marks\n")
    with pytest.raises(ValueError, match="lacks the marks"):
        write_page({"variants": []}, page)
    assert page.read_text() == "no marks\n"
