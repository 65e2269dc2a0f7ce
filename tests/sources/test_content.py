"""What is no text, and what is no table: refused as what it is, with what makes a source of it."""

from __future__ import annotations

import gzip
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pytest

from bigdata_cli import convert
from bigdata_cli.errors import DataError
from bigdata_cli.formats.registry import magics
from bigdata_cli.io.origin import find_origin
from bigdata_cli.sources.csv.options import SourceOptions
from bigdata_cli.sources.csv.source import open_source

TABLE = pa.table({"a": [1, 2, 3], "b": ["x", "y", "z"]})


def read_all(path, encoding=None) -> None:
    find_origin(str(path), encoding, 1 << 18, tables=magics())


def write_stream(path: str) -> None:
    with pa.ipc.new_stream(path, TABLE.schema) as writer:
        writer.write_table(TABLE)


def write_npy(path: str) -> None:
    with open(path, "wb") as file:
        np.save(file, np.array([[1.5, 2], [3, 0.1], [1e300, 7]]))


FOREIGN = {
    "feather": lambda path: pa.feather.write_feather(TABLE, path),
    "feather 1": lambda path: pa.feather.write_feather(TABLE, path, version=1),
    "arrow stream": write_stream,
    "orc": lambda path: pa.orc.write_table(TABLE, path),
    "stata": lambda path: TABLE.to_pandas().to_stata(path, write_index=False),
    "pickle": lambda path: TABLE.to_pandas().to_pickle(path),
    "npy": write_npy,
}


@pytest.mark.parametrize("encoding", [None, "cp1252", "utf-8"])
def test_a_binary_format_is_none_in_any_encoding(tmp_path, encoding):
    path = tmp_path / "data.csv"
    path.write_bytes(b"SQLite format 3\0" + bytes(90))
    with pytest.raises(DataError, match="is an SQLite database, not text") as caught:
        read_all(path, encoding)
    command = f"sqlite3 -header -csv {path} 'SELECT * FROM TABLE' > OUT.csv"
    assert caught.value.hint == command


def test_the_command_for_a_packed_file_unpacks_it(tmp_path):
    path = tmp_path / "data.orc.gz"
    path.write_bytes(gzip.compress(b"ORC\x11"))
    with pytest.raises(DataError, match="is an ORC file") as caught:
        read_all(path)
    assert caught.value.hint.startswith(f"gunzip -k {path}; python -c ")
    assert f"read_orc('{path.with_suffix('')}')" in caught.value.hint


@pytest.mark.parametrize("write", FOREIGN.values(), ids=FOREIGN)
def test_files_of_other_libraries_are_refused_and_the_hint_makes_a_source(
    tmp_path, monkeypatch, write
):
    monkeypatch.chdir(tmp_path)
    write("x.csv")
    with pytest.raises(DataError, match=r"x\.csv is .*, not text") as caught:
        convert("x.csv", to="npy")
    command = caught.value.hint.removeprefix(
        "of tables, Parquet files and the folders of datasets are read, and not from pipes and "
        "archives; "
    )
    subprocess.run(command.replace("python", sys.executable, 1), shell=True, check=True)
    made = next(tmp_path.glob("OUT.*"))
    assert convert(made, to="npy").rows == 3


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ('{"id": 1}\n{"id": 2}\n', "is JSON lines, not a CSV", "--jsonl; "),
        ('\n {\n "id": 1\n}\n', "is a JSON object, not a CSV", "jq -c . x.csv > OUT.jsonl; "),
        ('[{"id": 1}, {"id": 2}]\n', "is a JSON array", "jq -c '.[]' x.csv > OUT.jsonl, if "),
        ("[[1, 2],\n[3, 4]]", "is a JSON array", "jq -c '.[]' x.csv > OUT.jsonl, if it has "),
        ("<!DOCTYPE html>\n<html>", "is an HTML page", "was a page saved in place of the file, "),
        ("<!-- saved -->\n<HTML lang=en>", "is an HTML page", "was a page saved in place of "),
        ('<?xml version="1.0"?>\n<a>', "is an XML document", "python -c \"import pandas; "),
        ("{\\rtf1 hello}", "is an RTF document", "save it as CSV; "),
    ],
)  # fmt: skip
def test_text_that_is_no_table(tmp_path, monkeypatch, text, what, hint):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=what) as caught:
        open_source(["x.csv"])
    assert caught.value.hint.startswith(hint)
    in_any_case = "--text reads its lines, --delimiter ',' as a CSV in any case"
    assert caught.value.hint.endswith(in_any_case)
    assert open_source([path], SourceOptions(text=True)).dialect.is_text
    assert open_source([path], SourceOptions(delimiter=",")).dialect.delimiter == ","


@pytest.mark.parametrize(
    "text", ["[1],x\n[2],y\n", "{a},b\n{c},d\n", "<5,>3\n1,2\n", "[ID],[Name]\n1,2\n",
             '"{""a"": 1}",2\n"{""a"": 2}",3\n']
)  # fmt: skip
def test_a_csv_that_begins_like_something_else(tmp_path, text):
    path = tmp_path / "x.csv"
    path.write_text(text)
    assert len(open_source([path]).names) == 2
