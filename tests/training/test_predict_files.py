"""Predictions of files are those of the dataset that `convert --like` makes of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bigdata_cli import convert, open_dataset, predict
from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.training.checkpoint import preprocessing_of
from bigdata_cli.training.saved import load_model, save_model
from tests.training.models import network

STEPS: dict[str, Any] = {
    "rename": {"kind": "type"},
    "derive": {"ratio": "amount / (count + 1)"},
    "where": "amount > 20",
    "fill": {"age": "median"},
    "standardize": ["amount"],
    "one_hot": ["colour"],
    "drop": ["id"],
    "label": "y",
}


def rows(n: int, shift: int = 0) -> pd.DataFrame:
    i = np.arange(n) + shift
    return pd.DataFrame(
        {
            "id": [f"{k:05d}" for k in i],
            "kind": np.array(["cash", "card", "wire"])[i * i % 3],
            "amount": i * 37 % 997 + 0.25,
            "count": i % 50,
            "age": pd.array([None if k % 9 == 0 else k * 7 % 83 for k in i], "Int64"),
            "colour": np.array(["red", "green"])[i % 2],
            "y": i * 7 % 11 > 5,
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset `old`, a model of it, and rows that neither has seen."""
    path = tmp_path_factory.mktemp("files")
    rows(600).to_csv(path / "old.csv", index=False)
    convert(path / "old.csv", to="parquet", output=path / "old", **STEPS)
    dataset = open_dataset(path / "old")
    model = network(dataset, "y")
    save_model(path / "m.keras", replace(model, preprocessing=preprocessing_of(dataset)))
    rows(300, shift=1_000).to_csv(path / "new.csv", index=False)
    convert(path / "new.csv", like=path / "old", output=path / "new")
    return path


def test_a_model_brings_what_was_done_for_its_dataset(folder: Path) -> None:
    loaded = load_model(folder / "m.keras")
    assert loaded.preprocessing == preprocessing_of(open_dataset(folder / "old"))


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "csv.gz"])
def test_a_file_is_predicted_as_the_dataset_of_it(folder: Path, tmp_path: Path, kind: str) -> None:
    frame = rows(300, shift=1_000)
    path = tmp_path / f"new.{kind}"
    if kind == "parquet":
        frame.to_parquet(path)
    elif kind == "jsonl":
        values = json.loads(frame.to_json(orient="records"))
        path.write_text("".join(json.dumps(row) + "\n" for row in values))
    else:
        frame.to_csv(path, index=False)
    seen: list[Any] = []
    report = predict(
        folder / "m.keras", path, output=tmp_path / "a.parquet", batch_size=64, progress=seen.append
    )
    expected = predict(folder / "m.keras", folder / "new", output=tmp_path / "b.parquet")
    a, b = (pq.read_table(tmp_path / f"{name}.parquet") for name in "ab")
    np.testing.assert_allclose(
        a["probability"].to_numpy(), b["probability"].to_numpy(), rtol=1e-6, atol=1e-9
    )
    assert report.rows == expected.rows == open_dataset(folder / "new").rows
    assert report.evaluation is not None
    assert expected.evaluation is not None
    assert report.evaluation.value == pytest.approx(expected.evaluation.value, abs=1e-6)
    assert any("filters of the model" in note for note in report.notes)
    assert seen[-1].rows == report.rows


def test_columns_are_those_of_the_dataset_and_others_as_the_file_has_them(
    folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "p.parquet"
    predict(folder / "m.keras", folder / "new.csv", output=out, columns=["id", "type", "count"])
    table = pq.read_table(out)
    kept = rows(300, shift=1_000).query("amount > 20")
    assert table["id"].to_pylist() == kept["id"].tolist()
    assert table["type"].to_pylist() == kept["kind"].tolist()
    assert table.schema.field("count").type == pa.int64()
    with pytest.raises(UsageError, match='there is no column "idd"'):
        predict(folder / "m.keras", folder / "new.csv", output=tmp_path / "q.csv", columns=["idd"])


def test_only_what_the_model_reads_has_to_be_there(folder: Path, tmp_path: Path) -> None:
    new = rows(300, shift=1_000).drop(columns=["y", "id"])
    new.to_csv(tmp_path / "new.csv", index=False)
    report = predict(folder / "m.keras", tmp_path / "new.csv", output=tmp_path / "p.csv")
    assert report.evaluation is None
    new.drop(columns=["kind"]).to_csv(tmp_path / "few.csv", index=False)
    with pytest.raises(UsageError, match=r'"kind" is not in .*few\.csv'):
        predict(folder / "m.keras", tmp_path / "few.csv", output=tmp_path / "q.csv")
    assert not (tmp_path / "q.csv").exists()


def test_unknown_and_bad_values_are_counted(folder: Path, tmp_path: Path) -> None:
    new = rows(300, shift=1_000).astype({"count": object})
    new.loc[3, "kind"] = "barter"
    new.loc[5, "count"] = "many"
    new.to_csv(tmp_path / "new.csv", index=False)
    new.loc[8, "count"] = 3_000_000  # a number is one, however narrow those of the dataset are
    new.to_csv(tmp_path / "new.csv", index=False)
    with pytest.raises(DataError, match=r"new.csv line 7 .*'many' is not int64") as raised:
        predict(folder / "m.keras", tmp_path / "new.csv", output=tmp_path / "p.csv")
    assert "gives such rows no prediction" in str(raised.value)
    assert not (tmp_path / "p.csv").exists()
    report = predict(
        folder / "m.keras", tmp_path / "new.csv", output=tmp_path / "p.csv", on_bad_row="skip"
    )
    assert 'column "type": values that the model does not know are taken as null, in 1 rows' in (
        report.notes
    )
    assert "no prediction for 1 rows, which cannot be kept" in report.notes


def test_a_model_that_was_saved_before_is_told_what_to_do(folder: Path, tmp_path: Path) -> None:
    save_model(tmp_path / "old.keras", network(open_dataset(folder / "old"), "y"))
    with pytest.raises(UsageError, match="does not record how to prepare a file") as raised:
        predict(tmp_path / "old.keras", folder / "new.csv", output=tmp_path / "p.csv")
    assert "like" in str(raised.value)
