"""`--stats-from`: steps go by the statistics of another dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from bigdata_cli import convert, open_dataset
from bigdata_cli.errors import UsageError


def frame(n: int, shift: int) -> pd.DataFrame:
    i = np.arange(n) + shift
    return pd.DataFrame(
        {
            "amount": [None if k % 11 == 0 else k * 37 % 997 + 0.5 for k in i],
            "age": i * 7 % 83,
            "city": np.array(["Rome", "Oslo", "Bern"])[i % 3],
        }
    )


@pytest.fixture
def files(tmp_path: Path) -> Path:
    frame(500, 0).to_csv(tmp_path / "old.csv", index=False)
    frame(90, 7_000).assign(city="Oslo").to_csv(tmp_path / "new.csv", index=False)
    return tmp_path


def read(dataset: Path) -> pd.DataFrame:
    return pq.read_table(sorted(dataset.glob("[!_]*.parquet"))).to_pandas()


def test_columns_that_were_not_changed_give_their_statistics(files: Path) -> None:
    convert(files / "old.csv", to="parquet", output=files / "old")
    convert(
        files / "new.csv",
        to="parquet",
        output=files / "new",
        stats_from=files / "old",
        fill={"amount": "mean"},
        minmax=["age"],
        one_hot=["city"],
    )
    old, new, got = frame(500, 0), frame(90, 7_000), read(files / "new")
    np.testing.assert_allclose(got["amount"], new["amount"].fillna(old["amount"].mean()), rtol=1e-6)
    wanted = (new["age"] - old["age"].min()) / (old["age"].max() - old["age"].min())
    np.testing.assert_allclose(got["age"], wanted, rtol=1e-6)
    assert [n for n in got.columns if n.startswith("city")] == [
        "city_Bern",
        "city_Oslo",
        "city_Rome",
    ]
    assert got["city_Oslo"].all()


def test_steps_give_what_they_were_fitted_with(files: Path) -> None:
    steps: dict[str, Any] = {
        "fill": {"amount": "median", "city": "mode"},
        "log1p": ["amount"],
        "standardize": ["amount"],
        "bin": {"age": "quantiles:5"},
    }
    convert(files / "old.csv", to="parquet", output=files / "old", **steps)
    convert(
        files / "new.csv", to="parquet", output=files / "new", stats_from=files / "old", **steps
    )
    ours, theirs = (open_dataset(files / name).manifest.transforms[1:] for name in ("new", "old"))
    assert ours == theirs


def test_of_a_dataset_with_splits_those_for_training_count(files: Path) -> None:
    convert(
        files / "old.csv",
        to="parquet",
        output=files / "old",
        split={"test": 0.5, "train": 0.5},
    )
    convert(
        files / "new.csv",
        to="parquet",
        output=files / "new",
        stats_from=files / "old",
        standardize=["age"],
    )
    train = open_dataset(files / "old")["train"].statistics("age")
    step = open_dataset(files / "new").manifest.transforms[-1]
    assert (step["mean"], step["std"]) == (train.mean, train.std)


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ({"fill": {"amount": "median"}}, "needs its median, which it does not have"),
        ({"log1p": ["amount"], "standardize": ["amount"]}, "deviation after --log1p, which"),
        ({"clip": {"age": "0:9"}, "minmax": ["age"]}, "maximum after --clip, which"),
        ({"bin": {"age": "quantiles:4"}}, "needs its 4 quantiles"),
        ({"one_hot": ["age"]}, "needs its values, which"),
        ({"rename": {"age": "years"}, "minmax": ["years"]}, 'it has no column "years"'),
        ({"derive": {"a": "1"}}, "no step needs statistics"),
    ],
)
def test_what_the_dataset_does_not_have_is_said(
    files: Path, steps: dict[str, Any], words: str
) -> None:
    convert(files / "old.csv", to="parquet", output=files / "old")
    words = words.replace("--log1p", "log1p").replace("--clip", "clip")
    with pytest.raises(UsageError, match=words):
        convert(
            files / "new.csv", to="parquet", output=files / "new", stats_from=files / "old", **steps
        )
    assert not (files / "new").exists()


def test_columns_that_were_changed_there_do_not_count(files: Path) -> None:
    convert(files / "old.csv", to="parquet", output=files / "old", clip={"age": "0:9"})
    with pytest.raises(UsageError, match="needs its mean and deviation, which"):
        convert(
            files / "new.csv",
            to="parquet",
            output=files / "new",
            stats_from=files / "old",
            standardize=["age"],
        )
