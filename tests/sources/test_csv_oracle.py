"""Tables written by Python's csv module in any dialect of its own come back equal."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.run import run
from bigdata_cli.sources.csv.options import SourceOptions
from tests.examples import examples

NO_TOKEN = "\x07"
"""A null token that no field is, so that every field is a value."""

CELLS = st.text(alphabet="ab01.-,;|\t:'\"\\^# \n\ré😀", max_size=8)


@st.composite
def written(draw) -> tuple[list[list[str]], str, dict[str, Any]]:
    """Rows, the text that csv makes of them, and the arguments it was given."""
    arguments: dict[str, Any] = {
        "delimiter": draw(st.sampled_from([",", ";", "\t", "|", " ", ":", "^", "\x1f"])),
        "quotechar": draw(st.sampled_from(['"', "'", "`"])),
        "quoting": draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONE])),
        "escapechar": draw(st.sampled_from([None, "\\", "^", "!"])),
        "doublequote": draw(st.booleans()),
        "lineterminator": draw(st.sampled_from(["\n", "\r\n", "\r"])),
    }
    assume(arguments["escapechar"] != arguments["delimiter"])
    if arguments["quoting"] == csv.QUOTE_NONE or not arguments["doublequote"]:
        assume(arguments["escapechar"] is not None)
    width = draw(st.integers(1, 4))
    rows = draw(st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=12))
    # A line with nothing in it is no record, and csv could not say so without quotes.
    if width == 1 and arguments["quoting"] == csv.QUOTE_NONE:
        assume(all(row[0].strip("\r\n") for row in rows))
    stream = io.StringIO(newline="")
    csv.writer(stream, **arguments).writerows(rows)
    text = stream.getvalue()
    # Not every dialect of csv can be read back by csv: a line feed where lines end with a carriage
    # return is not quoted by all its versions. A file of nothing but spaces is an empty file.
    assume(text.strip() and list(csv.reader(io.StringIO(text, newline=""), **arguments)) == rows)
    return rows, text, arguments


def plain(*rows: list[str]) -> tuple[list[list[str]], str, dict[str, Any]]:
    """Rows as `written` has them, without quotes."""
    arguments: dict[str, Any] = {
        "delimiter": ",", "quotechar": '"', "quoting": csv.QUOTE_MINIMAL, "escapechar": None,
        "doublequote": True, "lineterminator": "\n",
    }  # fmt: skip
    return list(rows), "".join(",".join(row) + "\n" for row in rows), arguments


def read_back(text: str, names: list[str], options: SourceOptions, **settings: Any) -> list[list]:
    """The rows of a text, converted and read by pyarrow."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "data.csv"
        pack = settings.pop("pack", bytes)
        source.write_bytes(pack(text.encode(options.encoding or "utf-8")))
        run(
            [source],
            ConvertOptions(
                to="parquet",
                output=Path(folder) / "out",
                types=dict.fromkeys(names, "text"),
                source=options,
                shards=settings.pop("shards", 1),
                jobs=1,
            ),
            **settings,
        )
        table = pq.read_table(sorted((Path(folder) / "out").glob("[!_]*.parquet")))
    return [list(row.values()) for row in table.to_pylist()]


def options_of(arguments: dict[str, Any], width: int, **more: Any) -> SourceOptions:
    """How these arguments of csv are said here."""
    quotes = arguments["quoting"] != csv.QUOTE_NONE
    return SourceOptions(
        delimiter=arguments["delimiter"],
        quote=arguments["quotechar"] if quotes else "none",
        escape=arguments["escapechar"] or "none",
        header=False,
        names=tuple(f"c{i}" for i in range(width)),
        trim=False,
        null_tokens=(NO_TOKEN,),
        **more,
    )


