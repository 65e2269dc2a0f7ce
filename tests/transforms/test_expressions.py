"""Expressions against DuckDB and Polars on the same rows, and what is refused."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli.errors import UsageError
from bigdata_cli.transforms.expressions.columns import columns_of
from bigdata_cli.transforms.expressions.expression import condition, expression
from bigdata_cli.transforms.rows_of_columns import Rows, failing_rows
from tests.examples import examples

DTYPES = {
    "a": "int64",
    "b": "int8",
    "x": "float32",
    "y": "float64",
    "s": "category",
    "d": "date",
    "t": "timestamp[us]",
    "p": "bool",
}
ARROW = {
    "a": pa.int64(),
    "b": pa.int64(),
    "x": pa.float64(),
    "y": pa.float64(),
    "s": pa.string(),
    "d": pa.date32(),
    "t": pa.timestamp("us"),
    "p": pa.bool_(),
}
FIXED = pa.table(
    {
        "a": pa.array([1, 2, None, -5, 7], pa.int64()),
        "b": pa.array([0, 3, 4, None, -2], pa.int64()),
        "x": [0.5, math.nan, None, -2.5, math.inf],
        "y": [2.5, 1.0, 0.0, None, 3.0],
        "s": ["abc", "Äé b", None, "", "x%_\\"],
        "d": pa.array(
            [
                dt.date(2020, 1, 5),
                None,
                dt.date(2021, 12, 31),
                dt.date(1969, 2, 28),
                dt.date(2024, 2, 29),
            ]
        ),
        "t": pa.array(
            [
                dt.datetime(2020, 1, 5, 3, 4, 5, 600000),
                None,
                dt.datetime(2021, 12, 31),
                dt.datetime(1969, 2, 28, 23),
                dt.datetime(2024, 2, 29, 12),
            ],
            pa.timestamp("us"),
        ),
        "p": [True, False, None, True, False],
    }
)
EXPRESSIONS = [
    "a+b",
    "a-b",
    "a*b",
    "a/b",
    "a/0",
    "a%3",
    "a % -3",
    "x%2",
    "x+a",
    "-a",
    "-x",
    "a>b",
    "x>y",
    "x=x",
    "x>1",
    "x<1",
    "y<=2.5",
    "a<>b",
    "s='abc'",
    "s<'b'",
    "p",
    "not p",
    "p and a>1",
    "p or a>1",
    "a in (1,7)",
    "a in (1,null)",
    "a in (b,1)",
    "a not in (1,2)",
    "s in ('abc','')",
    "s is null",
    "s is not null",
    "p is true",
    "p is not false",
    "p is not true",
    "a between 0 and 5",
    "a not between 0 and 5",
    "a between b and 5",
    "s like 'a%'",
    "s like '_b%'",
    "s not like '%b%'",
    "s ilike 'A%'",
    "s like 'x!%%' escape '!'",
    "s like 'x%\\'",
    "case when a>1 then 'big' when a<0 then 'neg' else 'x' end",
    "case when a>1 then a end",
    "case a when 1 then 10 when 2 then 20 else 0 end",
    "case when a > 0 then a else x end",
    "coalesce(a,b,0)",
    "nullif(a,1)",
    "ifnull(a,9)",
    "if(a>1,a,b)",
    "cast(y as bigint)",
    "cast(a as double)/2",
    "cast(a as text)",
    "cast(d as text)",
    "cast(d as timestamp)",
    "cast(t as date)",
    "cast(p as int)",
    "cast('12' as int)+a",
    "try_cast(s as int)",
    "a::double",
    "d > date '2020-01-01'",
    "d = '2020-01-05'",
    "t >= '2020-01-05 03:00:00'",
    "t > d",
    "d between '2020-01-01' and '2021-12-31'",
    "d + 1",
    "d - 1",
    "d - date '2020-01-01'",
    "t + interval 1 day",
    "d - interval 3 hours",
    "d + interval '2' week",
    "year(d)",
    "month(t)",
    "day(d)",
    "hour(t)",
    "minute(t)",
    "second(t)",
    "quarter(d)",
    "week(d)",
    "dayofweek(d)",
    "isodow(d)",
    "dayofyear(d)",
    "extract(year from t)",
    "extract(dow from d)",
    "extract(epoch from t)",
    "epoch(t)",
    "date_trunc('month',d)",
    "date_trunc('hour',t)",
    "date_trunc('week',d)",
    "date_diff('day',d,date '2020-01-01')",
    "date_diff('month',t,timestamp '2020-01-01 00:00:00')",
    "date_diff('hour',t,timestamp '2020-01-01 00:30:00')",
    "date_diff('year',d,date '2022-01-01')",
    "abs(a)",
    "abs(x)",
    "ceil(y)",
    "floor(x)",
    "round(x)",
    "round(y,0)",
    "round(y/3,2)",
    "sqrt(y)",
    "exp(y)",
    "ln(y)",
    "log10(y)",
    "log2(y)",
    "pow(a,2)",
    "sign(a)",
    "greatest(a,b)",
    "least(a,b,3)",
    "greatest(a,y)",
    "lower(s)",
    "upper(s)",
    "length(s)",
    "trim(s)",
    "ltrim(s,'a')",
    "substring(s,2)",
    "substring(s,2,2)",
    "substring(s,-2)",
    "substring(s,-2,1)",
    "substring(s,0,2)",
    "left(s,2)",
    "right(s,2)",
    "right(s,0)",
    "replace(s,'b','Z')",
    "contains(s,'b')",
    "starts_with(s,'a')",
    "ends_with(s,'c')",
    "strpos(s,'b')",
    "concat(s,'-',cast(a as text))",
    "s || '-' || s",
    "isnan(x)",
    "isinf(x)",
    "isfinite(x)",
    "a is distinct from b",
    "a is not distinct from b",
    "sin(y)",
    "true",
    "null is null",
    "A + 1",
    "(a+b)*2",
    "a+b*2",
    "not a>1 and p",
    "p = (a > 1)",
    "p <> true",
    "a = 1.0",
    "cast(a > 1 as int)",
    "a == 1",
    "substring(s,-4,2)",
]


def rows_of(table: pa.Table) -> Rows:
    arrays = {name: table[name].combine_chunks() for name in table.column_names}
    return Rows(arrays, table.num_rows)


def plain(value: Any) -> Any:
    """A value that compares as it should: NaN equals NaN, a date equals its midnight."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else pytest.approx(value, rel=1e-12)
    if isinstance(value, dt.datetime) and value.time() == dt.time():
        return value.date()
    return value


