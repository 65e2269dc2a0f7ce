"""What is detected of a dialect, and what may be said of one."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli.errors import UsageError
from bigdata_cli.sources.csv.detect import CERTAIN, detect, has_decimal_commas
from bigdata_cli.sources.csv.dialect import check_delimiter, resolve_nulls
from bigdata_cli.sources.csv.header_guess import looks_like_header
from bigdata_cli.sources.csv.options import SourceOptions, dialect_flags
from bigdata_cli.sources.csv.source import open_source
from tests.examples import examples
from tests.sources.dialect_cases import CASES

SAMPLE_DATA = Path(__file__).resolve().parents[2] / "sample_data"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_dialect_of_a_file_is_found(case):
    found = detect(case.text)
    is_header, _, _ = looks_like_header(found.records)
    assert (found.delimiter, found.quote or '"', found.escape, found.trim, is_header) == (
        case.delimiter, case.quote, case.escape, case.trim, case.header,
    )  # fmt: skip
    assert 0 <= found.confidence <= 1
    assert found.reasons


@pytest.mark.parametrize("name", ["transactions", "sensors", "messy"])
def test_the_sample_data_are_certain(name):
    source = open_source([SAMPLE_DATA / f"{name}.csv"])
    assert (source.dialect.delimiter, source.dialect.header) == (",", True)
    assert source.confidence >= CERTAIN


def test_what_is_ambiguous_is_not_certain():
    assert detect("a;b,c\nd;e,f\ng;h,i\n").confidence < CERTAIN
    assert detect("a,b\n").confidence < CERTAIN
    assert detect("1,5;2,5\n3,5;4,5\n5,5;6,5\n").confidence < CERTAIN
    assert detect("a,b\n1,2\n3\n4,5,6\n7,8\n").confidence < CERTAIN


@pytest.mark.parametrize("told", [",", ";", "|", "::"])
def test_what_is_told_is_not_detected(told):
    assert detect("a;b\n1;2\n3;4\n", delimiter=told).delimiter == told
    assert detect("a, b\n1, 2\n", trim=False).trim is False
    assert detect("a,b\n1,2\n", trim=True).trim is True
    assert detect("a,'b'\n1,'c'\n2,'d'\n", quote='"').quote == '"'
    text = 'a,b\n1,"x \\"y, z\\" w"\n2,"u \\"v, w\\" x"\n'
    assert (detect(text).escape, detect(text, escape="").escape) == ("\\", "")


def test_decimal_commas_are_noticed(tmp_path):
    assert has_decimal_commas([["a", "b"], ["1,5", "x"], ["2", "y"]])
    assert not has_decimal_commas([["a", "b"], ["1,5", "x"], ["2.5", "y"]])
    assert not has_decimal_commas([["a"], ["1,5 or so"]])
    path = tmp_path / "a.csv"
    path.write_text("a;b\n1,5;2\n2,5;3\n")
    source = open_source([path])
    assert any("--decimal ," in reason for reason in source.reasons)
    assert source.confidence < CERTAIN
    source = open_source([path], SourceOptions(decimal=","))
    assert not any("--decimal" in reason for reason in source.reasons)


HARD = {
    "figures": "1234567890" * 30_000,
    "one letter": "a" * 300_000,
    "base64": "aGVsbG8gd29ybGQ+/" * 20_000,
    "quotes": '"' * 300_000,
    "quotes and commas": '",' * 150_000,
    "backslashes": "\\" * 300_000,
    "spaces": " " * 300_000,
    "one wide record": ",".join("1.5" for _ in range(80_000)),
    "commas": ",\n" * 100_000,
    "nothing": "",
    "NUL": "\0" * 1000 + "\n",
    "an address": "http://example.org/" * 10_000,
    "words": "lorem ipsum, dolor; sit 'amet' " * 10_000,
}


@pytest.mark.parametrize("name", HARD)
def test_detection_ends_soon(name):
    started = time.process_time()
    found = detect(HARD[name][: 1 << 18])
    assert time.process_time() - started < 3
    assert 0 <= found.confidence <= 1


@examples(150)
@given(st.text(alphabet="ab1.,;|\t \"'\\\n\r\0é", max_size=200))
def test_anything_has_a_dialect(text):
    found = detect(text)
    assert found.delimiter in (",", ";", "|", "\t", " ")
    looks_like_header(found.records)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"delimiter": ""}, "--delimiter takes"),
        ({"delimiter": "é"}, "--delimiter takes"),
        ({"delimiter": "\n"}, "--delimiter takes"),
        ({"delimiter": "1"}, "cannot begin with"),
        ({"delimiter": ".|"}, "cannot begin with"),
        ({"delimiter": ';"'}, "has the quote"),
        ({"quote": "''"}, "--quote takes one"),
        ({"escape": "\\\\"}, "--escape takes one"),
        ({"comment": "//"}, "--comment takes one"),
        ({"decimal": "5"}, "--decimal cannot be"),
        ({"thousands": "-"}, "--thousands cannot be"),
        ({"delimiter": ";", "quote": ";"}, "--delimiter and --quote are both"),
        ({"delimiter": ";", "comment": ";"}, "--delimiter and --comment are both"),
        ({"delimiter": ",", "decimal": ","}, "--delimiter and --decimal are both"),
        ({"decimal": ","}, "--delimiter and --decimal are both"),
        ({"decimal": ",", "thousands": ",", "delimiter": ";"}, "--decimal and --thousands"),
        ({"delimiter": "\\", "escape": "\\"}, "--delimiter and --escape are both"),
        ({"names": ("a", "a")}, "--names has a name twice"),
        ({"skip_rows": -1}, "negative"),
        ({"keep_blank_lines": True}, "--keep-blank-lines is for --text"),
        ({"text": True, "names": ("a",)}, "no --names"),
        ({"text": True, "header": True}, "no --header"),
        ({"text": True, "header": False}, "no --no-header"),
        ({"text": True, "quote": "'"}, "no --quote"),
        ({"text": True, "trim": True, "decimal": ","}, "no --trim and no --decimal"),
        ({"text": True, "null_tokens": ("x",)}, "no --null"),
    ],
)
def test_options_that_cannot_be(tmp_path, options, what):
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(UsageError) as caught:
        open_source([path], SourceOptions(**options))
    assert what in caught.value.message


def test_a_number_may_have_the_delimiter_in_it_within_quotes(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('a,b\n1,"1,234"\n')
    assert open_source([path], SourceOptions(thousands=",")).dialect.thousands == ","


def test_characters_have_names():
    assert [check_delimiter(text) for text in ("tab", "\\t", "\t", "space", "::", ", ")] == [
        "\t", "\t", "\t", " ", "::", ", ",
    ]  # fmt: skip


def test_null_tokens_of_a_column():
    columns = ("a", "b", "c=d")
    default, none = resolve_nulls(("a=", "a=x"), columns)
    assert "NA" in default
    assert none == (("a", ("", "x")),)
    assert resolve_nulls(("-", "z=1", "c=d=5", "b==="), columns) == (
        ("-", "z=1"),
        (("c=d", ("5",)), ("b", ("==",))),
    )


@pytest.mark.parametrize(
    ("text", "options", "flags"),
    [
        ("a,b\n1,2\n", {}, ["--delimiter", ",", "--header"]),
        ("1\t2\n3\t4\n", {}, ["--delimiter", "tab", "--no-header"]),
        ("a, b\n1, 2\n3, 4\n", {}, ["--delimiter", ",", "--header", "--trim"]),
        ("1 2\n3 4\n", {}, ["--delimiter", "space", "--no-header"]),
        (
            "x\n#\na;b\n1,5;1.000\n",
            {"skip_rows": 1, "comment": "#", "decimal": ",", "thousands": ".", "quote": "none"},
            ["--delimiter", ";", "--quote", "none", "--header", "--skip-rows", "1",
             "--comment", "#", "--decimal", ",", "--thousands", "."],
        ),
        (
            "1|2\n3|4\n",
            {"names": ("a b", 'c,"d'), "null_tokens": ("", "-1", "a b=x"), "escape": "\\"},
            ["--delimiter", "|", "--escape", "\\", "--no-header", "--names", 'a b,"c,""d"',
             "--null", "", "--null", "-1", "--null", "a b=x"],
        ),
        ("a\n", {"text": True, "keep_blank_lines": True}, ["--text", "--keep-blank-lines"]),
    ],
)  # fmt: skip
def test_a_dialect_as_flags(tmp_path, text, options, flags):
    path = tmp_path / "a.csv"
    path.write_text(text)
    source = open_source([path], SourceOptions(**options))
    assert list(dialect_flags(source.dialect)) == flags


@pytest.mark.skipif("BIGDATA_REAL_DATA" not in os.environ, reason="names a folder of real files")
@pytest.mark.parametrize(
    ("name", "delimiter", "header"),
    [
        ("airports.dat", ",", False),
        ("dc-wikia-data.csv", ",", True),
        ("housing.csv", ",", True),
        ("modern_RAPTOR_by_player.csv", ",", True),
        ("police_deaths.csv", ",", True),
        ("routes.dat", ",", False),
    ],
)
def test_real_files(name, delimiter, header):
    source = open_source([Path(os.environ["BIGDATA_REAL_DATA"]) / name])
    assert (source.dialect.delimiter, source.dialect.header) == (delimiter, header)
    assert (source.dialect.quote, source.dialect.escape, source.dialect.trim) == ('"', None, False)
