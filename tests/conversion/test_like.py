"""`--like`: other rows become those of a dataset, by the same steps, types and codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bigdata_cli import convert, open_dataset, verify
from bigdata_cli.dataset.manifest import MANIFEST_VERSION
from bigdata_cli.errors import DataError, UsageError
from tests.examples import examples
from tests.manifest_files import as_json, read_document, rejected_csv

STEPS: dict[str, Any] = {
    "rename": {"kind": "type"},
    "derive": {"ratio": "amount / (count + 1)"},
    "where": "amount > 2",
    "fill": {"age": "median"},
    "clip": {"amount": ":900"},
    "bin": {"count": "quantiles:4"},
    "standardize": ["amount"],
    "minmax": ["age"],
    "one_hot": ["colour"],
    "label": "y",
}


def rows(n: int = 400, shift: int = 0) -> pd.DataFrame:
    i = np.arange(n) + shift
    return pd.DataFrame(
        {
            "kind": np.array(["cash", "card", "wire"])[i * i % 3],
            "amount": i * 37 % 997 + 0.25,
            "count": i % 50,
            "age": pd.array([None if k % 9 == 0 else k * 7 % 83 for k in i], "Int64"),
            "colour": np.array(["red", "green"])[i % 2],
            "code": np.array(["a1", "b2", "c3", "d4"])[i % 4],
            "y": i % 2 == 0,
        }
    )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "old.csv"
    rows().to_csv(path, index=False)
    return path


def files_of(dataset: Path) -> list[str]:
    manifest = open_dataset(dataset).manifest
    return [file.checksum for shard in manifest.shards for file in shard.files]


def frame_of(dataset: Path) -> pd.DataFrame:
    return pq.read_table(sorted(dataset.glob("[!_]*.parquet"))).to_pandas()


FORMATS = [
    ("parquet", None),
    ("hdf5", "columns"),
    ("npy", "columns"),
    ("tfrecord", "rows"),
    ("arrow", None),
]


@pytest.mark.parametrize(("form", "layout"), FORMATS)
def test_the_same_rows_give_the_same_bytes(
    source: Path, tmp_path: Path, form: Any, layout: str | None
) -> None:
    convert(source, to=form, layout=layout, output=tmp_path / "old", shards=2, **STEPS)
    report = convert(source, like=tmp_path / "old", output=tmp_path / "again", shards=2)
    assert files_of(tmp_path / "again") == files_of(tmp_path / "old")
    assert report.manifest.schema == open_dataset(tmp_path / "old").schema
    assert (report.format, report.manifest.label) == (form, "y")
    assert verify(tmp_path / "again", source=source).findings == ()


def test_other_rows_go_by_the_statistics_of_the_first_ones(source: Path, tmp_path: Path) -> None:
    convert(source, to="parquet", output=tmp_path / "old", **STEPS)
    new = rows(50, shift=1_000)
    new.to_csv(tmp_path / "new.csv", index=False)
    report = convert(tmp_path / "new.csv", like=tmp_path / "old", output=tmp_path / "new")
    old = rows()
    kept = old[old["amount"] > 2]
    wanted = new[new["amount"] > 2]
    got = frame_of(tmp_path / "new")
    assert report.filtered_rows == len(new) - len(wanted)
    clipped = kept["amount"].clip(upper=900)
    np.testing.assert_allclose(
        got["amount"],
        (wanted["amount"].clip(upper=900) - clipped.mean()) / clipped.std(ddof=0),
        rtol=1e-6,
    )
    filled = kept["age"].astype(float)
    median = filled.quantile(0.5, interpolation="lower")
    filled = filled.fillna(median)
    np.testing.assert_allclose(
        got["age"].astype(float),
        (wanted["age"].astype(float).fillna(median) - filled.min()) / (filled.max() - filled.min()),
        rtol=1e-6,
    )
    np.testing.assert_allclose(got["ratio"], wanted["amount"] / (wanted["count"] + 1), rtol=1e-6)
    assert got["type"].tolist() == wanted["kind"].tolist()
    assert got["colour_red"].tolist() == (wanted["colour"] == "red").tolist()
    assert verify(tmp_path / "new", source=tmp_path / "new.csv").findings == ()


def test_codes_are_those_of_the_dataset_whatever_values_there_are(tmp_path: Path) -> None:
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    old.write_text("c\n" + "cherry\napple\nbanana\n" * 20)
    new.write_text("c\nbanana\nbanana\ncherry\n")
    convert(old, to="hdf5", output=tmp_path / "old")
    convert(new, like=tmp_path / "old", output=tmp_path / "new")
    assert open_dataset(tmp_path / "new").schema["c"].vocabulary == ("apple", "banana", "cherry")
    (path,) = (tmp_path / "new").glob("*.h5")
    with h5py.File(path) as file:
        assert file["c"][:].tolist() == [1, 1, 2]


@pytest.mark.parametrize("jobs", [1, 2])
def test_unknown_values_are_null_and_counted(tmp_path: Path, jobs: int) -> None:
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    old.write_text("c,d,n\n" + "a,x,1\nb,y,2\n" * 20)
    new.write_text("c,d,n\n" + "b,x,1\nzebra,y,2\n,lion,3\nzebu,y,4\n" * 500)
    convert(old, to="parquet", output=tmp_path / "old", one_hot=["d"])
    report = convert(new, like=tmp_path / "old", output=tmp_path / "new", shards=2, jobs=jobs)
    assert report.manifest.unknown_values == {"c": 1_000, "d": 500}
    saved = read_document(tmp_path / "new")
    assert saved["unknown_values"] == {"c": 1_000, "d": 500}
    assert any('"c": 1,000 values' in note for note in report.notes)
    got = frame_of(tmp_path / "new")
    assert got["c"].isna().sum() == 1_500
    assert got["c"].dropna().unique().tolist() == ["b"]
    assert got[["d_x", "d_y"]].to_numpy()[2].tolist() == [False, False]
    assert verify(tmp_path / "new", source=new).findings == ()
    convert(new, like=tmp_path / "new", output=tmp_path / "third", shards=2)
    assert files_of(tmp_path / "third") == files_of(tmp_path / "new")


def test_a_value_that_does_not_fit_is_an_error_with_its_place_or_set_aside(tmp_path: Path) -> None:
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    old.write_text("n,t\n" + "1,a\n2,b\n" * 20)
    new.write_text("n,t\n1,a\n300,b\nabc,a\n2,b\n")
    convert(old, to="parquet", output=tmp_path / "old")
    with pytest.raises(DataError, match=r"new.csv line 4 .*'abc' is not int8"):
        convert(new, like=tmp_path / "old", output=tmp_path / "new")
    assert not (tmp_path / "new").exists()
    report = convert(new, like=tmp_path / "old", output=tmp_path / "new", on_bad_row="skip")
    assert (report.rows, report.rejected_rows) == (2, 2)
    assert b"300,b" in rejected_csv(tmp_path / "new")


def test_what_only_steps_read_may_be_wider_but_not_of_another_kind(tmp_path: Path) -> None:
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    old.write_text("n,t\n" + "1,a\n2,b\n" * 20)
    convert(old, to="parquet", output=tmp_path / "old", derive={"m": "n / 1000000"}, drop=["n"])
    new.write_text("n,t\n1,a\n3000000,b\nabc,a\n2,b\n")
    with pytest.raises(DataError, match=r"new.csv line 4 .*'abc' is not int64"):
        convert(new, like=tmp_path / "old", output=tmp_path / "new")
    convert(new, like=tmp_path / "old", output=tmp_path / "new", on_bad_row="skip")
    np.testing.assert_allclose(frame_of(tmp_path / "new")["m"], [1e-6, 3.0, 2e-6], rtol=1e-6)


def test_columns_that_are_missing_are_named_and_others_are_left_out(
    source: Path, tmp_path: Path
) -> None:
    convert(source, to="parquet", output=tmp_path / "old", **STEPS)
    new = rows(60)
    new.drop(columns=["amount", "code"]).to_csv(tmp_path / "few.csv", index=False)
    with pytest.raises(UsageError, match=r'"code", "amount" are not in .*few.csv'):
        convert(tmp_path / "few.csv", like=tmp_path / "old", output=tmp_path / "new")
    new = new.assign(ratio=1, type=2)[[*reversed(new.columns), "type", "ratio"]]
    new.to_csv(tmp_path / "more.csv", index=False)
    report = convert(tmp_path / "more.csv", like=tmp_path / "old", output=tmp_path / "new")
    assert any('"type", "ratio": ' in note for note in report.notes)
    assert report.manifest.schema.names == open_dataset(tmp_path / "old").schema.names
    assert report.manifest.rows == (new["amount"] > 2).sum()
    assert verify(tmp_path / "new", source=tmp_path / "more.csv").findings == ()


@pytest.mark.parametrize("label", ["y", "is_large"])
def test_a_label_that_is_missing_is_left_out_and_said(tmp_path: Path, label: str) -> None:
    rows().to_csv(tmp_path / "old.csv", index=False)
    rows(30).drop(columns="y").to_csv(tmp_path / "new.csv", index=False)
    derive = {"is_large": "y and amount > 50"}
    convert(
        tmp_path / "old.csv",
        to="npy",
        layout="matrix",
        output=tmp_path / "old",
        label=label,
        derive=derive,
        columns=["amount", "count", label],
    )
    report = convert(tmp_path / "new.csv", like=tmp_path / "old", output=tmp_path / "new")
    assert report.manifest.label is None
    assert report.manifest.schema.names == ("amount", "count")
    assert report.notes[0] == f'the label "{label}" is not in the source, and left out'


def test_the_way_values_are_written_is_that_of_the_dataset_or_what_is_given(tmp_path: Path) -> None:
    old, new, other = tmp_path / "old.csv", tmp_path / "new.tsv", tmp_path / "other.csv"
    old.write_text("d,n,b\n" + "31.12.2024,?,ja\n01.02.2023,4,nein\n" * 20)
    new.write_text("b\td\tn\nja\t24.12.2024\t?\n")
    other.write_text("d,n,b\n24.12.2024,-,ja\n")
    spelled: dict[str, Any] = {
        "null": ["?"],
        "date_format": ["d=%d.%m.%Y"],
        "true": ["ja"],
        "false": ["nein"],
    }
    convert(old, to="parquet", output=tmp_path / "old", **spelled)
    convert(new, like=tmp_path / "old", output=tmp_path / "new")
    got = pq.read_table(sorted((tmp_path / "new").glob("[!_]*.parquet"))).to_pylist()
    assert [str(value) for value in got[0].values()] == ["2024-12-24", "None", "True"]
    convert(other, like=tmp_path / "old", output=tmp_path / "other", null=["-"])
    assert frame_of(tmp_path / "other")["n"].isna().all()


def test_json_lines_and_parquet_become_the_same_rows(source: Path, tmp_path: Path) -> None:
    convert(source, to="parquet", output=tmp_path / "old", **STEPS)
    table = pacsv.read_csv(source)
    pq.write_table(table, tmp_path / "new.parquet")
    with (tmp_path / "new.jsonl").open("w") as file:
        file.writelines(json.dumps(row) + "\n" for row in table.to_pylist())
    expected = frame_of(tmp_path / "old")
    for name in ("new.parquet", "new.jsonl"):
        convert(tmp_path / name, like=tmp_path / "old", output=tmp_path / f"of-{name}")
        pd.testing.assert_frame_equal(frame_of(tmp_path / f"of-{name}"), expected)


def test_choices_by_chance_are_not_repeated(source: Path, tmp_path: Path) -> None:
    convert(
        source,
        to="parquet",
        output=tmp_path / "old",
        sample=0.2,
        split={"train": 0.5, "test": 0.5},
        standardize=["amount"],
    )
    report = convert(source, like=tmp_path / "old", output=tmp_path / "new")
    assert (report.rows, report.manifest.splits) == (400, ())
    assert any("has some of its source only" in note for note in report.notes)
    limited = convert(source, to="parquet", output=tmp_path / "few", limit=7, balance="kind")
    report = convert(source, like=tmp_path / "few", output=tmp_path / "all")
    assert (limited.rows, report.rows) == (7, 400)
    with pytest.raises(UsageError, match="do not go together"):
        convert(source, like=tmp_path / "old", output=tmp_path / "o", sample="20rows")
    with pytest.raises(UsageError, match="and balance does not go with it"):
        convert(source, like=tmp_path / "old", output=tmp_path / "o", balance="kind")
    report = convert(source, like=tmp_path / "old", output=tmp_path / "part", sample=0.2)
    assert report.rows == open_dataset(tmp_path / "old").rows


def test_options_that_are_given_come_first(source: Path, tmp_path: Path) -> None:
    convert(source, to="parquet", output=tmp_path / "old", compression="zstd:3", label="y")
    report = convert(
        source,
        like=tmp_path / "old",
        to="hdf5",
        label="code",
        output=tmp_path / "new",
        types={"count": "float64", "kind": "text"},
    )
    assert (report.format, report.manifest.label) == ("hdf5", "code")
    assert report.manifest.compression is None
    assert report.manifest.schema["count"].dtype == "float64"
    assert report.manifest.schema["kind"].dtype == "text"
    report = convert(source, like=tmp_path / "old", output=tmp_path / "same")
    assert report.manifest.compression == "zstd:3"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"derive": {"a": "1"}}, "derive"),
        ({"drop": ["y"]}, "drop"),
        ({"float": "32"}, "float"),
        ({"standardize": ["amount"]}, "standardize"),
        ({"schema": {"y": "int8"}}, "schema"),
    ],
)
def test_what_the_dataset_decides_cannot_be_given(
    source: Path, tmp_path: Path, given: dict[str, Any], name: str
) -> None:
    convert(source, to="parquet", output=tmp_path / "old")
    with pytest.raises(UsageError, match=f"and {name} does not go with it"):
        convert(source, like=tmp_path / "old", output=tmp_path / "new", **given)


def test_a_dataset_of_a_newer_version_is_refused_before_any_work(
    source: Path, tmp_path: Path
) -> None:
    convert(source, to="parquet", output=tmp_path / "old")
    manifest = as_json(tmp_path / "old")
    newer = json.loads(manifest.read_text()) | {"manifest_version": MANIFEST_VERSION + 1}
    manifest.write_text(json.dumps(newer))
    with pytest.raises(DataError, match=f"manifest version {MANIFEST_VERSION + 1} is not"):
        convert(source, like=tmp_path / "old", output=tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_column_without_values_stays_one(tmp_path: Path) -> None:
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    old.write_text("n,e\n1,\n2,\n")
    convert(old, to="parquet", output=tmp_path / "old")
    new.write_text("n,e\n1,\n2,\n3,\n")
    report = convert(new, like=tmp_path / "old", output=tmp_path / "new")
    assert report.manifest.schema["e"].dtype == "null"
    new.write_text("n,e\n1,\n2,x\n3,\n")
    with pytest.raises(DataError, match=r"new.csv line 3 .*'x' is not null"):
        convert(new, like=tmp_path / "old", output=tmp_path / "again")


def test_a_header_that_looks_like_its_values_is_found_by_the_names(tmp_path: Path) -> None:
    old, new = tmp_path / "old.csv", tmp_path / "new.csv"
    old.write_text("word,other\n" + "".join(f"w{i},x{i % 3}\n" for i in range(60)))
    new.write_text("word,other\nw7,x1\n")
    convert(old, to="parquet", output=tmp_path / "old")
    assert convert(new, like=tmp_path / "old", output=tmp_path / "new").rows == 1


def test_it_resumes_and_repairs_as_any_conversion(source: Path, tmp_path: Path) -> None:
    convert(source, to="parquet", output=tmp_path / "old", **STEPS)
    convert(source, like=tmp_path / "old", output=tmp_path / "new", shards=2)
    before = files_of(tmp_path / "new")
    first = min((tmp_path / "new").glob("[!_]*.parquet"))
    first.write_bytes(b"damaged")
    convert(source, like=tmp_path / "old", output=tmp_path / "new", shards=2, repair=True)
    assert files_of(tmp_path / "new") == before
    assert pa.parquet.read_table(first).num_rows > 0


def test_without_a_format_and_a_model_it_asks_for_one(source: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no format") as raised:
        convert(source, output=tmp_path / "new")
    assert "like" in str(raised.value)


def test_a_joined_table_is_joined_again(tmp_path: Path) -> None:
    prices, old, new = (tmp_path / f"{name}.csv" for name in ("prices", "old", "new"))
    prices.write_text("item,price\na,1.5\nb,2.5\n")
    old.write_text("n,item\n" + "1,a\n2,b\n3,c\n" * 20)
    new.write_text("n,item\n7,b\n8,z\n")
    convert(
        old,
        to="parquet",
        output=tmp_path / "old",
        join=[prices],
        on=["item"],
        derive={"cost": "n * price"},
        fill={"price": "mean"},
    )
    convert(new, like=tmp_path / "old", output=tmp_path / "new", types={"item": "text"})
    got = frame_of(tmp_path / "new")
    assert got["price"].tolist() == [2.5, 2.0]
    assert got["cost"].iloc[0] == 17.5
    assert verify(tmp_path / "new", source=new).findings == ()
    prices.write_text("item,price\na,1.5\nb,9.5\n")
    with pytest.raises(DataError, match=r"prices\.csv"):
        convert(new, like=tmp_path / "old", output=tmp_path / "again")


@given(
    old=st.lists(
        st.tuples(
            st.integers(-300, 300) | st.none(),
            st.floats(-1e6, 1e6).map(lambda x: round(x, 3)) | st.none(),
            st.sampled_from(["a", "b", "ä", "x y"]) | st.none(),
        ),
        min_size=3,
        max_size=40,
    ),
    new=st.lists(
        st.tuples(st.integers(-100, 100), st.sampled_from(["a", "b", "?", "c"]), st.booleans()),
        min_size=1,
        max_size=10,
    ),
)
@examples(10)
def test_any_rows_become_the_same_again_and_others_by_the_same_rule(
    old: list[Any], new: list[Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any")
    frame = pd.DataFrame(old, columns=["n", "x", "c"]).astype({"n": "Int64"})
    frame.to_csv(folder / "old.csv", index=False)
    assume(frame["n"].notna().any())
    known = set(frame["c"].dropna())
    convert(
        folder / "old.csv",
        to="arrow",
        output=folder / "old",
        types={"c": "category", "x": "float64", "n": "float64"},
        fill={"n": "mean"},
        minmax=["n"],
    )
    convert(folder / "old.csv", like=folder / "old", output=folder / "again")
    assert files_of(folder / "again") == files_of(folder / "old")
    other = pd.DataFrame(new, columns=["n", "c", "more"]).assign(x=1.5)
    other.to_csv(folder / "new.csv", index=False)
    report = convert(folder / "new.csv", like=folder / "old", output=folder / "new")
    n_unknown = sum(value not in known for value in other["c"])
    assert report.manifest.unknown_values == ({"c": n_unknown} if n_unknown else {})
    old_n = frame["n"].astype(float)
    old_n = old_n.fillna(old_n.mean())
    wanted = (other["n"] - old_n.min()) / ((old_n.max() - old_n.min()) or 1.0)
    got = [row for batch in open_dataset(folder / "new").read() for row in batch.to_pylist()]
    np.testing.assert_allclose([row["n"] for row in got], wanted, rtol=1e-5, atol=1e-6)
    assert [row["c"] for row in got] == [v if v in known else None for v in other["c"]]