def by_duckdb(text: str, table: pa.Table) -> list[Any]:
    connection = duckdb.connect()
    connection.register("rows", table)
    return [row[0] for row in connection.execute(f"select {text} from rows").fetchall()]


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_an_expression_is_what_duckdb_says(text: str) -> None:
    got = expression(text, DTYPES).compute(rows_of(FIXED)).to_pylist()
    assert [plain(value) for value in got] == [plain(v) for v in by_duckdb(text, FIXED)]


def test_texts_of_a_dictionary_are_computed_once_each() -> None:
    texts = pa.array(["a", None, "b", "a"] * 50).dictionary_encode()
    found = expression("upper(s) || '-'", {"s": "category"})
    got = found.compute(Rows({"s": texts}, len(texts)))
    assert got.to_pylist() == ["A-", None, "B-", "A-"] * 50


INTEGERS = st.integers(-(10**6), 10**6)
FLOATS = st.floats(-1e6, 1e6).map(lambda x: round(x, 3))
rows_strategy = st.lists(
    st.tuples(
        st.none() | INTEGERS,
        st.none() | INTEGERS,
        st.none() | FLOATS,
        st.none() | st.sampled_from(["a", "b", "ab", ""]),
        st.none() | st.booleans(),
    ),
    min_size=1,
    max_size=30,
)
numbers = st.deferred(
    lambda: (
        st.sampled_from(["a", "b", "x", "0", "3", "2.5"])
        | st.builds("({} {} {})".format, numbers, st.sampled_from("+-*"), numbers)
        | st.builds("coalesce({}, {})".format, numbers, numbers)
        | st.builds("case when {} then {} else {} end".format, truths, numbers, numbers)
    )
)
truths = st.deferred(
    lambda: (
        st.sampled_from(["p", "s = 'a'", "s like 'a%'", "s is null", "s in ('a', null)"])
        | st.builds("({} {} {})".format, numbers, st.sampled_from(["<", ">=", "=", "<>"]), numbers)
        | st.builds("({} {} {})".format, truths, st.sampled_from(["and", "or"]), truths)
        | st.builds("not ({})".format, truths)
        | st.builds("({} between {} and {})".format, numbers, numbers, numbers)
        | st.builds("({} is null)".format, numbers)
    )
)


@examples(60)
@given(rows=rows_strategy, text=truths)
def test_conditions_keep_the_rows_that_duckdb_and_polars_keep(rows, text: str) -> None:
    names = ("a", "b", "x", "s", "p")
    columns = zip(*rows, strict=True)
    table = pa.table(
        {name: pa.array(values, ARROW[name]) for name, values in zip(names, columns, strict=True)}
    )
    dtypes = {name: DTYPES[name] for name in names}
    try:
        got = condition(text, dtypes).compute(rows_of(table)).to_pylist()
    except pa.ArrowInvalid:  # products beyond int64, which DuckDB refuses too
        with pytest.raises(duckdb.Error):
            by_duckdb(text, table)
        return
    assert got == by_duckdb(text, table)
    kept = pl.SQLContext(t=pl.from_arrow(table)).execute(
        f"select *, {text} as truth from t", eager=True
    )
    assert got == kept["truth"].to_list()


