"""Splits by a hash: disjoint and whole, the same whatever the jobs, blocks and shards."""

from __future__ import annotations

import gzip
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bigdata_cli import convert, open_dataset, verify
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.run import run
from bigdata_cli.errors import UsageError
from bigdata_cli.splits.options import SplitOptions
from tests.conversion.test_streams import piped
from tests.datasets import LAYOUTS
from tests.examples import examples, n_examples
from tests.manifest_files import rejected_csv

SPLIT = {"train": 0.7, "val": 0.2, "test": 0.1}


def write_users(path: Path, n_rows: int = 3_000) -> Path:
    """Rows of 200 users, each row with a number of its own."""
    chance = random.Random(3)
    lines = ["n,user,kind,x"]
    lines += [
        f"{i},u{chance.randrange(200)},{chance.choice('abc')},{chance.random():.3f}"
        for i in range(n_rows)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def column(folder: Path, name: str) -> dict[str, list[Any]]:
    """The values of a column by split."""
    dataset = open_dataset(folder)
    return {
        split: [v for batch in part.read(columns=[name]) for v in batch.column(0).to_pylist()]
        for split, part in dataset.splits.items()
    }


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_users(tmp_path_factory.mktemp("users") / "users.csv")


@pytest.fixture(scope="module")
def expected(source, tmp_path_factory):
    """The row numbers of each split, by user."""
    output = tmp_path_factory.mktemp("expected") / "out"
    convert(source, to="parquet", output=output, shards=1, split=SPLIT, split_by=["user"])
    return column(output, "n")


def test_splits_are_disjoint_and_whole(expected):
    rows = [n for numbers in expected.values() for n in numbers]
    assert sorted(rows) == list(range(3_000))
    assert list(expected) == ["train", "val", "test"]
    for share, numbers in zip(SPLIT.values(), expected.values(), strict=True):
        assert abs(len(numbers) / 3_000 - share) < 0.12  # of 200 users
        assert numbers == sorted(numbers)


def test_no_value_of_the_key_is_in_two_splits(source, tmp_path):
    convert(source, to="parquet", output=tmp_path / "out", split=SPLIT, split_by=["user"])
    users = [set(values) for values in column(tmp_path / "out", "user").values()]
    assert sum(map(len, users)) == len(set().union(*users)) == 200


@pytest.mark.parametrize(
    "how",
    [
        {"shards": 4, "jobs": 1, "unit_bytes": 500},
        {"shards": 3, "jobs": 2, "unit_bytes": 4_000},
        {"shards": 9, "jobs": 2, "unit_bytes": 1_000},
    ],
)
@pytest.mark.parametrize("kind", ["file", "gzip", "pipe", "parquet", "dataset"])
def test_jobs_blocks_and_shards_change_no_split(kind, how, source, expected, tmp_path):
    unit_bytes, how = how["unit_bytes"], {**how}
    del how["unit_bytes"]
    options = ConvertOptions(
        to="parquet",
        output=tmp_path / "out",
        splits=SplitOptions(split=SPLIT, split_by=("user",)),
        **how,
    )
    if kind == "pipe":
        with piped(tmp_path / "users.csv", source.read_bytes()) as path:
            run([path], options, unit_bytes=unit_bytes)
    else:
        run([as_kind(source, kind, tmp_path)], options, unit_bytes=unit_bytes)
    if kind in ("parquet", "dataset"):  # of tables the values are hashed, and not their text
        table = as_kind(source, kind, tmp_path)
        once = replace(options, output=tmp_path / "once", shards=1, jobs=1)
        run([table], once)
        expected = column(tmp_path / "once", "n")
    assert {k: sorted(v) for k, v in column(tmp_path / "out", "n").items()} == expected


@pytest.mark.parametrize("float_mode", ["auto", "32"])
def test_jobs_and_blocks_change_no_statistics(float_mode, tmp_path):
    source = tmp_path / "a.csv"
    chance = random.Random(1)
    numbers = [chance.random() for _ in range(2_000)]
    source.write_text("x,y\n" + "".join(f"{x!r},{round(x, 3)}\n" for x in numbers))
    splits = SplitOptions(split={"train": 0.9, "test": 0.1})
    manifests = []
    for place, (jobs, unit_bytes) in enumerate([(1, 200), (2, 5_000), (1, None)]):
        options = ConvertOptions(
            to="parquet", output=tmp_path / str(place), shards=2, jobs=jobs,
            float_mode=float_mode, splits=splits,
        )  # fmt: skip
        manifests.append(run([source], options, unit_bytes=unit_bytes).manifest)
    assert manifests[0] == manifests[1] == manifests[2]


def as_kind(source: Path, kind: str, folder: Path) -> Path:
    """The rows of a CSV, compressed or as a table."""
    if kind == "gzip":
        path = folder / "users.csv.gz"
        path.write_bytes(gzip.compress(source.read_bytes()))
        return path
    if kind in ("parquet", "dataset"):
        if not (folder / "made").exists():
            convert(source, to="parquet", output=folder / "made", shards=1)
        return (
            next((folder / "made").glob("[!_]*.parquet")) if kind == "parquet" else folder / "made"
        )
    return source


@pytest.mark.parametrize(("to", "layout"), LAYOUTS)
def test_every_format_holds_them(to, layout, source, tmp_path):
    holds_text = layout not in ("matrix", "packed")
    convert(
        source, to=to, layout=layout, output=tmp_path / "out", shards=3, split=SPLIT,
        split_by=["n"], drop=() if holds_text else ["user"],
    )  # fmt: skip
    dataset = open_dataset(tmp_path / "out")
    rows = {name: part.rows for name, part in dataset.splits.items()}
    assert sum(rows.values()) == dataset.rows == 3_000
    names = [name for shard in dataset.shards for name in shard.file_names]
    stems = {name.partition("-")[0].partition(".")[0] for name in names}
    assert stems == set(SPLIT)
    numbers = sorted(n for values in column(tmp_path / "out", "n").values() for n in values)
    assert numbers == list(range(3_000))
    report = verify(tmp_path / "out", source=[source])
    assert report.passed, report.findings
    assert report.compared_rows == 3_000


def test_names_of_files_are_those_of_each_split(source, tmp_path):
    convert(
        source, to="parquet", output=tmp_path / "out", shards=2, split={"train": 0.8, "test": 0.2}
    )
    names = sorted(path.name for path in (tmp_path / "out").glob("[!_]*.parquet"))
    assert names == [
        f"{split}-{i:05d}-of-00002.parquet" for split in ("test", "train") for i in (0, 1)
    ]


def test_equal_rows_are_in_the_same_split(tmp_path):
    """However their values are written: 1.50 is 1.5, NA is nothing, True is true."""
    forms = [
        ("1.5", ["1.50", "1.500", " 1.5", '"1.5"']),
        ("-0.25", ["-0.250", '"-0.25 "']),
        ("20", ["20.0", "20.", "2.0e1"]),
        ("0", ["0.0", "-0", "-0.00"]),
        ("true", ["True", "TRUE"]),
        ("", ["NA", "null", '""']),
        ("1e-30", ["1.0e-30", "1.00e-30"]),
    ]
    path = tmp_path / "rows.csv"
    rows = [(i, form) for i, (first, others) in enumerate(forms * 5) for form in (first, *others)]
    path.write_text("group,value,key\n" + "".join(f"{i},{v},k{i // 7}\n" for i, v in rows))
    convert(
        path, to="parquet", output=tmp_path / "out", all_text=True, split={"a": 0.5, "b": 0.5},
        split_by=["value", "key"],
    )  # fmt: skip
    groups = [set(values) for values in column(tmp_path / "out", "group").values()]
    assert not groups[0] & groups[1]
    assert min(map(len, groups)) > 3


@settings(
    max_examples=n_examples(40),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.integers(-5, 5), st.integers(-(2**63), 2**63 - 1)),
            st.one_of(st.none(), st.floats(allow_nan=False), st.integers(-9, 9).map(float)),
            st.one_of(st.none(), st.text(max_size=20)),
            st.one_of(st.none(), st.booleans()),
        ),
        min_size=1,
        max_size=30,
    ),
    st.integers(0, 2**32),
)
def test_equal_rows_of_tables_are_in_one_split(tmp_path, rows, seed):
    doubled = [*rows, *reversed(rows)]
    path = tmp_path / "t.parquet"
    columns = list(zip(*doubled, strict=True))
    types = [pa.int64(), pa.float64(), pa.string(), pa.bool_()]
    arrays = [pa.array(c, t) for c, t in zip(columns, types, strict=True)]
    groups = [*range(len(rows)), *reversed(range(len(rows)))]
    table = pa.table([*arrays, pa.array(groups)], names=["i", "f", "t", "b", "group"])
    pq.write_table(table, path)
    convert(
        path, to="arrow", output=tmp_path / "out", force=True, seed=seed,
        split={"a": 0.5, "b": 0.5}, split_by=["i", "f", "t", "b"],
    )  # fmt: skip
    found = column(tmp_path / "out", "group")
    assert sorted(found["a"] + found["b"]) == sorted(groups)
    assert not set(found["a"]) & set(found["b"])


