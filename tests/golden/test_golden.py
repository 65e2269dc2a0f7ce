"""Small files, each with what it must become, or the error it must give."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from bigdata_cli import open_dataset, verify
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.run import run
from bigdata_cli.errors import BigdataError
from bigdata_cli.options import options_of, request_of

FOLDER = Path(__file__).resolve().parent
NAMES = sorted(path.stem for path in FOLDER.glob("*.csv"))


def plain(value):
    """A value as JSON can hold it: dates and timestamps are their ISO text."""
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)


def column_dtype(dtype: str) -> str:
    """A category is a text: what it is stored as depends on how often values come again."""
    return "text" if dtype == "category" else dtype


@pytest.mark.parametrize("name", NAMES)
def test_a_golden_file(name, tmp_path):
    expected = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    source, output = FOLDER / f"{name}.csv", tmp_path / "out"
    given = {"to": "parquet", "output": output, **expected.get("options", {})}
    assert given.keys() <= {one.argument for one in options_of(ConvertOptions)}
    options = request_of(ConvertOptions, given)  # so that messages name flags
    if "error" in expected:
        with pytest.raises(BigdataError) as caught:
            run([source], options)
        assert expected["error"] in caught.value.message
        assert not output.exists()
        return
    report = run([source], options)
    schema = open_dataset(output).schema
    assert {c.name: column_dtype(c.dtype) for c in schema} == expected["columns"]
    table = pq.read_table(sorted(output.glob("[!_]*.parquet")))
    rows = [[plain(value) for value in row.values()] for row in table.to_pylist()]
    assert rows == [
        [_nearest(value, column_dtype(c.dtype)) for value, c in zip(row, schema, strict=True)]
        for row in expected["rows"]
    ]
    assert report.rows == len(expected["rows"])
    verified = verify(output, source=source)  # every value again, and each dialect and type is here
    assert [str(finding) for finding in verified.findings] == []
    assert verified.compared_rows == report.rows


def _nearest(value, dtype: str):
    """A decimal as float32 holds it, where that is what the column is."""
    import numpy as np

    return float(np.float32(value)) if dtype == "float32" and value is not None else value


def test_each_file_says_what_it_must_become():
    assert sorted(path.stem for path in FOLDER.glob("*.json")) == NAMES
    assert len(NAMES) > 60
