"""JSON lines: what values become, what is refused and where, which keys are columns."""

from __future__ import annotations

import gzip
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli import convert, inspect, open_dataset, verify
from bigdata_cli.cli import main
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.run import run
from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.sources.csv.options import SourceOptions
from tests.examples import examples
from tests.manifest_files import rejected_csv


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(lines, name="a.jsonl") -> str:
    Path(name).write_bytes("".join(f"{line}\n" for line in lines).encode())
    return name


def converted(source, **options):
    """What comes of it: dtypes by column, and rows."""
    convert(source, to="parquet", output="out", force=True, **options)
    dataset = open_dataset("out")
    rows = [row for batch in dataset.read() for row in batch.to_pylist()]
    dtypes = {c.name: "text" if c.dtype == "category" else c.dtype for c in dataset.schema}
    return dtypes, rows


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        (["1", "-2", "null"], "int8", [1, -2, None]),
        (["1.0", "2"], "float32", [1.0, 2.0]),
        (["1e3", "2"], "float32", [1000.0, 2.0]),
        (["true", "false"], "bool", [True, False]),
        (['"007"', '"12"'], "text", ["007", "12"]),
        (['"12"', "13"], "text", ["12", "13"]),
        (['""', "13"], "text", ["", "13"]),
        (['"NA"', '"null"', "null"], "text", ["NA", "null", None]),
        (['"true"', "null"], "text", ["true", None]),
        (["true", "1"], "text", ["true", "1"]),
        (["18446744073709551615"], "uint64", [18446744073709551615]),
        (["18446744073709551616", "1"], "text", ["18446744073709551616", "1"]),
        (["1e400", "1.5"], "text", ["1e+400", "1.5"]),
        (["9007199254740993", "0.5"], "text", ["9007199254740993", "0.5"]),
        ([r'"a\n\"\u00e9\ud83d\ude00\/\\"', '"é"'], "text", ['a\n"é😀/\\', "é"]),
        ([r'"\u0022,\u0000"'], "text", ['",\0']),
    ],
)
def test_what_values_become(values, dtype, expected, folder):
    dtypes, rows = converted(write(f'{{"a": {value}}}' for value in values))
    assert dtypes == {"a": dtype}
    assert [row["a"] for row in rows] == expected


def test_strings_that_are_dates_become_dates(folder):
    dtypes, rows = converted(
        write(
            [
                '{"d": "2024-02-29", "t": "2024-02-29T12:00:00Z", "m": "2024-02-29"}',
                '{"d": null, "t": "2024-02-29T12:00:00.5Z", "m": 1, "x": "2024-02-30"}',
            ]
        )
    )
    assert dtypes == {"d": "date", "t": "timestamp[us, UTC]", "m": "text", "x": "text"}
    assert [row["m"] for row in rows] == ["2024-02-29", "1"]


def test_keys_in_any_order_some_missing_some_escaped(folder):
    lines = [
        '{"b":1,"a":"x"}',
        '\t{ "a" : "y" , "c\\u0031" : [ ] }  ',
        "",
        "{}",
        '{"c1":{"k":[1,{"é":"\\""}]},"b":null}',
    ]
    dtypes, rows = converted(write(lines), nested="text")
    assert dtypes == {"b": "int8", "a": "text", "c1": "text"}
    assert rows == [
        {"b": 1, "a": "x", "c1": None},
        {"b": None, "a": "y", "c1": "[ ]"},
        {"b": None, "a": None, "c1": None},
        {"b": None, "a": None, "c1": '{"k":[1,{"é":"\\""}]}'},
    ]
    assert verify("out", source=["a.jsonl"]).passed