def test_the_seed_and_nothing_else_changes_the_draw(source, tmp_path):
    drawn = {}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        convert(source, to="arrow", output=tmp_path / name, split=SPLIT, seed=seed)
        drawn[name] = column(tmp_path / name, "n")
    assert drawn["a"] == drawn["b"]
    assert drawn["a"] != drawn["c"]


def test_the_shares_are_those_asked_for(tmp_path):
    """Four standard deviations of a binomial of 20,000 draws."""
    path = tmp_path / "n.csv"
    path.write_text("n\n" + "".join(f"{i}\n" for i in range(20_000)))
    convert(path, to="npy", output=tmp_path / "out", split=SPLIT)
    for name, part in open_dataset(tmp_path / "out").splits.items():
        share = SPLIT[name]
        assert abs(part.rows - 20_000 * share) < 4 * (20_000 * share * (1 - share)) ** 0.5


def test_a_split_without_rows_is_an_empty_file(tmp_path):
    path = tmp_path / "n.csv"
    path.write_text("n\n7\n7\n7\n")
    for to, layout in LAYOUTS:
        output = tmp_path / f"{to}-{layout}"
        convert(path, to=to, layout=layout, output=output, shards=3, split=SPLIT)
        dataset = open_dataset(output)
        assert sorted(part.rows for part in dataset.splits.values()) == [0, 0, 3]
        assert sorted(len(part.shards) for part in dataset.splits.values()) == [1, 1, 3]
        assert verify(output, source=[path]).passed
        assert all(
            len(list(part.batches(2))) == -(-part.rows // 2) for part in dataset.splits.values()
        )


def test_a_split_has_its_own_statistics(source, tmp_path):
    convert(source, to="parquet", output=tmp_path / "out", shards=3, split=SPLIT)
    dataset = open_dataset(tmp_path / "out")
    for part in dataset.splits.values():
        table = pa.Table.from_batches(list(part.read()))
        known = part.statistics("x")
        values = table.column("x").to_numpy().astype(float)
        assert (known.count, known.nulls) == (len(values), 0)
        assert known.minimum == pytest.approx(values.min(), rel=1e-6)
        assert known.maximum == pytest.approx(values.max(), rel=1e-6)
        assert known.mean == pytest.approx(values.mean(), rel=1e-6)
        assert known.std == pytest.approx(values.std(), rel=1e-6)
        assert part.statistics("user").text_bytes == sum(map(len, table.column("user").to_pylist()))
    assert dataset.statistics("n").count == 3_000


def test_rejected_records_are_set_aside_once(tmp_path):
    path = tmp_path / "n.csv"
    path.write_text("n,m\n" + "".join(f"{i},{i}\n" if i % 50 else f"{i}\n" for i in range(1_000)))
    convert(path, to="parquet", output=tmp_path / "out", shards=3, split=SPLIT, on_bad_row="skip")
    dataset = open_dataset(tmp_path / "out")
    assert (dataset.rows, dataset.manifest.rejected_rows) == (980, 20)
    assert len(rejected_csv(tmp_path / "out").splitlines()) == 21
    assert verify(tmp_path / "out", source=[path]).passed


def test_a_damaged_shard_of_a_split_is_repaired(source, tmp_path):
    options = {"to": "parquet", "output": tmp_path / "out", "shards": 3, "split": SPLIT}
    convert(source, **options)
    before = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}
    (tmp_path / "out" / "val-00001-of-00003.parquet").unlink()
    (tmp_path / "out" / "train-00002-of-00003.parquet").write_bytes(b"damaged")
    report = convert(source, repair=True, **options)
    assert report.redone_shards == 2
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == before
    with pytest.raises(UsageError, match="the options differ"):
        convert(source, repair=True, **{**options, "split": {"train": 0.7, "test": 0.3}})


