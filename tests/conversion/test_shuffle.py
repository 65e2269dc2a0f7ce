"""Conversions that store their rows in random order: the same rows, and any order as likely."""

from __future__ import annotations

import gzip
import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bigdata_cli import convert, open_dataset, verify
from bigdata_cli.conversion.estimate import scatter
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.order_options import OrderOptions
from bigdata_cli.conversion.run import run
from bigdata_cli.errors import BudgetError, DataError, UsageError
from bigdata_cli.formats.buckets.keys import row_keys
from bigdata_cli.transforms.options import ShapeOptions
from tests.manifest_files import read_document, rejected_csv
from tests.reliability.children import write_source, write_widening_source

FORMATS = ("parquet", "hdf5", "npy", "tfrecord", "arrow")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_source(tmp_path_factory.mktemp("shuffle") / "data.csv", 3_000)


def rows_of(folder: Path) -> list[tuple[Any, ...]]:
    """The rows of a dataset in their order, through our own reader."""
    dataset = open_dataset(folder)
    return [
        tuple(row.values())
        for batch in dataset.read()
        for row in pa.Table.from_batches([batch]).to_pylist()
    ]


def shuffled(source: Path, output: Path, *, seed: int = 0, **options: Any) -> Path:
    """A shuffled dataset of a source."""
    sizes = {key: options.pop(key) for key in ("unit_bytes", "sample_bytes") if key in options}
    options = {"to": "parquet", **options, "output": output, "order": OrderOptions(shuffle=True)}
    run([source], ConvertOptions(**options, shape=ShapeOptions(seed=seed)), **sizes)
    return output


@pytest.mark.parametrize("name", FORMATS)
def test_it_has_the_rows_of_the_source_in_another_order(name, source, tmp_path):
    plain, mixed = tmp_path / "plain", tmp_path / "mixed"
    convert(source, to=name, output=plain, on_bad_row="skip", shards=3)
    report = convert(
        source, to=name, output=mixed, on_bad_row="skip", shards=3, shuffle=True, seed=4
    )
    expected, found = rows_of(plain), rows_of(mixed)
    assert Counter(map(repr, found)) == Counter(map(repr, expected))
    assert found != expected
    before, after = (open_dataset(path).manifest for path in (plain, mixed))
    assert after.order == "shuffled"
    assert after.options["seed"] == 4
    assert after.sources == before.sources
    assert after.schema == before.schema
    for column, known in before.statistics.items():
        same = after.statistics[column]
        if known.mean is not None:
            assert same.mean == pytest.approx(known.mean, rel=1e-12)
        assert (same.minimum, same.maximum) == (known.minimum, known.maximum)
        assert same.float32_error == known.float32_error
    assert [shard.rows for shard in after.shards] == [1000, 1000, 1000]
    assert (after.rejected_rows, report.rejected_rows) == (before.rejected_rows, 4)
    assert rejected_csv(mixed) == rejected_csv(plain)
    assert verify(mixed, source=source).passed
    assert {path.name for path in mixed.iterdir()} == {path.name for path in plain.iterdir()}


def test_the_order_follows_from_the_seed_alone(source, tmp_path, monkeypatch):
    asked: dict[str, dict[str, Any]] = {
        "a": {},
        "b": {"jobs": 1, "unit_bytes": 3_000},
        "c": {"shards": 7},
        "d": {"to": "arrow", "jobs": 1},
        "buckets": {},
        "shares": {},
    }
    orders = {}
    for name, options in asked.items():
        with monkeypatch.context() as patch:
            if name == "buckets":
                patch.setattr(scatter, "SHARE_BYTES", 50_000)
            elif name == "shares":  # fewer bits than the shares need
                patch.setattr(scatter, "SHARE_BYTES", 5_000)
                patch.setattr(scatter, "_MAX_BITS", 2)
            folder = shuffled(source, tmp_path / name, seed=9, on_bad_row="skip", **options)
        orders[name] = rows_of(folder)
    assert all(order == orders["a"] for order in orders.values())
    other = shuffled(source, tmp_path / "other", seed=10, on_bad_row="skip")
    assert rows_of(other) != orders["a"]


def test_each_permutation_is_as_likely_as_any_other():
    # All 24 of four rows: chi-square with 23 degrees of freedom is beyond 49.7 once in 1,000 times.
    rows = np.arange(4, dtype=np.uint64)
    counts = Counter(tuple(np.argsort(row_keys(seed, 0, rows)).tolist()) for seed in range(12_000))
    assert len(counts) == 24
    assert sum((n - 500) ** 2 / 500 for n in counts.values()) < 49.7