@pytest.mark.parametrize(
    ("line", "problem", "byte"),
    [
        ('{"a": NaN}', 'key "a": JSON has no NaN', 7),
        ('{"a": -Infinity}', 'key "a": JSON has no NaN', 7),
        ('{"a": 01}', 'key "a": a number that JSON does not have', 7),
        ('{"a": +1}', 'key "a": no JSON', 7),
        ('{"a": 1.}', 'key "a": a number that JSON does not have', 7),
        ('{"a": 1, "a": 2}', 'key "a": it stands twice', 10),
        ('{"a": 1, "\\u0061": 2}', 'key "a": it stands twice', 10),
        ('{"a": {"b": 1}}', 'key "a": a nested object', 7),
        ('{"a": [1]}', 'key "a": an array', 7),
        ('{"a": "x', "the line ends within", 9),
        ('{"a": 1', "the line ends within", 8),
        ("{", "the line ends within", 2),
        ('{"a": "\\ud800x"}', "half of a surrogate pair", 8),
        ('{"a": "\\x"}', "a backslash that is no escape", 8),
        ('{"a": "\t"}', "a control character", 8),
        ('{"a": 1} 2', "something follows the object", 10),
        ('{"a": 1,}', "no JSON", 9),
        ("{'a': 1}", "no JSON", 2),
        ("[1]", "an array, and not an object", 1),
        ("1", "no JSON object begins here", 1),
    ],
)
def test_what_is_refused_and_where(line, problem, byte, folder):
    source = write(['{"a": 1}', line, '{"a": 3}'])
    with pytest.raises(DataError) as caught:
        convert(source, to="parquet")
    message = str(caught.value)
    assert message.startswith("a.jsonl line 2 (byte 9): ")
    assert f"{problem}" in message
    assert f", at byte {byte} of the line" in message
    dtypes, rows = converted(source, on_bad_row="skip")
    assert (dtypes, rows) == ({"a": "int8"}, [{"a": 1}, {"a": 3}])
    [_, reject] = rejected_csv(Path("out")).decode().splitlines()
    assert reject.startswith("a.jsonl,2,9,")


@pytest.mark.parametrize(
    "bad", ["{" * 2000, '{"a":' + "[" * 2000, '{"a":' + "[" * 1025 + "]" * 1025]
)
def test_nesting_is_limited(bad, folder):
    with pytest.raises(DataError, match="line 2"):
        convert(write(['{"a": 1}', bad]), to="parquet", nested="text")
    deep = '{"a":' + "[" * 1024 + "]" * 1024 + "}"
    assert converted(write([deep]), nested="text")[1] == [{"a": "[" * 1024 + "]" * 1024}]


def test_bytes_that_are_not_utf8_are_located(folder):
    Path("a.jsonl").write_bytes(b'{"a": "x"}\n{"a": "\xff"}\n')
    with pytest.raises(DataError, match=r"line 2 .*not UTF-8"):
        convert("a.jsonl", to="parquet")


def test_a_value_that_is_dropped_may_be_nested(folder):
    source = write(['{"a": 1, "b": {"c": [2]}}'])
    with pytest.raises(DataError, match=r"nested object") as caught:
        convert(source, to="parquet")
    assert 'nested="text"' in str(caught.value)
    assert 'drop=["b"]' in str(caught.value)
    assert converted(source, drop=["b"])[1] == [{"a": 1}]


def test_a_line_that_is_set_aside_leaves_no_trace(folder):
    source = write(['{"a": 1, "b": 2}', '{"a": "x", "b": "y"}', '{"a": 3, "b": 4}'])
    dtypes, rows = converted(source, on_bad_row="skip", types={"a": "int64"})
    assert dtypes == {"a": "int64", "b": "int8"}
    assert rows == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]


def test_a_key_that_comes_after_the_sample(folder, monkeypatch):
    monkeypatch.setattr("bigdata_cli.sources.jsonl.keys.SAMPLE_BYTES", 1 << 18)
    monkeypatch.setattr("bigdata_cli.sources.csv.sample._PIECE_BYTES", 1 << 10)
    lines = [f'{{"a": {i}, "pad": "{"x" * 100}"}}' for i in range(30_000)]
    lines[20_001] = '{"a": 20001, "late": true}'
    source = write(lines)
    with pytest.raises(DataError, match=r'line 20,002 .*key "late" is not among') as caught:
        convert(source, to="parquet", drop=["pad"])
    assert "names lists all keys" in str(caught.value)
    dtypes, rows = converted(source, names=["a", "pad", "late"], drop=["pad"])
    assert dtypes == {"a": "int16", "late": "bool"}
    assert rows[20_001] == {"a": 20001, "late": True}
    _, rows = converted(source, on_bad_row="skip", drop=["pad"])
    assert len(rows) == 29_999
    assert b"late" in rejected_csv(Path("out"))


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.text(max_size=6),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["2024-01-02", "2024-01-02 03:04:05", "1", "", "NA", '"', ",", "\n", "\r"]),
)  # fmt: skip
ROWS = st.lists(st.dictionaries(st.sampled_from(["a", "b", 'c"', "é"]), VALUES), min_size=1)