@pytest.mark.parametrize(
    ("text", "words", "place"),
    [
        ("amont > 0", 'no column "amont"', "^^^^^"),
        ("a > 's'", "are not comparable", "^^^^^^^"),
        ("a >", "does not parse", "    ^"),
        ("a > 'x", "never closed", "    ^^"),
        ("lenght(s)", 'no function "lenght"', "^^^^^^"),
        ("s + 1", "is not a number", "^"),
        ("sum(a)", 'no function "sum"', "^^^"),
        ("a in (select 1)", "a list of values", "^"),
        ("cast(d as int)", "cannot be cast", "     ^"),
        ("99999999999999999999", "beyond int64", "^"),
        ("9223372036854775807 + 1", "overflow", "^"),
        ("a and p", "is not true or false", "^"),
        ("case when p then 1 else 'x' end", "values of one column", "^^^"),
        ("t.a", "cannot contain a dot", "^^^"),
        ("__import__('os')", "no function", "^^^^^^^^^^"),
        ("d + interval 1 month", "whole number of a unit", "^"),
        ("date_trunc('mon', d)", "is no unit", "^"),
        ("", "is empty", "^"),
        ("a; b", "cannot be used", "^"),
        ("a like b", "is not a text", "^"),
        ("round(a, b)", "has to be a constant", "^"),
        ("d = '2020-13-01'", "no date or timestamp", "^"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, words: str, place: str) -> None:
    with pytest.raises(UsageError) as caught:
        expression(text, DTYPES, "--derive")
    message = caught.value.message
    assert message.startswith("--derive: ")
    assert words in message
    assert message.splitlines()[-1].startswith("  ")
    assert place in message.splitlines()[-1]


def test_deep_expressions_are_refused() -> None:
    for text in ("(" * 5000 + "a" + ")" * 5000, " + ".join(["a"] * 5000)):
        with pytest.raises(UsageError, match="too deeply"):
            expression(text, DTYPES)


def test_a_branch_is_computed_of_its_rows_alone() -> None:
    rows = Rows({"s": pa.array(["12", "x", None])}, 3)
    text = "case when s <> 'x' then cast(s as bigint) else -1 end"
    assert expression(text, {"s": "text"}).compute(rows).to_pylist() == [12, -1, -1]


def test_all_failing_rows_are_found() -> None:
    rows = Rows({"s": pa.array(["1", "x", "3", "y"])}, 4)
    found, problem = failing_rows(expression("s::bigint", {"s": "text"}).compute, rows)
    assert found.tolist() == [1, 3]
    assert "x" in problem


def test_a_text_in_double_quotes_is_a_text_where_no_column_is_like_it() -> None:
    found = condition('s in ("TRANSFER", "CASH_OUT")', {"s": "text"})
    rows = Rows({"s": pa.array(["TRANSFER", "DEBIT"])}, 2)
    assert found.compute(rows).to_pylist() == [True, False]
    with pytest.raises(UsageError, match="no column"):
        condition('"amont" > 1', {"amount": "int64"})


@pytest.mark.parametrize(
    ("text", "problem", "hint"),
    [
        ("log(a)", 'no function "log"', "ln(x) is the natural logarithm"),
        ("avg(a) < a", 'no function "avg"', "an expression sees one row at a time"),
        ("row_number() over ()", "cannot be used", "an expression sees one row at a time"),
        ("isnull(a)", 'no function "isnull"', "x is null"),
        ("a // b", "cannot be used", "floor(a / b)"),
        ("a ** 2", "cannot be used", "pow(a, b)"),
        ("p && p", "cannot be used", "a and b"),
        ("s.isna()", "cannot be used", "x is null"),
        ("regexp_matches(s, 'a')", 'no function "regexp_matches"', "no regular expressions"),
        ("a = null", "true for no row", "x is null, or x is not null"),
        ("null <> s", "true for no row", "x is null, or x is not null"),
    ],
)
def test_what_others_write_is_answered_with_what_there_is(text, problem, hint) -> None:
    types = {"a": "int64", "b": "int64", "s": "text", "p": "bool"}
    with pytest.raises(UsageError, match=problem) as caught:
        expression(text, types, "--derive")
    assert caught.value.hint is not None
    assert hint in caught.value.hint


def test_a_name_with_spaces_that_does_not_parse_is_to_be_quoted() -> None:
    with pytest.raises(UsageError, match="does not parse") as caught:
        columns_of("first seen like '%June%'", ["first seen", "seen"], "--where")
    assert caught.value.hint is not None
    assert '"first seen"' in caught.value.hint