def test_rows_go_to_any_place(tmp_path):
    source = tmp_path / "ids.csv"
    n_rows, n_cells = 40_000, 20
    source.write_text("id\n" + "\n".join(map(str, range(n_rows))) + "\n")
    for seed in range(3):
        folder = shuffled(source, tmp_path / f"{seed}", seed=seed)
        ids = np.array([row[0] for row in rows_of(folder)])
        assert np.array_equal(np.sort(ids), np.arange(n_rows))
        # Where rows came from against where they went: 361 degrees of freedom, 452 once in 1,000.
        cells = np.zeros((n_cells, n_cells))
        np.add.at(cells, (ids * n_cells // n_rows, np.arange(n_rows) * n_cells // n_rows), 1)
        expected = n_rows / n_cells**2
        assert ((cells - expected) ** 2 / expected).sum() < 452
        # Neighbours are no more alike than others: of uniform numbers the mean is a third.
        assert abs(np.abs(np.diff(ids)).mean() / n_rows - 1 / 3) < 0.01


def test_sorted_rows_are_mixed_over_all_parts_of_the_source(tmp_path, monkeypatch):
    monkeypatch.setattr(scatter, "PART_BYTES", 20_000)
    source = tmp_path / "classes.csv"
    source.write_text("label,id\n" + "".join(f"c{i // 2_000},{i}\n" for i in range(20_000)))
    folder = shuffled(source, tmp_path / "out", shards=4)
    labels = [row[0] for row in rows_of(folder)]
    seen = [len(set(labels[i : i + 512])) for i in range(0, len(labels) - 512, 512)]
    assert min(seen) == 10
    assert len(open_dataset(folder).shards) == 4


@pytest.mark.parametrize("kind", ["headers", "values", "text"])
@pytest.mark.parametrize("name", ["parquet", "npy", "tfrecord"])
def test_types_that_change_late_are_those_of_an_unshuffled_dataset(
    kind, name, tmp_path, monkeypatch
):
    monkeypatch.setattr(scatter, "PART_BYTES", 9_000)
    source = write_widening_source(tmp_path / "data.csv", kind)
    convert(source, to=name, output=tmp_path / "plain")
    shuffled(source, tmp_path / "mixed", to=name, sample_bytes=2_000, unit_bytes=2_000)
    plain, mixed = rows_of(tmp_path / "plain"), rows_of(tmp_path / "mixed")
    assert Counter(map(repr, plain)) == Counter(map(repr, mixed))
    before, after = (open_dataset(tmp_path / one).manifest for one in ("plain", "mixed"))
    assert after.schema == before.schema
    for column in before.schema:
        a, b = before.statistics[column.name], after.statistics[column.name]
        assert (a.minimum, a.maximum, a.nulls) == (b.minimum, b.maximum, b.nulls)


def test_streams_and_tables(source, tmp_path):
    frame = pl.DataFrame({"a": range(500), "b": [f"t{i % 7}" for i in range(500)]})
    frame.write_csv(tmp_path / "t.csv")
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress((tmp_path / "t.csv").read_bytes()))
    pq.write_table(frame.to_arrow(), tmp_path / "t.parquet", row_group_size=100)
    convert(tmp_path / "t.csv", to="npy", output=tmp_path / "own")
    orders = []
    for name in ("t.csv", "t.csv.gz", "t.parquet", "own"):
        folder = shuffled(tmp_path / name, tmp_path / f"{name}-out", shard_bytes=2_000)
        orders.append(rows_of(folder))
        assert verify(folder, source=tmp_path / name).passed
    assert sorted(orders[0]) == sorted(frame.rows())
    assert all(order == orders[0] for order in orders)


@pytest.mark.parametrize("n_rows", [0, 1, 2])
def test_few_rows(n_rows, tmp_path):
    source = tmp_path / "few.csv"
    source.write_text("a,b\n" + "1,x\n" * n_rows)
    if not n_rows:
        folder = shuffled(source, tmp_path / "out", types={"a": "int8", "b": "text"})
    else:
        folder = shuffled(source, tmp_path / "out", shards=3)
    assert len(rows_of(folder)) == n_rows


def test_verify_finds_a_row_that_is_another(source, tmp_path):
    folder = shuffled(source, tmp_path / "out", on_bad_row="skip")
    lines = source.read_text().splitlines(keepends=True)
    (fields, others) = (lines[5].split(",", 2), lines[6].split(",", 2))
    fields[1], others[1] = others[1], fields[1]
    changed = tmp_path / "data.csv"
    changed.write_text("".join([*lines[:5], ",".join(fields), ",".join(others), *lines[7:]]))
    from bigdata_cli.verification import source as opened

    with pytest.MonkeyPatch.context() as patch:  # its fingerprint tells it too
        patch.setattr(opened, "compare_fingerprint", lambda then, now: [])
        findings = verify(folder, source=changed).findings
    assert [finding.what for finding in findings] == [
        "each column has the values of the source, and they stand in other rows"
    ]


def test_what_a_layout_cannot_hold_leaves_nothing(tmp_path):
    source = tmp_path / "late.csv"
    source.write_text("a,b\n" + "1,2\n" * 4_000 + "".join(f"1,t{i}\n" for i in range(4_000)))
    with pytest.raises(UsageError, match="these columns are text: b"):
        shuffled(source, tmp_path / "out", to="npy", layout="matrix", sample_bytes=4_096)
    assert not (tmp_path / "out").exists()


def test_a_bad_row_leaves_nothing(source, tmp_path):
    with pytest.raises(DataError, match="line 353"):
        shuffled(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_unfinished_shuffle_is_not_taken_for_another(source, tmp_path, monkeypatch):
    output = tmp_path / "out"
    monkeypatch.setattr(scatter, "PART_BYTES", 20_000)
    with monkeypatch.context() as patch:
        patch.setattr(
            "bigdata_cli.conversion.reorder.Scatter.plan",
            property(lambda self: (_ for _ in ()).throw(KeyboardInterrupt)),
        )
        with pytest.raises(KeyboardInterrupt) as raised:
            shuffled(source, output, on_bad_row="skip")
    assert "the same command goes on" in "".join(raised.value.__notes__)
    assert [path.name for path in output.iterdir()] == ["_scattered"]
    with pytest.raises(UsageError, match="--seed is 1, and was 0"):
        shuffled(source, output, seed=1, on_bad_row="skip")
    with pytest.raises(UsageError, match="shuffle=True is not given, and was True"):
        convert(source, to="parquet", output=output, on_bad_row="skip")
    convert(source, to="parquet", output=output, on_bad_row="skip", force=True)
    assert not (output / "_scattered").exists()


def test_options_that_do_not_go_together(source, tmp_path):
    with pytest.raises(UsageError, match="with shuffle=True a shard has rows from all over"):
        convert(source, to="parquet", output=tmp_path / "out", shuffle=True, repair=True)


def test_buckets_count_against_the_disk(source, tmp_path):
    plain = convert(source, to="parquet", output=tmp_path / "plain", on_bad_row="skip")
    limit = plain.bytes_out * 3 // 2
    with pytest.raises(BudgetError, match=r"on their way into another order \(shuffle"):
        convert(
            source, to="parquet", output=tmp_path / "out", on_bad_row="skip", shuffle=True,
            disk_limit=limit,
        )  # fmt: skip
    assert not (tmp_path / "out").exists()


def test_the_manifest_of_other_datasets_says_nothing_of_it(source, tmp_path):
    convert(source, to="parquet", output=tmp_path / "out", on_bad_row="skip")
    options = read_document(tmp_path / "out")["options"]
    assert not {"shuffle", "seed"} & options.keys()


def test_a_shuffle_of_random_tables_keeps_their_rows(tmp_path):
    chance = random.Random(5)
    for number in range(6):
        n_rows, n_columns = chance.randrange(1, 400), chance.randrange(2, 6)
        kinds = [chance.choice(["int", "float", "text", "null", "date"]) for _ in range(n_columns)]
        make = {
            "int": lambda: str(chance.randrange(-500, 10 ** chance.randrange(1, 12))),
            "float": lambda: f"{chance.gauss(0, 9):.3f}",
            "text": lambda: f'"{chance.choice("abcdefgh") * chance.randrange(0, 9)}"',
            "null": lambda: "",
            "date": lambda: f"20{chance.randrange(10, 60)}-03-0{chance.randrange(1, 9)}",
        }
        lines = [",".join(f"c{i}" for i in range(n_columns))]
        lines += [",".join(make[kind]() for kind in kinds) for _ in range(n_rows)]
        source = tmp_path / f"{number}.csv"
        source.write_text("\n".join(lines) + "\n")
        convert(source, to="arrow", output=tmp_path / f"{number}-a")
        convert(source, to="arrow", output=tmp_path / f"{number}-b", shuffle=True)
        a, b = rows_of(tmp_path / f"{number}-a"), rows_of(tmp_path / f"{number}-b")
        assert Counter(map(repr, a)) == Counter(map(repr, b))