@examples(75)
@given(
    table=written(),
    shards=st.integers(1, 3),
    unit_bytes=st.sampled_from([5, 17, 64, 1 << 20]),
)
# Where the user says that there is no header, rows of nothing are rows, above and below others too.
@example(table=plain([""] * 4, ["", "", "0", ":"], ["", "", ":", "0"]), shards=1, unit_bytes=64)
@example(
    table=plain(["a", "b", "c"], ["d", "e", "f"], [""] * 3, ["x", "", ""]), shards=1, unit_bytes=64
)
def test_what_csv_writes_comes_back(table, shards, unit_bytes):
    rows, text, arguments = table
    names = [f"c{i}" for i in range(len(rows[0]))]
    options = options_of(arguments, len(names))
    assert read_back(text, names, options, shards=shards, unit_bytes=unit_bytes) == rows


@examples(50)
@given(
    table=written(),
    encoding=st.sampled_from([None, "utf-16", "utf-16-be", "utf-32", "utf-7", "gb18030"]),
    pack=st.sampled_from([bytes, gzip.compress, bz2.compress]),
    shards=st.integers(1, 3),
    unit_bytes=st.sampled_from([5, 17, 64, 1 << 20]),
    sample_bytes=st.sampled_from([1, 30, 1 << 20]),
)
def test_what_csv_writes_comes_back_from_any_stream(
    table, encoding, pack, shards, unit_bytes, sample_bytes
):
    rows, text, arguments = table
    rows = [[*row, str(i)] for i, row in enumerate(rows)]
    stream = io.StringIO(newline="")
    csv.writer(stream, **arguments).writerows(rows)
    text = stream.getvalue()
    assume(list(csv.reader(io.StringIO(text, newline=""), **arguments)) == rows)
    names = [f"c{i}" for i in range(len(rows[0]))]
    options = options_of(arguments, len(names), encoding=encoding)
    found = read_back(
        text, names, options, pack=pack, shards=shards,
        unit_bytes=unit_bytes, sample_bytes=sample_bytes,
    )  # fmt: skip
    # Shards of a stream whose length is not known take turns.
    assert sorted(found, key=lambda row: int(row[-1])) == rows


@examples(30)
@given(
    rows=st.lists(
        st.lists(st.text(alphabet='ab,"\n é', max_size=6), min_size=3, max_size=3),
        min_size=1,
        max_size=8,
    ),
    spaces=st.integers(1, 3),
)
@example(rows=[["a", " b ", ""]], spaces=2)
def test_spaces_after_delimiters_are_skipped_as_csv_does(rows, spaces):
    plain = [[cell.strip(" ") for cell in row] for row in rows]
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows(plain)
    # Between the quotes of two fields only: a cell may hold such a comma as well.
    lines = []
    for row in plain:
        quoted = ['"' + cell.replace('"', '""') + '"' for cell in row]
        lines.append(("," + " " * spaces).join(quoted) + "\n")
    text = "".join(lines)
    assert list(csv.reader(io.StringIO(text, newline=""), skipinitialspace=True)) == plain
    options = SourceOptions(
        delimiter=",", quote='"', escape="none", header=False, trim=True, names=("a", "b", "c"),
        null_tokens=(NO_TOKEN,),
    )  # fmt: skip
    assert read_back(text, ["a", "b", "c"], options) == plain


@pytest.mark.parametrize("delimiter", ["::", "~|~", "||", ", ", "\t\t"])
@examples(15)
@given(
    rows=st.lists(
        st.lists(st.text(alphabet='ab:|~,\t "\n', max_size=6), min_size=2, max_size=2),
        min_size=1,
        max_size=8,
    )
)
def test_a_delimiter_of_several_characters(delimiter, rows):
    # Python's csv has none: quoted fields are put together by hand.
    lines = (delimiter.join('"' + c.replace('"', '""') + '"' for c in row) for row in rows)
    options = SourceOptions(
        delimiter=delimiter, quote='"', escape="none", header=False, trim=False, names=("a", "b"),
        null_tokens=(NO_TOKEN,),
    )  # fmt: skip
    assert read_back("\n".join(lines) + "\n", ["a", "b"], options, unit_bytes=16) == rows