@examples(60)
@given(rows=ROWS, escapes=st.booleans(), end=st.sampled_from(["\n", "\r\n"]))
def test_each_value_can_be_told_from_what_is_stored(rows, escapes, end, tmp_path_factory):
    folder = tmp_path_factory.mktemp("any")
    source = folder / "a.jsonl"
    lines = [json.dumps(row, ensure_ascii=escapes) for row in rows]
    source.write_bytes("".join(line + end for line in lines).encode())
    if not any(rows):
        with pytest.raises(DataError):
            convert(source, to="parquet", output=folder / "out")
        return
    convert(source, to="parquet", output=folder / "out")
    dataset = open_dataset(folder / "out")
    found = [row for batch in dataset.read() for row in batch.to_pylist()]
    assert len(found) == len(rows)
    for column in dataset.schema:
        for before, after in zip(rows, found, strict=True):
            value, stored = before.get(column.name), after[column.name]
            if value is None:
                assert stored is None
            elif column.kind.value in ("text", "category"):
                assert stored == (value if isinstance(value, str) else _text(value))
            elif isinstance(value, str):
                assert stored.isoformat(*[" "] * (len(value) > 10)) == value
            else:
                assert type(value) in (bool, int, float)
                assert stored == value or _as_float32(value) == stored
    assert verify(folder / "out", source=[source]).passed


def _text(value) -> str:
    """A number as JSON writes it; `1e22` gets its sign."""
    text = json.dumps(value)
    if isinstance(value, bool):
        return text
    mantissa, e, exponent = text.partition("e")
    return text if not e or "." in mantissa or exponent[0] in "+-" else f"{mantissa}e+{exponent}"


def _as_float32(value) -> float:
    import numpy as np

    return float(np.float32(value))


@contextmanager
def piped(data: bytes) -> Iterator[str]:
    """A named pipe with the data."""
    os.mkfifo("pipe")
    writer = threading.Thread(target=lambda: Path("pipe").write_bytes(data))
    writer.start()
    yield "pipe"
    writer.join()
    Path("pipe").unlink()


def test_the_bytes_do_not_depend_on_how_it_comes(folder):
    lines = [f'{{"a": {i}, "b": "{i % 7}", "c": {i / 8}}}' for i in range(5000)]
    lines.append('{"a": "x", "b": null, "c": "y"}')
    data = Path(write(lines)).read_bytes()
    Path("b.jsonl.gz").write_bytes(gzip.compress(data))
    found = []

    def convert_from(source, **options):
        request = ConvertOptions(
            to="parquet", output=Path("out"), force=True, shards=1,
            source=SourceOptions(jsonl=True), **options,
        )  # fmt: skip
        run([source], request, sample_bytes=10_000, unit_bytes=20_000)
        [shard] = Path("out").glob("[!_]*.parquet")
        found.append(shard.read_bytes())

    convert_from("a.jsonl")
    convert_from("a.jsonl", jobs=1)
    convert_from("b.jsonl.gz")
    with piped(data) as pipe:
        convert_from(pipe)
    assert len(set(found)) == 1


def test_files_with_other_keys_are_one_table(folder):
    first = write(['{"a": 1}'], "x.jsonl")
    second = write(['{"b": 2, "a": 3}'], "y.ndjson")
    assert converted([first, second])[1] == [{"a": 1, "b": None}, {"a": 3, "b": 2}]
    assert converted(str(folder))[1] == [{"a": 1, "b": None}, {"a": 3, "b": 2}]
    Path("z.csv").write_text("a\n1\n")
    with pytest.raises(UsageError, match=r"is JSON lines and z\.csv is text"):
        convert([first, "z.csv"], to="parquet")


