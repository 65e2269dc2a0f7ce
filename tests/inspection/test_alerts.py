"""What deserves attention: columns that tell the label, copies, duplicates, heavy tails."""

from __future__ import annotations

import math
import random

import numpy as np
import pyarrow as pa
import pytest

from bigdata_cli import inspect
from bigdata_cli.inspection.alerts import alerts_of
from bigdata_cli.inspection.relations import (
    MAX_ROWS,
    correlated_pairs,
    duplicate_rows,
    label_ties,
)
from bigdata_cli.inspection.values import N_BINS, choose_bins
from bigdata_cli.types.dtype import Kind


def batch(**columns) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(columns)


@pytest.fixture
def numbers() -> np.random.Generator:
    return np.random.default_rng(1)


def test_a_copy_of_the_label_tells_it_and_chance_does_not(numbers):
    n_rows = 8_000
    label = numbers.integers(0, 2, n_rows)
    table = batch(
        copy=[None if one else "no" for one in label],
        shifted=label * 3.5 - 1,
        chance=numbers.random(n_rows),
        text=[f"id-{i}" for i in range(n_rows)],
        half=np.where(numbers.random(n_rows) < 0.5, label, 2),
        y=label,
    )
    ties = {tie.column: tie.information for tie in label_ties([table], "y")}
    assert ties["copy"] > 0.99
    assert ties["shifted"] > 0.99
    assert ties["chance"] < 0.01
    assert ties["text"] < 0.01
    # Half of the rows tell the label, the others nothing.
    assert ties["half"] == pytest.approx(0.5, abs=0.03)


def test_information_is_that_of_scikit_learn(numbers):
    from sklearn.metrics import mutual_info_score

    x, y = numbers.integers(0, 5, 3_000), numbers.integers(0, 3, 3_000)
    y = np.where(x == 1, 0, y)
    [tie] = label_ties([batch(x=x, y=y)], "y")
    shares = np.bincount(y) / len(y)
    entropy = -(shares * np.log(shares)).sum()
    by_chance = 4 * 2 / (2 * 3_000)
    assert tie.information == pytest.approx((mutual_info_score(x, y) - by_chance) / entropy)


def test_a_constant_label_ties_nothing_and_many_rows_are_thinned():
    n_rows = 3 * MAX_ROWS
    table = batch(x=np.arange(n_rows), y=np.zeros(n_rows), z=np.arange(n_rows) // (n_rows // 2))
    assert label_ties([table], "y") == ()
    assert label_ties([table.slice(0, 40_000), table.slice(40_000)], "z")[0].information > 0.9


def test_pairs_are_those_of_numpy(numbers):
    a, b = numbers.random(500), numbers.random(500)
    close = a + 0.05 * b
    table = batch(a=a, b=b, less=-2 * a, close=close, text=["x"] * 500, same=np.ones(500))
    found = {(pair.first, pair.second): pair.coefficient for pair in correlated_pairs([table])}
    assert found.keys() == {("a", "less"), ("a", "close"), ("less", "close")}
    assert found["a", "less"] == pytest.approx(-1.0)
    assert found["a", "close"] == pytest.approx(np.corrcoef(a, close)[0, 1])


def test_equal_rows_are_counted_across_batches():
    first = batch(a=[1, 2, 2, None], b=["x", "y", "y", None])
    second = batch(a=[1, None, 3], b=["x", None, "x"])
    assert duplicate_rows([first, second]) == 3
    assert duplicate_rows([]) == 0


def test_heavy_tails_have_bins_of_equal_ratios(numbers):
    values = np.concatenate([[0.0] * 10, numbers.lognormal(3, 3, 5_000)])
    bins = choose_bins(Kind.FLOAT, [pa.array(values)])
    assert bins is not None
    assert bins.is_log
    assert len(bins.edges) == N_BINS + 1
    ratios = [b / a for a, b in zip(bins.edges[1:], bins.edges[2:], strict=False)]
    assert max(ratios) == pytest.approx(min(ratios))
    counts = bins.count(pa.array(values))
    assert counts.sum() == len(values)
    assert counts[0] == counts[-1] == 0
    plain = choose_bins(Kind.FLOAT, [pa.array(numbers.random(5_000))])
    assert plain is not None
    assert not plain.is_log
    negative = choose_bins(Kind.FLOAT, [pa.array(np.append(values, -1.0))])
    assert negative is not None
    assert not negative.is_log


def test_alerts_of_a_file_are_on_the_page_and_in_the_terminal(tmp_path):
    chance = random.Random(1)
    path = tmp_path / "a.csv"
    lines = ["amount,cents,outcome,label"]
    for i in range(3_000):
        amount, label = round(math.exp(chance.gauss(3, 2)), 2), int(i % 300 == 0)
        lines.append(f"{amount},{amount * 100:.0f},{'paid back' if label else 'open'},{label}")
    lines += lines[-20:]
    path.write_text("\n".join(lines) + "\n")
    report = inspect(path, label="label")
    alerts = alerts_of(report)
    texts = {(alert.column, alert.text.split(":")[0].split(" (")[0]) for alert in alerts}
    assert ("label", "the class 1 has 0.33 % of the rows") in texts
    n_equal = len(lines) - 1 - len(set(lines[1:]))
    assert ("", f"{n_equal:,} rows are equal to others") in texts
    assert ("outcome", "tells label all by itself") in texts
    assert ("amount", "correlates with cents") in texts
    page = report.to_html()
    assert all(f'<a href="#c{place}">' in page for place in (0, 2, 3))
    assert "log scale from" in page
    assert report.to_json()["label_ties"][0]["column"] == "outcome"
