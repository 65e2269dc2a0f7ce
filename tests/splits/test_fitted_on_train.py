"""Steps learn from the split for training alone, and rows are split by values before them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from bigdata_cli import convert, open_dataset, verify
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.run import run
from bigdata_cli.errors import UsageError
from bigdata_cli.splits.options import SplitOptions
from bigdata_cli.transforms.options import ShapeOptions

SPLIT = {"val": 0.3, "train": 0.5, "test": 0.2}


def frame() -> pd.DataFrame:
    i = np.arange(900)
    return pd.DataFrame(
        {
            "id": i,
            "user": i % 60,
            "amount": [None if k % 11 == 0 else k * 37 % 997 + 0.5 for k in i],
            "age": i * 7 % 83,
            "city": np.array(["Rome", "Oslo", "Bern"])[i % 3],
        }
    )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    frame().to_csv(tmp_path / "a.csv", index=False)
    return tmp_path / "a.csv"


def read(dataset: Path, split: str = "") -> pd.DataFrame:
    return pq.read_table(sorted(dataset.glob(f"{split}*.parquet"))).to_pandas()


@pytest.mark.parametrize("by", [(), ("user",)])
def test_statistics_are_those_of_the_training_rows(
    source: Path, tmp_path: Path, by: tuple[str, ...]
) -> None:
    convert(
        source,
        to="parquet",
        output=tmp_path / "out",
        split=SPLIT,
        split_by=by,
        derive={"twice": "age * 2", "copy": "age"},
        fill={"amount": "median"},
        standardize=["age", "amount"],
        minmax=["twice"],
        bin={"copy": "quantiles:4"},
    )
    wanted = frame().set_index("id")
    train = wanted.loc[read(tmp_path / "out", "train")["id"]]
    assert 300 < len(train) < 600
    median = train["amount"].quantile(0.5, interpolation="lower")
    amount, of_train = wanted["amount"].fillna(median), train["amount"].fillna(median)
    twice, low, high = wanted["age"] * 2, (train["age"] * 2).min(), (train["age"] * 2).max()
    quarters = train["age"].quantile([0.25, 0.5, 0.75], interpolation="lower").to_numpy()
    got = read(tmp_path / "out").set_index("id").sort_index()
    assert len(got) == 900
    for name, values in {
        "amount": (amount - of_train.mean()) / of_train.std(ddof=0),
        "age": (wanted["age"] - train["age"].mean()) / train["age"].std(ddof=0),
        "twice": (twice - low) / (high - low),
        "copy": np.searchsorted(quarters, wanted["age"], side="right"),
    }.items():
        np.testing.assert_allclose(got[name], values, rtol=1e-6, atol=1e-9)
    if by:
        users = [set(read(tmp_path / "out", split)["user"]) for split in SPLIT]
        assert sum(map(len, users)) == len(set.union(*users)) == 60
    assert verify(tmp_path / "out", source=source).findings == ()


def test_values_that_only_other_splits_have_are_counted(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text("n,city\n" + "".join(f"{i},c{i // 2}\n" for i in range(60)))
    report = convert(
        source, to="parquet", output=tmp_path / "out", split=SPLIT, one_hot=["city"], drop=[]
    )
    seen = set(read(tmp_path / "out", "train")["n"] // 2)
    assert [n for n in report.manifest.schema.names if n != "n"] == [
        f"city_{value}" for value in sorted(f"c{place}" for place in seen)
    ]
    others = [n for split in ("val", "test") for n in read(tmp_path / "out", split)["n"]]
    assert report.manifest.unknown_values == {"city": sum(n // 2 not in seen for n in others)}
    assert verify(tmp_path / "out", source=source).findings == ()


def test_the_same_whatever_the_jobs_units_and_kind_of_source(source: Path, tmp_path: Path) -> None:
    digests = []
    for jobs, unit_bytes in ((1, 1 << 20), (2, 999)):
        options = ConvertOptions(
            to="parquet",
            output=tmp_path / f"out{jobs}",
            shards=2,
            jobs=jobs,
            splits=SplitOptions(split=SPLIT),
            shape=ShapeOptions(standardize=("age",), one_hot=("city",), where=("amount > 3",)),
        )
        manifest = run([source], options, unit_bytes=unit_bytes).manifest
        digests.append([file.checksum for shard in manifest.shards for file in shard.files])
    assert digests[0] == digests[1]


def test_parquet_files_too(source: Path, tmp_path: Path) -> None:
    frame().to_parquet(tmp_path / "a.parquet")
    convert(
        tmp_path / "a.parquet",
        to="parquet",
        output=tmp_path / "out",
        split=SPLIT,
        standardize=["age"],
        drop=["city"],
    )
    got = read(tmp_path / "out", "train")
    assert got["age"].mean() == pytest.approx(0, abs=1e-6)
    assert got["age"].std(ddof=0) == pytest.approx(1)
    assert verify(tmp_path / "out", source=tmp_path / "a.parquet").findings == ()


def test_without_steps_that_learn_the_split_is_as_it_was(source: Path, tmp_path: Path) -> None:
    plain = convert(source, to="parquet", output=tmp_path / "a", split=SPLIT).manifest
    clipped = convert(source, to="parquet", output=tmp_path / "b", split=SPLIT, clip={"age": "0:"})
    assert "split_steps" not in plain.options
    assert "split_steps" not in clipped.manifest.options
    rows = [set(read(tmp_path / name, "train")["id"]) for name in "ab"]
    convert(source, to="parquet", output=tmp_path / "c", split=SPLIT, standardize=["age"])
    assert set(read(tmp_path / "c", "train")["id"]) == rows[0]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"split_by": ["towns"]}, 'there is no column "towns"'),
    ],
)
def test_what_rows_cannot_be_split_by_is_said(
    source: Path, tmp_path: Path, given: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        convert(
            source, to="parquet", output=tmp_path / "o", split=SPLIT, standardize=["age"], **given
        )


def test_like_and_its_statistics_follow_the_training_rows(source: Path, tmp_path: Path) -> None:
    convert(source, to="parquet", output=tmp_path / "a", split=SPLIT, standardize=["age"])
    report = convert(source, like=tmp_path / "a", output=tmp_path / "b")
    assert report.manifest.transforms[1] == open_dataset(tmp_path / "a").manifest.transforms[1]
    assert report.manifest.splits == ()
