"""Integers beyond the type that was asked for are found, each with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from bigdata_cli import convert
from bigdata_cli.errors import DataError


@pytest.mark.parametrize(("value", "dtype"), [(128, "int8"), (-1, "uint8"), (70_000, "uint16")])
def test_an_integer_beyond_its_type_is_an_error_with_its_line(
    tmp_path: Path, value: int, dtype: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n" + "1,x\n" * 40 + f"{value},x\n" + ",x\n")
    with pytest.raises(DataError, match=rf"line 42.*{value}"):
        convert(path, to="npy", output=tmp_path / "out", type={"a": dtype})
