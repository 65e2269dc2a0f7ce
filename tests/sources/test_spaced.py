"""Runs of spaces and tabs as a delimiter: records, where they begin, and fields kept of them."""

from __future__ import annotations

import gzip

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli import DataError, UsageError, convert
from bigdata_cli.sources.csv.boundary import next_record
from bigdata_cli.sources.csv.dialect import WHITESPACE, Dialect
from bigdata_cli.sources.csv.header import first_record
from bigdata_cli.sources.csv.records import ParsePlan, parse_block
from bigdata_cli.sources.csv.rules import compile_rules
from bigdata_cli.sources.csv.select_fields import select_fields
from bigdata_cli.types.state import ColumnState
from tests.examples import examples
from tests.sources.test_mended_rows import block_of, parsed

RUN = st.text(alphabet=" \t", min_size=1, max_size=70)
MARGIN = st.text(alphabet=" \t", max_size=3)
WORD = st.text(alphabet="ab1.,'é", min_size=1, max_size=70)


@st.composite
def spaced_lines(draw: st.DrawFn) -> tuple[list[list[str]], str]:
    """Records, and a text that has them; some fields are quoted, with spaces in them."""
    rows: list[list[str]] = []
    lines: list[str] = []
    for _ in range(draw(st.integers(1, 20))):
        if draw(st.integers(0, 9)) == 0:
            lines.append(draw(MARGIN))
            continue
        words = draw(st.lists(WORD, min_size=1, max_size=5))
        rows.append(words)
        line = draw(MARGIN)
        for i, word in enumerate(words):
            is_quoted = draw(st.integers(0, 5)) == 0
            if is_quoted:
                rows[-1][i] = word = f"{word} {word}"
            line += (draw(RUN) if i else "") + (f'"{word}"' if is_quoted else word)
        lines.append(line + draw(MARGIN))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    return rows, end.join(lines) + (end if draw(st.booleans()) else "")


@examples(200)
@given(table=spaced_lines(), short=st.sampled_from(["error", "null"]), data=st.data())
def test_records_are_the_words_of_each_line(table, short, data):
    rows, text = table
    dialect = Dialect(delimiter=WHITESPACE, short_rows=short, null_tokens=("\x07",))
    chunk = parsed(text.encode(), dialect)
    kept = [row for row in rows if len(row) == 3 or (len(row) < 3 and short == "null")]
    expected = [[*row, *[None] * (3 - len(row))] for row in kept]
    found = [[value or None for value in row.values()] for row in chunk.batch.to_pylist()]
    assert found == expected
    assert len(chunk.rejects) == len(rows) - len(kept)
    content = text.encode()
    columns = tuple(ColumnState(name=f"c{i}", dtype="text", fixed=True) for i in range(2))
    wanted = [True, False, True]
    kept_text = select_fields(
        block_of(content), chunk.rejects, compile_rules(dialect), wanted, chunk.rows
    )
    again = parse_block(
        block_of(kept_text.tobytes()),
        0,
        len(kept_text),
        [-1, 0, 1],
        ParsePlan(dialect=dialect.mended(), columns=columns),
    )
    assert [[value or None for value in row.values()] for row in again.batch.to_pylist()] == [
        [row[0], row[2]] for row in expected
    ]


@examples(200)
@given(table=spaced_lines(), share=st.floats(0, 1))
def test_the_next_record_begins_with_a_line(table, share):
    _, text = table
    data = text.encode()
    limit = int(share * len(data))
    if not data:
        return
    padded = block_of(data).data
    rules = compile_rules(Dialect(delimiter=WHITESPACE))
    is_found, place = next_record(padded, 0, limit, len(data), True, rules)
    assert is_found
    starts = [0]
    for line in data.replace(b"\r\n", b"\0\n").replace(b"\r", b"\n").splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    assert place == min(start for start in starts if start >= limit)


@examples(100)
@given(table=spaced_lines())
def test_the_header_is_the_first_record(table):
    rows, text = table
    dialect = Dialect(delimiter=WHITESPACE)
    start = len(text) - len(text.lstrip())
    if not rows:
        return
    fields, _ = first_record(text.encode(), start, dialect, is_whole=True)
    assert [field.decode() for field in fields or []] == rows[0]


@pytest.mark.parametrize("jobs", [1, 2])
def test_many_rows_of_aligned_columns(tmp_path, jobs):
    path = tmp_path / "aligned.dat"
    lines = [f"{i:>9} {i / 8:<12.3f}{'x' * (i % 5)}y   \n" for i in range(60_000)]
    path.write_text("   id  value    word\n" + "".join(lines))
    report = convert(path, to="parquet", output=tmp_path / "out", jobs=jobs, shards=2)
    assert report.rows == 60_000
    table = pq.read_table(sorted((tmp_path / "out").glob("[!_]*.parquet")))
    assert table.column_names == ["id", "value", "word"]
    assert table.column("id").to_pylist() == list(range(60_000))
    assert table.column("value").to_pylist()[-1] == 59_999 / 8
    assert table.column("word")[4].as_py() == "xxxxy"


def test_a_widened_column_of_a_pipe(tmp_path):
    """Fields of a stream that is not read again are kept, and parsed again as text."""
    path = tmp_path / "aligned.dat.gz"
    lines = [f"  {i}\t  {i / 4}  {i}  \n" for i in range(400_000)] + ["1 n.a. 2\n"]
    path.write_bytes(gzip.compress(("id value n\n" + "".join(lines)).encode(), 1))
    convert(path, to="parquet", output=tmp_path / "out", delimiter="whitespace")
    table = pq.read_table(sorted((tmp_path / "out").glob("[!_]*.parquet")))
    assert table.column("value").to_pylist()[-2:] == ["99999.75", "n.a."]


def test_what_goes_not_with_names_of_rows(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2,3\n4,5,6\n")
    with pytest.raises(UsageError, match="row_names"):
        convert(path, to="parquet", output=tmp_path / "out", row_names=True, header=False)
    with pytest.raises(UsageError, match="row_names"):
        convert(path, to="parquet", output=tmp_path / "out", row_names=True, names=["x", "y", "z"])
    with pytest.raises(DataError) as caught:
        convert(path, to="parquet", output=tmp_path / "out")
    assert caught.value.hint.startswith("row_names=True, if it is the first column")