def test_a_split_is_a_dataset(source, tmp_path):
    convert(source, to="parquet", output=tmp_path / "out", split=SPLIT)
    dataset = open_dataset(tmp_path / "out")
    assert dataset["val"].rows == sum(len(b["n"]) for b in dataset["val"].batches(100))
    assert "'val'" in repr(dataset["val"])
    assert dataset["val"].splits == {}
    with pytest.raises(UsageError) as caught:
        dataset["vall"]
    assert caught.value.hint == 'Did you mean "val"?'
    with pytest.raises(UsageError, match="has no column"):
        dataset["val"]["train"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"split": {"train": 0.8, "test": 0.1}}, "add up to 0.9, not to 1"),
        ({"split": {"train": 1.5, "test": -0.5}}, "train=1.5 is not a share"),
        ({"split": {"../x": 0.5, "b": 0.5}}, "cannot be the name of a split"),
        ({"split": {"all": 0.5, "b": 0.5}}, "cannot be the name of a split"),
        ({"split": {"A": 0.5, "a": 0.5}}, "differ in upper and lower case only"),
        ({"split": SPLIT, "split_by": ["usr"]}, 'there is no column "usr"'),
        ({"split_by": ["user"]}, "split_by goes with split"),
        ({"split": {}}, "names 0 splits"),
    ],
)
def test_what_cannot_be_is_told_before_any_work(options, told, source, tmp_path):
    with pytest.raises(UsageError, match=told):
        convert(source, to="parquet", output=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_thirds_add_up_to_one(source, tmp_path):
    convert(source, to="npy", output=tmp_path / "out", split=dict.fromkeys("abc", 1 / 3))
    assert list(open_dataset(tmp_path / "out").splits) == ["a", "b", "c"]


def test_rows_are_split_after_the_steps_that_shape_them(source, tmp_path):
    """By columns that are passed on under another name, or made; filtered rows are in no split."""
    options = {
        "to": "parquet",
        "shards": 3,
        "split": SPLIT,
        "rename": {"user": "who"},
        "derive": {"hundred": "n / 100", "last": "right(who, 1)"},
        "where": "x > 0.5",
    }
    for key in ("who", "hundred", "last"):
        output = tmp_path / key
        convert(source, output=output, split_by=[key], **options)
        values = [set(values) for values in column(output, key).values()]
        assert sum(map(len, values)) == len(set().union(*values))
        dataset = open_dataset(output)
        assert dataset.rows + dataset.manifest.filtered_rows == 3_000
        assert sum(part.rows for part in dataset.splits.values()) == dataset.rows
        report = verify(output, source=[source])
        assert report.passed, report.findings
    plain = tmp_path / "plain"
    convert(source, to="parquet", output=plain, split=SPLIT, split_by=["user"])
    expected, found = column(plain, "n"), column(tmp_path / "who", "n")
    assert all(set(found[name]) <= set(expected[name]) for name in SPLIT)


VALUES = [
    *("7", "7.0", "-0", "0", "1e-7", "0.1", "true", "False", "inf", "", "NA", "x", "12ab", "1E4"),
    *("007", "9007199254740993", "-1.5", "123456789012345678901234567890.5"),
    *("18446744073709551615", "2024-05-06", "2024-05-06T07:08:09"),
    "2024-05-06 07:08:09.123456789",
]


@examples(40)
@given(
    st.lists(st.tuples(st.sampled_from(VALUES), st.integers(0, 99)), min_size=1, max_size=40),
    st.integers(1, 200),
)
def test_the_type_of_a_column_changes_no_split(tmp_path_factory, rows, unit_bytes):
    """A row is where its values say, as text or as numbers, and in blocks of any types."""
    folder = tmp_path_factory.mktemp("types")
    path = folder / "rows.csv"
    path.write_text("v,i,n\n" + "".join(f"{v},{i},{n}\n" for n, (v, i) in enumerate(rows)))
    splits = SplitOptions(split={"a": 0.5, "b": 0.5}, split_by=("v", "i"))
    found = []
    for place, more in enumerate([{}, {"all_text": True}]):
        options = ConvertOptions(
            to="arrow", output=folder / str(place), shards=1, jobs=1, splits=splits, **more
        )
        run([path], options, unit_bytes=unit_bytes if place == 0 else None)
        numbers = column(folder / str(place), "n")
        found.append({name: sorted(map(int, own)) for name, own in numbers.items()})
    assert found[0] == found[1]


def test_a_table_is_split_as_the_text_of_its_rows(tmp_path):
    chance = random.Random(2)
    path = tmp_path / "rows.csv"
    lines = [
        f"{i},{chance.random():.3f},{chance.random()!r},u{i % 9},2024-01-{i % 28 + 1:02d},"
        f"2024-01-02T03:04:{i % 60:02d},{chance.choice(['true', 'false', ''])},{2**60 + i}"
        for i in range(1_000)
    ]
    path.write_text("n,x,y,user,day,moment,flag,large\n" + "\n".join(lines) + "\n")
    convert(path, to="parquet", output=tmp_path / "table", shards=1)
    found = []
    for place, source in enumerate([path, tmp_path / "table"]):
        convert(source, to="arrow", output=tmp_path / str(place), shards=1, split=SPLIT)
        found.append(column(tmp_path / str(place), "n"))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"shuffle": True},
        {"where": "n >= 0", "standardize": ["x"], "one_hot": ["kind"]},
        {"columns": ["n", "x"]},
        {"rename": {"user": "who"}, "split_by": ["who"], "drop": ["who"]},
    ],
    ids=["drop", "shuffle", "fit", "columns", "rename"],
)
@pytest.mark.parametrize("kind", ["file", "pipe", "parquet"])
def test_rows_are_split_by_a_column_that_is_not_kept(kind, how, source, expected, tmp_path):
    options = {"split": SPLIT, "split_by": ["user"], "shards": 2, **how}
    if "columns" not in options:
        options.setdefault("drop", ["user"])
    place = as_kind(source, kind, tmp_path)
    if kind == "pipe":
        with piped(tmp_path / "users.csv", source.read_bytes()) as path:
            convert(path, to="parquet", output=tmp_path / "out", **options)
    else:
        convert(place, to="parquet", output=tmp_path / "out", **options)
        assert verify(tmp_path / "out", source=place).findings == ()
    dataset = open_dataset(tmp_path / "out")
    assert not {"user", "who"} & set(dataset.schema.names)
    found = {name: sorted(numbers) for name, numbers in column(tmp_path / "out", "n").items()}
    assert found == expected


def test_a_column_that_is_not_kept_can_be_made(source, tmp_path):
    convert(
        source, to="parquet", output=tmp_path / "out", split=SPLIT,
        derive={"group": "substring(user, 1, 2)"}, split_by=["group"], drop=["group"],
    )  # fmt: skip
    groups = [{user[:2] for user in users} for users in column(tmp_path / "out", "user").values()]
    assert sum(map(len, groups)) == len(set().union(*groups)) == 10
    convert(source, like=tmp_path / "out", output=tmp_path / "again")
    again = open_dataset(tmp_path / "again")
    assert (again.schema, again.rows) == (open_dataset(tmp_path / "out").schema, 3_000)


def test_a_column_that_is_nowhere_splits_nothing(source, tmp_path):
    for kept in ({"columns": ["n"]}, {"drop": ["n"]}):
        with pytest.raises(UsageError, match='split_by: there is no column "usr"'):
            convert(
                source, to="parquet", output=tmp_path / "out", split=SPLIT, split_by=["usr"], **kept
            )
