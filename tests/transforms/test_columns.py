"""Steps on columns, each by the contract, and what is special about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xxhash

from bigdata_cli import convert, open_dataset
from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.transforms.quantiles import RANK_ERROR, QuantileSketch
from tests.transforms.column_step_contract import ColumnStepContract


class TestFlagNull(ColumnStepContract):
    options: dict[str, Any] = {"flag_null": ["age", "city"]}  # noqa: RUF012
    unknown: dict[str, Any] = {"flag_null": ["no"]}  # noqa: RUF012

    def expected(self, rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(age_is_null=rows["age"].isna(), city_is_null=rows["city"].isna())


class TestFill(ColumnStepContract):
    options: dict[str, Any] = {"fill": {"age": "mean", "amount": "-1.5", "city": "mode"}}  # noqa: RUF012
    unknown: dict[str, Any] = {"fill": {"no": "1"}}  # noqa: RUF012

    def expected(self, rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(
            age=rows["age"].fillna(rows["age"].mean()),
            amount=rows["amount"].fillna(-1.5),
            city=rows["city"].fillna(rows["city"].mode()[0]),
        )


class TestFillMedian(ColumnStepContract):
    options: dict[str, Any] = {"fill": {"age": "median", "amount": "zero"}}  # noqa: RUF012
    unknown: dict[str, Any] = {"fill": {"no": "median"}}  # noqa: RUF012

    def expected(self, rows: pd.DataFrame) -> pd.DataFrame:
        low = rows["age"].quantile(0.5, interpolation="lower")
        return rows.assign(age=rows["age"].fillna(low), amount=rows["amount"].fillna(0))


class TestFillForward(ColumnStepContract):
    options: dict[str, Any] = {"fill": {"age": "ffill", "amount": "ffill", "city": "ffill"}}  # noqa: RUF012
    unknown: dict[str, Any] = {"fill": {"no": "ffill"}}  # noqa: RUF012

    def expected(self, rows: pd.DataFrame) -> pd.DataFrame:
        return rows.ffill()


class TestClip(ColumnStepContract):
    options: dict[str, Any] = {"clip": {"age": "10:60", "amount": ":500.5"}}  # noqa: RUF012
    unknown: dict[str, Any] = {"clip": {"no": "0:1"}}  # noqa: RUF012

    def expected(self, rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(age=rows["age"].clip(10, 60), amount=rows["amount"].clip(upper=500.5))


class TestLog1p(ColumnStepContract):
    options: dict[str, Any] = {"log1p": ["amount"]}  # noqa: RUF012
    unknown: dict[str, Any] = {"log1p": ["no"]}  # noqa: RUF012

    def expected(self, rows: pd.DataFrame) -> pd.DataFrame:
        return rows.assign(amount=np.log1p(rows["amount"]))


class TestStandardize(ColumnStepContract):
    options: dict[str, Any] = {"standardize": ["*"]}  # noqa: RUF012
    unknown: dict[str, Any] = {"standardize": ["no"]}  # noqa: RUF012

    def expected(self, rows: pd.DataFrame) -> pd.DataFrame:
        numbers = rows[["age", "amount"]]
        scaled = (numbers - numbers.mean()) / numbers.std(ddof=0)
        return rows.assign(age=scaled["age"], amount=scaled["amount"])


class TestMinmax(ColumnStepContract):
    options: dict[str, Any] = {"minmax": ["age"]}  # noqa: RUF012
    unknown: dict[str, Any] = {"minmax": ["no"]}  # noqa: RUF012

    def expected(self, rows: pd.DataFrame) -> pd.DataFrame:
        age = rows["age"]
        return rows.assign(age=(age - age.min()) / (age.max() - age.min()))


class TestBin(ColumnStepContract):
    options: dict[str, Any] = {"bin": {"age": "18,65", "amount": "quantiles:4"}}  # noqa: RUF012
    unknown: dict[str, Any] = {"bin": {"no": "1,2"}}  # noqa: RUF012

    def expected(self, rows: pd.DataFrame) -> pd.DataFrame:
        quarters = rows["amount"].quantile([0.25, 0.5, 0.75], interpolation="lower").tolist()
        made = rows.copy()
        for name, edges in (("age", [18.0, 65.0]), ("amount", quarters)):
            bounds = [-np.inf, *edges, np.inf]
            made[name] = pd.cut(rows[name], bounds, right=False, labels=False)
        return made


class TestOneHot(ColumnStepContract):
    options: dict[str, Any] = {"one_hot": ["city"]}  # noqa: RUF012
    unknown: dict[str, Any] = {"one_hot": ["no"]}  # noqa: RUF012

    def expected(self, rows: pd.DataFrame) -> pd.DataFrame:
        return pd.get_dummies(rows, columns=["city"])


class TestHash(ColumnStepContract):
    options: dict[str, Any] = {"hash": {"city": 8}}  # noqa: RUF012
    unknown: dict[str, Any] = {"hash": {"no": 8}}  # noqa: RUF012

    def expected(self, rows: pd.DataFrame) -> pd.DataFrame:
        buckets = [
            np.nan if pd.isna(text) else xxhash.xxh64_intdigest(text.encode()) % 8
            for text in rows["city"]
        ]
        return rows.assign(city=buckets)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"standardize": ["t"]}, UsageError, "is category, and not a number|is text, and not"),
        ({"clip": {"t": "0:1"}}, UsageError, "not a number"),
        ({"clip": {"n": "5:1"}}, UsageError, "lower bound is above"),
        ({"fill": {"n": "abc"}}, UsageError, '"abc" is none'),
        ({"fill": {"t": "mean"}}, UsageError, "not a number"),
        ({"bin": {"n": "3,2"}}, UsageError, "increasing numbers"),
        ({"bin": {"n": "quantiles:1"}}, UsageError, "N of 2 or more"),
        ({"one_hot": ["n"]}, DataError, "more than 1,000 values"),
        ({"standardize": ["n"], "minmax": ["n"]}, UsageError, "both name"),
        ({"flag_null": ["t", "n"], "derive": {"n_is_null": "1"}}, UsageError, "already"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(
    tmp_path: Path, options: dict[str, Any], error: type[Exception], words: str
) -> None:
    source = tmp_path / "a.csv"
    source.write_text("n,t\n" + "".join(f"{i},x{i % 3}\n" for i in range(2_000)))
    with pytest.raises(error, match=words):
        convert(source, to="parquet", output=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_statistics_are_those_of_the_rows_that_are_kept(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text("n,keep\n1,true\n3,true\n1000,false\n")
    convert(source, to="parquet", output=tmp_path / "out", where="keep", standardize=["n"])
    rows = [
        row["n"] for batch in open_dataset(tmp_path / "out").read() for row in batch.to_pylist()
    ]
    assert rows == [-1.0, 1.0]


@pytest.mark.parametrize("n", [1, 1000, 500_000])
def test_quantiles_are_as_exact_as_is_said_and_do_not_depend_on_the_cut(n: int) -> None:
    values = np.random.default_rng(5).lognormal(size=n)
    whole, cut = QuantileSketch(), QuantileSketch()
    whole.add(values)
    for start in range(0, n, 7_919):
        cut.add(values[start : start + 7_919])
    shares = [0.01, 0.25, 0.5, 0.99]
    assert whole.quantiles(shares) == cut.quantiles(shares)
    ranks = np.searchsorted(np.sort(values), whole.quantiles(shares), side="right") / n
    assert (np.abs(ranks - shares) <= RANK_ERROR + 1 / n).all()
