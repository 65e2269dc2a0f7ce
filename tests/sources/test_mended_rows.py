"""Rows with too few or too many fields, which the dialect mends."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.run import run
from bigdata_cli.options import request_of
from bigdata_cli.sources.csv.blocks import PADDING_BYTES, Block
from bigdata_cli.sources.csv.dialect import Dialect
from bigdata_cli.sources.csv.records import ParsePlan, parse_block
from bigdata_cli.sources.csv.rules import compile_rules
from bigdata_cli.sources.csv.select_fields import select_fields
from bigdata_cli.types.state import ColumnState
from tests.examples import examples

FIELDS = st.lists(st.text(alphabet="ab1 é", max_size=70), min_size=1, max_size=6)
ROWS = st.lists(FIELDS.filter(lambda row: row != [""]), min_size=1, max_size=40)
N_COLUMNS, JOINED = 3, 1


def block_of(data: bytes) -> Block:
    padded = np.full(len(data) + PADDING_BYTES, 10, np.uint8)
    padded[: len(data)] = np.frombuffer(data, np.uint8)
    return Block(padded, 0, len(data), True)


def parsed(data: bytes, dialect: Dialect, *, skip: bool = True):
    columns = tuple(ColumnState(name=f"c{i}", dtype="text", fixed=True) for i in range(N_COLUMNS))
    plan = ParsePlan(dialect=dialect, columns=columns, skip_bad_rows=skip)
    fields = [*range(N_COLUMNS), *[-1] * dialect.trailing_delimiter]
    return parse_block(block_of(data), 0, len(data), fields, plan)


def mended(row: list[str], dialect: Dialect) -> list[str | None] | None:
    """What a row has to become; None for a bad row."""
    row = list(row)
    if dialect.trailing_delimiter and len(row) > N_COLUMNS and row[-1] == "":
        row.pop()
    if len(row) < N_COLUMNS:
        if dialect.short_rows == "error":
            return None
        row += [""] * (N_COLUMNS - len(row))
    surplus = len(row) - N_COLUMNS
    if surplus:
        if dialect.long_rows == "error":
            return None
        if dialect.long_rows == "cut":
            row = row[:N_COLUMNS]
        else:
            joined = ";".join(row[JOINED : JOINED + surplus + 1])
            row = [*row[:JOINED], joined, *row[JOINED + surplus + 1 :]]
    return [field or None for field in row]


DIALECTS = st.builds(
    Dialect,
    delimiter=st.just(";"),
    quote=st.sampled_from(['"', None]),
    comment=st.sampled_from([None, "#"]),
    trailing_delimiter=st.booleans(),
    short_rows=st.sampled_from(["error", "null"]),
    long_rows=st.sampled_from(["error", "cut", "join"]),
    join_field=st.just(JOINED),
)


@examples(300)
@given(rows=ROWS, dialect=DIALECTS, end=st.sampled_from(["\n", "\r\n", "\r"]), last=st.booleans())
def test_rows_are_mended_as_the_dialect_says(rows, dialect, end, last):
    text = end.join(";".join(row) for row in rows) + (end if last else "")
    chunk = parsed(text.encode(), dialect)
    expected = [mended(row, dialect) for row in rows]
    kept = [row for row in expected if row is not None]
    assert [list(row.values()) for row in chunk.batch.to_pylist()] == kept
    assert len(chunk.rejects) == expected.count(None)
    n_real = [len(r) - (dialect.trailing_delimiter and len(r) > 3 and r[-1] == "") for r in rows]
    assert chunk.tally.short_rows == (dialect.short_rows == "null") * sum(n < 3 for n in n_real)
    assert chunk.tally.long_rows == (dialect.long_rows != "error") * sum(n > 3 for n in n_real)


@examples(200)
@given(rows=ROWS, dialect=DIALECTS)
def test_selected_fields_are_those_of_mended_rows(rows, dialect):
    data = "\n".join(";".join(row) for row in rows).encode()
    chunk = parsed(data, dialect)
    if dialect.quote is None and dialect.long_rows == "join":
        return  # a joined field is of text, which no spool keeps
    wanted = [True, True, False, *[False] * dialect.trailing_delimiter]
    text = select_fields(block_of(data), chunk.rejects, compile_rules(dialect), wanted, chunk.rows)
    again = parse_block(
        block_of(text.tobytes()),
        0,
        len(text),
        [-1, 0, 1],
        ParsePlan(
            dialect=dialect.mended(),
            columns=tuple(ColumnState(name=n, dtype="text", fixed=True) for n in ("c0", "c1")),
        ),
    )
    # A joined field of nothing but delimiters is quoted, and so no null.
    assert [[value or None for value in row.values()] for row in again.batch.to_pylist()] == [
        list(row.values())[:2] for row in chunk.batch.to_pylist()
    ]


@pytest.fixture(scope="module")
def ragged(tmp_path_factory) -> Path:
    """30,000 rows of three columns, some of them short, long, or with a value that widens."""
    random = np.random.default_rng(1)
    path = tmp_path_factory.mktemp("ragged") / "r.csv"
    with path.open("w", newline="") as file:
        file.write("id,name,x\n")
        for i in range(30_000):
            kind = random.integers(20)
            number = "n/k" if i == 25_000 else f"{i / 7:.3f}"
            row = f"{i},some text,{number}"
            if kind == 0:
                row = f"{i}"
            elif kind == 1:
                row = f"{i},some, more, text,{number}"
            elif kind == 2:
                row = f'{i},"quoted\ntext",{number}'
            file.write(row + "\n")
    return path


@pytest.mark.parametrize("long_rows", ["cut", "join"])
def test_every_way_through_a_source_gives_the_same_dataset(ragged, tmp_path, long_rows):
    given = {"to": "parquet", "short_rows": "null", "long_rows": long_rows, "type": {}}
    tables, counted = [], []
    ways = [
        {"jobs": 1},
        {"jobs": 2, "shards": 3, "unit_bytes": 5000},
        {"unit_bytes": 70_001},
    ]
    for number, way in enumerate(ways):
        output = tmp_path / str(number)
        unit_bytes = way.pop("unit_bytes", None)
        options = request_of(ConvertOptions, {**given, **way, "output": output})
        report = run([ragged], options, unit_bytes=unit_bytes, sample_bytes=40_000)
        tables.append(pq.read_table(sorted(output.glob("[!_]*.parquet"))))
        manifest = report.manifest
        counted.append((manifest.rows, manifest.short_rows, manifest.long_rows))
        assert any("too few fields" in note for note in report.notes)
    assert tables[0].equals(tables[1])
    assert tables[0].equals(tables[2])
    assert len(set(counted)) == 1
    assert counted[0][0] == 30_000
    assert min(counted[0][1:]) > 1000


def test_a_pipe_of_mended_rows(ragged, tmp_path):
    command = [sys.executable, "-m", "bigdata_cli", "convert", "-", "--to", "parquet", "-q"]
    command += ["--short-rows", "null", "--long-rows", "join", "-o", str(tmp_path / "pipe")]
    with ragged.open("rb") as file:
        subprocess.run(command, stdin=file, check=True, env=os.environ)
    given = {"to": "parquet", "short_rows": "null", "long_rows": "join"}
    run([ragged], request_of(ConvertOptions, {**given, "output": tmp_path / "file"}))
    pipe, file = (
        pq.read_table(sorted((tmp_path / name).glob("[!_]*.parquet"))) for name in ("pipe", "file")
    )
    assert pipe.equals(file)
