"""Splits by the order of rows or times, and of each class: exact, and the same whatever the cut."""

from __future__ import annotations

import gzip
import json
import random
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli import convert, open_dataset, verify
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.run import run
from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.splits.options import SplitOptions
from bigdata_cli.splits.order_statistics import RankedValues
from bigdata_cli.transforms.options import ShapeOptions
from tests.conversion.test_streams import piped
from tests.examples import examples
from tests.manifest_files import as_json

SPLIT = {"train": 0.7, "val": 0.2, "test": 0.1}
N_ROWS = 3_001
WAYS: dict[str, dict[str, Any]] = {
    "order": {"split_order": True},
    "day": {"split_time": "day"},
    "price": {"split_time": "price"},
    "class": {"stratify": "kind"},
}


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    chance = random.Random(5)
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    lines = ["n,day,price,kind"]
    for n in range(N_ROWS):
        day = f"2024-{chance.randint(1, 12):02d}-{chance.randint(1, 28):02d}"
        kind = "abc"[chance.choices(range(3), [90, 9, 1])[0]]
        lines.append(f"{n},{day},{chance.randint(0, 999) / 100:.2f},{kind}")
    path.write_text("\n".join(lines) + "\n")
    return path


def rows_of(folder: Path) -> dict[str, pd.DataFrame]:
    dataset = open_dataset(folder)
    return {
        name: pd.concat([batch.to_pandas() for batch in part.read()]).reset_index(drop=True)
        for name, part in dataset.splits.items()
    }


def options_of(output: Path, way: dict[str, Any], **more: Any) -> ConvertOptions:
    splits = {key: value for key, value in way.items() if key != "stratify"}
    return ConvertOptions(
        to="parquet",
        output=output,
        splits=SplitOptions(split=SPLIT, **splits),
        shape=ShapeOptions(stratify=way.get("stratify")),
        **more,
    )


@pytest.fixture(scope="module", params=WAYS)
def made(request, source, tmp_path_factory):
    """A way, and the rows of each split by it."""
    output = tmp_path_factory.mktemp("made") / "out"
    convert(source, to="parquet", output=output, shards=3, split=SPLIT, **WAYS[request.param])
    report = verify(output, source=[source])
    assert report.passed, report.findings
    assert report.compared_rows == N_ROWS
    return request.param, rows_of(output)


def ends(n_rows: int) -> list[int]:
    """How many rows are in the first splits together, to the nearest row."""
    shares = [Fraction(0), Fraction("0.7"), Fraction("0.9"), Fraction(1)]
    return [int(n_rows * share + Fraction(1, 2)) for share in shares]


def test_splits_are_exact_and_whole(made, source):
    way, found = made
    expected = pd.read_csv(source)
    assert sorted(pd.concat(list(found.values()))["n"]) == list(range(N_ROWS))
    if way == "class":
        for kind, own in expected.groupby("kind"):
            sizes = [stop - start for start, stop in pairwise(ends(len(own)))]
            assert [int((part["kind"] == kind).sum()) for part in found.values()] == sizes
        return
    column = {"order": "n", "day": "day", "price": "price"}[way]
    ordered = expected.sort_values(column)[column].tolist()
    cuts = [ordered[end] for end in ends(N_ROWS)[1:-1]]
    for part, low, high in zip(found.values(), [None, *cuts], [*cuts, None], strict=True):
        values = part[column].astype(str if way == "day" else float)
        if way == "price":  # which is stored as float32
            low, high = (v if v is None else float(np.float32(v)) for v in (low, high))
        assert low is None or values.min() >= low
        assert high is None or values.max() < high
    if way == "order":
        assert [len(part) for part in found.values()] == [2101, 600, 300]


@pytest.mark.parametrize("kind", ["file", "gzip", "parquet"])
def test_jobs_blocks_shards_and_kinds_of_sources_change_no_split(made, kind, source, tmp_path):
    way, expected = made
    path = source
    if kind == "gzip":
        path = tmp_path / "rows.csv.gz"
        path.write_bytes(gzip.compress(source.read_bytes()))
    if kind == "parquet":
        convert(source, to="parquet", output=tmp_path / "p", shards=1)
        path = next((tmp_path / "p").glob("[!_]*.parquet"))
    run([path], options_of(tmp_path / "out", WAYS[way], shards=4, jobs=2), unit_bytes=700)
    found = rows_of(tmp_path / "out")
    if (way, kind) == ("class", "parquet"):  # keys are those of places, which are rows there
        counts = [{k: len(v) for k, v in part.groupby("kind")} for part in expected.values()]
        assert [{k: len(v) for k, v in part.groupby("kind")} for part in found.values()] == counts
        return
    for name, part in expected.items():
        assert sorted(found[name]["n"]) == sorted(part["n"])


def test_the_seed_changes_who_is_drawn_of_a_class_and_not_how_many(source, tmp_path):
    drawn = []
    for seed in (0, 1):
        output = tmp_path / str(seed)
        convert(source, to="npy", output=output, split=SPLIT, stratify="kind", seed=seed)
        dataset = open_dataset(output)["val"]
        drawn.append([n for batch in dataset.read(columns=["n"]) for n in batch[0].to_pylist()])
    assert len(drawn[0]) == len(drawn[1])
    assert drawn[0] != drawn[1]