def test_what_the_user_may_say(folder):
    source = write(["# one", '{"a": 1}', '{"a": 2}'])
    assert converted(source, comment="#")[1] == [{"a": 1}, {"a": 2}]
    assert converted(source, skip_rows=2)[1] == [{"a": 2}]
    dtypes, _ = converted(source, text=True)
    assert dtypes == {"text": "text"}
    for options, flag in (
        ({"quote": "'"}, "quote"),
        ({"null": ["x"]}, "null"),
        ({"trim": True}, "trim"),
    ):
        with pytest.raises(UsageError, match=flag):
            convert(source, to="parquet", **options)
    Path("a.csv").write_text("a\n1\n")
    with pytest.raises(UsageError, match="nested is for JSON lines"):
        convert("a.csv", to="parquet", nested="text")
    for content, problem in (("", "is empty"), ("{}\n{}\n", "no objects with keys")):
        Path("b.jsonl").write_text(content)
        with pytest.raises(DataError, match=problem):
            convert("b.jsonl", to="parquet")


def test_one_json_document_says_what_to_do(folder):
    Path("a.json").write_text('[\n  {"a": 1},\n  {"a": 2}\n]\n')
    with pytest.raises(DataError, match=r"jq -c '\.\[\]'"):
        convert("a.json", to="parquet")
    Path("b.json").write_text('{\n  "a": 1\n}\n')
    with pytest.raises(DataError, match=r"jq -c \. FILE"):
        convert("b.json", to="parquet")
    assert converted(write(['{"a": 1}'], "c.json"))[1] == [{"a": 1}]


def test_inspect_says_what_it_is(folder):
    source = write(['{"a": 1, "b": {"c": 2}}'])
    shown = CliRunner().invoke(main, ["inspect", source, "--nested", "text"])
    assert shown.exit_code == 0, shown.output
    assert "JSON lines, nested values as text" in shown.output
    report = inspect(source, nested="text", full=True).to_json()
    assert report["dialect"]["records"] == "json"
    assert [column["examples"] for column in report["columns"]] == [["1"], ['{"c": 2}']]
    assert report["rows"] == 1


def test_a_column_of_a_pipe_that_is_lost_is_located(folder):
    lines = [f'{{"a": {i}.5}}' for i in range(20_000)]
    lines[15_000] = '{"a": "12"}'
    data = "".join(f"{line}\n" for line in lines).encode()
    options = ConvertOptions(
        to="parquet", output=Path("o"), source=SourceOptions(jsonl=True), spool=False
    )
    with piped(data) as pipe, pytest.raises(DataError, match=r"line 15,001 .*makes it text"):
        run([pipe], options, sample_bytes=5000, unit_bytes=50_000)
    with piped(data) as pipe:
        run([pipe], replace(options, spool=True), sample_bytes=5000, unit_bytes=50_000)
    found = [row["a"] for batch in open_dataset("o").read() for row in batch.to_pylist()]
    assert found == ["12" if i == 15_000 else f"{i}.5" for i in range(20_000)]


def test_a_damaged_shard_is_made_again_with_the_same_keys(folder):
    lines = [f'{{"a": {i}, "b": "{i}"}}' for i in range(20_000)]
    source = write(lines)
    options = ConvertOptions(to="parquet", output=Path("o"), shards=4)
    run([source], options)
    whole = {path.name: path.read_bytes() for path in Path("o").glob("[!_]*.parquet")}
    run([source], replace(options, output=Path("p")))
    damaged = next(iter(sorted(Path("p").glob("[!_]*.parquet"))))
    damaged.write_bytes(b"")
    convert(source, to="parquet", output="p", shards=4, repair=True)
    assert {path.name: path.read_bytes() for path in Path("p").glob("[!_]*.parquet")} == whole
    assert verify("p", source=[source]).passed
