"""A value that a fixed float32 would make infinite is a bad value, however the column is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bigdata_cli import convert
from bigdata_cli.errors import DataError

VALUES = ["1.5", "-1e300", "", "inf", "0.1", "1e-300"]
SHAPES: list[dict[str, Any]] = [{}, {"where": "b >= 0"}, {"fill": {"a": "2.5"}}]


@pytest.fixture(params=["csv", "parquet", "jsonl"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"a.{request.param}"
    numbers = [float(value) if value else None for value in VALUES]
    if request.param == "parquet":
        pq.write_table(pa.table({"a": numbers, "b": range(len(numbers))}), path)
    elif request.param == "csv":
        path.write_text("a,b\n" + "".join(f"{v},{i}\n" for i, v in enumerate(VALUES)))
    else:
        texts = ["null" if not v else '"inf"' if v == "inf" else v for v in VALUES]
        path.write_text("".join(f'{{"a": {v}, "b": {i}}}\n' for i, v in enumerate(texts)))
    return path


@pytest.mark.parametrize("shape", SHAPES)
def test_it_is_an_error_or_set_aside(source: Path, tmp_path: Path, shape: dict[str, Any]) -> None:
    given: dict[str, Any] = {"to": "parquet", "type": {"a": "float32"}, **shape}
    with pytest.raises(DataError, match="lies beyond float32"):
        convert(source, output=tmp_path / "o", **given)
    report = convert(source, output=tmp_path / "o", on_bad_row="skip", **given)
    assert report.rejected_rows >= 1
    rows = pq.read_table(sorted((tmp_path / "o").glob("[!_]*.parquet")))
    kept = dict(zip(rows["b"].to_pylist(), rows["a"].to_pylist(), strict=True))
    assert 1 not in kept
    assert kept[0] == 1.5
    assert kept[4] == float(np.float32(0.1))
    assert kept[5] == 0.0


def test_what_it_loses_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n0.123456789\n1.5\n")
    report = convert(tmp_path / "a.csv", to="npy", output=tmp_path / "o", types={"a": "float32"})
    (column,) = report.columns
    assert column.note is not None
    assert column.note.startswith("stored as float32: relative error up to")