def test_cuts_are_those_of_the_rows_that_are_left(source, tmp_path):
    convert(
        source, to="parquet", output=tmp_path / "out", split=SPLIT, split_order=True,
        where="price > 5", derive={"twice": "n * 2"},
    )  # fmt: skip
    found = rows_of(tmp_path / "out")
    kept = pd.read_csv(source).query("price > 5")["n"].tolist()
    assert [n for part in found.values() for n in part["n"]] == kept
    assert [len(part) for part in found.values()] == [
        stop - start for start, stop in pairwise(ends(len(kept)))
    ]
    assert verify(tmp_path / "out", source=[source]).passed


def test_a_derived_column_gives_the_time(source, tmp_path):
    convert(
        source, to="parquet", output=tmp_path / "out", split=SPLIT, split_time="month",
        derive={"month": "substr(cast(day as text), 6, 2)::int"}, shards=2,
    )  # fmt: skip
    months = [set(part["month"]) for part in rows_of(tmp_path / "out").values()]
    assert max(months[0]) < min(months[1]) and max(months[1]) < min(months[2])  # noqa: PT018


def test_a_shard_that_is_damaged_is_repaired(made, source, tmp_path):
    way, expected = made
    options = {"to": "parquet", "output": tmp_path / "out", "shards": 3, "split": SPLIT}
    convert(source, **options, **WAYS[way])
    next((tmp_path / "out").glob("val-*")).unlink()
    assert convert(source, repair=True, **options, **WAYS[way]).redone_shards == 1
    found = rows_of(tmp_path / "out")
    assert {k: v["n"].tolist() for k, v in found.items()} == {
        k: v["n"].tolist() for k, v in expected.items()
    }


@pytest.mark.parametrize(
    ("text", "options", "error", "told"),
    [
        ("a,t\n1,\n2,3\n", {"split_time": "t"}, DataError, "rows without a value"),
        ("a,t\n1,x\n2,y\n", {"split_time": "t"}, DataError, 'column "t" is'),
        ("a,t\n1,5\n2,5\n3,5\n", {"split_time": "t"}, DataError, "too few values for 2 splits"),
        ("a\n1\n", {"split_order": True}, DataError, "1 rows have too few values"),
        ("a,k\n1,x\n2,x\n3,y\n", {"stratify": "k"}, DataError, 'class "y" of column "k" has 1 row'),
        ("a\n1\n", {"split_time": "b"}, UsageError, 'no column "b"'),
        ("a\n1\n", {"stratify": "b"}, UsageError, 'no column "b"'),
        ("a\n1\n", {"split_time": "a", "split_order": True}, UsageError, "exclude each other"),
        ("a\n1\n", {"split_by": ["a"], "stratify": "a"}, UsageError, "exclude each other"),
    ],
)
def test_what_cannot_be_is_told_before_any_work(text, options, error, told, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(text)
    with pytest.raises(error, match=told):
        convert(path, to="npy", output=tmp_path / "out", split={"a": 0.5, "b": 0.5}, **options)
    assert not (tmp_path / "out").exists()


def test_a_pipe_is_refused_where_nothing_of_it_is_kept(source, tmp_path):
    with (
        piped(tmp_path / "pipe.csv", source.read_bytes()) as path,
        pytest.raises(UsageError, match="split_order=True takes a pass over all rows before"),
    ):
        convert(path, to="npy", output=tmp_path / "out", split=SPLIT, split_order=True, spool=False)


def test_without_split_nothing_is_split(source, tmp_path):
    for option in ({"split_order": True}, {"split_time": "day"}):
        with pytest.raises(UsageError, match="goes with split"):
            convert(source, to="npy", output=tmp_path / "out", **option)
    with pytest.raises(UsageError, match="stratify goes with sample or split"):
        convert(source, to="npy", output=tmp_path / "out", stratify="kind")


def test_a_manifest_with_other_cuts_is_no_manifest(source, tmp_path):
    convert(source, to="parquet", output=tmp_path / "out", split=SPLIT, split_order=True)
    path = as_json(tmp_path / "out")
    entry = json.loads(path.read_text())
    entry["options"]["split_cuts"]["cuts"][0][1].append(7)
    path.write_text(json.dumps(entry))
    with pytest.raises(DataError, match="other cuts than splits"):
        verify(tmp_path / "out", source=[source])


@examples(60)
@given(
    st.lists(st.lists(st.integers(-50, 50), max_size=40), max_size=8),
    st.sampled_from([np.int64, np.float64]),
    st.integers(4, 40),
)
def test_ranks_are_those_of_sorted_values(parts, dtype, max_entries):
    """Each range holds the value of its rank, and counts those below it exactly."""
    ranked = RankedValues(dtype, max_entries=max_entries)
    for part in parts:
        ranked.add(np.array(part, dtype))
    ordered = sorted(value for part in parts for value in part)
    assert ranked.count == len(ordered)
    for rank, value in enumerate(ordered):
        low, high, before = ranked.range_of(rank)
        assert low <= value <= high
        assert before == sum(one < low for one in ordered)
        assert low == high or len(set(ordered)) > max_entries // 2
