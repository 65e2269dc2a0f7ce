"""Headers, names, and where the data begin."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bigdata_cli.errors import DataError
from bigdata_cli.sources.csv.dialect import Dialect, unique_names
from bigdata_cli.sources.csv.header import (
    first_record,
    match_columns,
    read_header,
)
from bigdata_cli.sources.csv.header_guess import looks_like_header
from bigdata_cli.sources.csv.header_names import names_beside_quote
from bigdata_cli.sources.csv.options import SourceOptions
from bigdata_cli.sources.csv.source import open_source


@pytest.mark.parametrize(
    ("lines", "is_header"),
    [
        (["id,name", "1,x", "2,y"], True),
        (["1,x", "2,y"], False),
        (["name,city", "ann,rome", "bob,oslo"], True),
        (["ann,rome", "ann,oslo", "bob,rome"], False),
        (["x"], True),
        (["5"], False),
        (["country,2019,2020", "A,5,6", "B,7,8"], True),
        (["A,2019,2020", "B,2001,2002"], False),
        (["A,7,8", "B,9,3"], False),
        ([",x", "1,2"], True),
        ([",x", "y,z"], False),
        (["x,x", "1,2"], True),
        (["x,x", "y,z"], False),
        (["day,2020-01-01", "x,5", "y,6"], True),
        (["2020-01-01,5", "2020-01-02,6"], False),
        (["flag", "true", "false"], True),
        (["true", "false"], False),
        (["id,NA", "1,2"], True),
        (["id,name,NA", "1,a,3", "2,b,5"], True),
        (["state,2021", "AK,-14.6", "AL,3.5"], True),
        (["state,2021", "AK,14", "AL,3"], False),
        (["Smith,1985", "Jones,1990", "Wong,2001"], False),
        (["5,none,3", "1,2,4", "7,8,9"], False),
        (["5,x,3", "1,2,4", "7,8,9"], False),
        (["Who are you?,Why?", "ann,so", "bob,no"], True),
        ([",x", "y,z", "v,w", "t,u"], True),
        (["0.00632 18.00 2.310", "0.02731 0.00 7.070"], False),
        (["a,b,c", *["x,y,z", "x,z,y"] * 8, "a,b,c", "z,x,y"], True),
        (["id,id,", "1,2,", ",,"], True),
        (["a,b", ",", ","], True),
        (["This is a sentence.", "And another one."], False),
        (["team,0,1,2", "A,0.5,0.25,0.5", "B,0.5,1,0.75"], True),
        (["team,0,1,2", "A,5,7,5", "B,1,4,9"], False),
        (["team,1,2,3", "A,2,3,4", "B,0.5,1,1"], False),
        (["team,1,2,4", "A,2.5,3,4", "B,0.5,1,1"], False),
        (["1,2,3,4", "0.5,3,4,1", "0.5,1,1,9"], False),
        (["k," + ",".join(map(str, range(9))), "A" + ",7" * 9, "B" + ",5" * 9], True),
        (["red,$3.50", "blue,$4.25", "pink,$12.00", "grey,$1.10"], False),
        (["colour,$ each", "blue,$4.25", "pink,$12.00", "grey,$1.10"], True),
        (["red,A666321", "blue,B284154", "pink,A919575", "grey,C999208"], False),
        (["red,Q1", "blue,A2", "pink,A3", "grey,A1"], True),
        (["red,28/03/2021", "blue,07/12/2019"], False),
        (["name,city,,", "ann,rome,,", "bob,oslo,,"], True),
        (["name,,city,", "ann,,rome,", "bob,,oslo,"], True),
        ([",,", ",,"], False),
        (["ann,rome,,", "ann,oslo,,", "bob,rome,,"], False),
        (["What is it that you want, and why?," + "x" * 130 + "?", "ann,so", "bob,no"], True),
        ([",".join("abcdefgh") + "," + "y" * 130, "j,k,l,m,n,o,p,q,r", "s,t,u,v,w,x,y,z,a"], True),
    ],
)
def test_a_header_is_told_from_data(lines, is_header):
    records = list(csv.reader(lines))
    found, confidence, reason = looks_like_header(records)
    assert found is is_header
    assert 0 < confidence <= 1
    assert reason


def test_no_name_is_lost():
    assert unique_names(["a", "a", "a_1", "", " ", "column3"]) == (
        "a", "a_2", "a_1", "column3_1", "column4", "column3",
    )  # fmt: skip


@given(st.lists(st.text(alphabet="a_1 c", max_size=4), max_size=12))
def test_names_are_unique_and_those_that_were_stay(names):
    unique = unique_names(names)
    assert len(set(unique)) == len(names)
    for i, name in enumerate(names):
        if name.strip() and names.index(name) == i:
            assert unique[i] == name


DIALECTS = st.builds(
    Dialect,
    delimiter=st.sampled_from([",", ";", "\t", "::", "|~|"]),
    quote=st.sampled_from(['"', "'"]),
    header=st.just(True),
)


@given(
    dialect=DIALECTS,
    names=st.lists(st.text(alphabet="ab,;:|~\t\"'\n\r é", max_size=6), min_size=2, max_size=5),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    before=st.sampled_from(["", "\ufeff", "\n\n", "\ufeff\r\n"]),
)
def test_the_first_record_is_what_csv_wrote(dialect, names, end, before):
    delimiter, quote = dialect.delimiter, dialect.quote
    line = delimiter.join(quote + name.replace(quote, 2 * quote) + quote for name in names) + end
    head = (before + line).encode()
    fields, data_start, *_ = read_header(head + b"1,2", "x", dialect, is_whole=True)
    assert fields == unique_names([name.strip() for name in names])
    assert data_start == len(head)


@given(st.lists(st.text(alphabet='ab", \n', max_size=5), min_size=1, max_size=5))
def test_it_reads_as_python_does(fields):
    stream = io.StringIO(newline="")
    csv.writer(stream, lineterminator="\n").writerow(fields)
    head = stream.getvalue().encode()
    assume(head.strip(b"\n"))
    found, end = first_record(head, 0, Dialect(delimiter=","), is_whole=True)
    assert [field.decode() for field in found or []] == fields
    assert end == len(head)


@pytest.mark.parametrize(
    ("text", "options", "names", "data"),
    [
        ("a,b\n1,2\n", {}, ("a", "b"), "1,2\n"),
        ("\ufeffa,b\r\n1,2\n", {}, ("a", "b"), "1,2\n"),
        ("1,2\n", {"header": False}, ("column0", "column1"), "1,2\n"),
        ("\ufeff1,2\n", {"header": False}, ("column0", "column1"), "1,2\n"),
        ("x\ny\na,b\n1,2\n", {"skip_rows": 2}, ("a", "b"), "1,2\n"),
        ('x "\r\ra,b\r1,2\r', {"skip_rows": 2}, ("a", "b"), "1,2\r"),
        ("x\n1,2\n", {"skip_rows": 1, "header": False}, ("column0", "column1"), "1,2\n"),
        ("#x\n\n#y\na,b\n#z\n1,2\n", {"comment": "#"}, ("a", "b"), "#z\n1,2\n"),
        ("#x\n1,2\n", {"comment": "#", "header": False}, ("column0", "column1"), "1,2\n"),
        ("a,b\n1,2\n", {"names": ("x", "y")}, ("x", "y"), "1,2\n"),
        ("1,2\n", {"names": ("x", "y"), "header": False}, ("x", "y"), "1,2\n"),
        ('"a\n,",b\n1,2\n', {}, ("a\n,", "b"), "1,2\n"),
        ('"a" , "b"\n1, 2\n', {"trim": True}, ("a", "b"), "1, 2\n"),
        ("a\\,b,c\n1,2\n", {"escape": "\\"}, ("a,b", "c"), "1,2\n"),
        ("a::b\n1::2\n", {"delimiter": "::"}, ("a", "b"), "1::2\n"),
        ("a,b", {}, ("a", "b"), ""),
        ("x\nline\n", {"text": True, "skip_rows": 1}, ("text",), "line\n"),
    ],
)
def test_where_the_data_begin(tmp_path, text, options, names, data):
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode())
    source = open_source([path], SourceOptions(**options))
    assert source.names == names
    start = source.files[0].data_start
    if source.dialect.header or source.dialect.is_text or "#" not in text:
        assert path.read_bytes()[start:] == data.encode()
    else:  # a comment before the data may be skipped with them
        assert path.read_bytes()[start:].endswith(data.encode())


def test_a_header_that_does_not_end_is_an_error(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('a,"b\n' + "1,2\n" * 100_000)
    with pytest.raises(DataError, match="the first record does not end within"):
        open_source([path], SourceOptions(header=True))


def test_a_header_longer_than_what_is_looked_at_first(tmp_path):
    path = tmp_path / "a.csv"
    names = tuple(f"the name of column {i}" for i in range(15_000))
    path.write_text(",".join(names) + "\n" + "1," * 14_999 + "2\n")
    assert path.stat().st_size > 262_144
    source = open_source([path])
    assert source.names == names
    assert source.dialect.header


def test_columns_are_matched():
    match = {"name": "2.csv", "first": "1.csv"}
    assert match_columns(("b", "a"), ("a", "b"), header=True, **match) == (1, 0)
    with pytest.raises(DataError, match="missing: b; extra: c"):
        match_columns(("c", "a"), ("a", "b"), header=True, **match)
    with pytest.raises(DataError, match=r"\(missing: b\)"):
        match_columns(("a",), ("a", "b"), header=True, **match)
    with pytest.raises(DataError, match=r"has records of 1 field, those of 1\.csv have 2"):
        match_columns(("column0",), ("column0", "column1"), header=False, **match)


def test_a_header_above_an_empty_last_column_may_lack_a_name(tmp_path):
    source = tmp_path / "x.csv"
    source.write_text("id,townstreet,n\n1,Bonn,Am Hof,\n2,Ulm,Hafengasse,\n3,Kiel,Kai,\n")
    found = open_source([source], SourceOptions())
    assert found.names == ("id", "townstreet", "n")
    assert any("--no-trailing-delimiter, if a name lacks" in note for note in found.notes)
    with pytest.raises(DataError, match="the header has 3 names, the rows below have 4 fields"):
        open_source([source], SourceOptions(trailing_delimiter=False))


@pytest.mark.parametrize(
    ("line", "n_columns", "names"),
    [
        ('id,town"street",n', 4, ["id", "town", "street", "n"]),
        ('id,"town"street,n', 4, ["id", "town", "street", "n"]),
        ('id,"town""street",n', 4, ["id", "town", "street", "n"]),
        ('"a, b""c"', 2, ["a, b", "c"]),
        ('id,town"street",n', 5, []),
        ('id,5" disk,n', 4, []),
        ('id,the "best" one,n', 4, []),
        ('"id","town","n"', 4, []),
        ('a"b"c,d', 3, []),
        ("id,town,n", 4, []),
    ],
)
def test_a_delimiter_that_lacks_beside_a_quote(line, n_columns, names):
    assert names_beside_quote(line, Dialect(delimiter=","), n_columns) == names
