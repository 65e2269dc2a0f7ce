"""Random and mutated bytes give rows or a located error: no traceback, no lost bytes."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli import open_dataset
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.run import run
from bigdata_cli.errors import BigdataError
from bigdata_cli.sources.bad_values import RecordError
from bigdata_cli.sources.csv.blocks import Block
from bigdata_cli.sources.csv.dialect import WHITESPACE, Dialect
from bigdata_cli.sources.csv.records import ParsePlan, parse_block
from bigdata_cli.types.state import ColumnState
from tests.examples import examples

PIECES = [
    b",", b"\n", b"\r", b"\r\n", b'"', b'""', b" ", b"\t", b";", b"\\", b"#", b"::", b"\0", b"\xff",
    b"\xc3\xa9", b"1", b"-", b"0", b".5", b"1e5", b"1e-400", b"99999999999999999999", b"007", b"NA",
    b"true", b"2020-02-29", b"2020-02-30T10:00", b"2020-01-01T00:00:00.123456789Z", b"x", b"inf",
]  # fmt: skip
DIALECTS = [
    Dialect(delimiter=","),
    Dialect(delimiter=",", quote=None),
    Dialect(delimiter=";", decimal=",", thousands="."),
    Dialect(delimiter="::", trim=True, comment="#"),
    Dialect(delimiter=",", escape="\\", trim=True),
    Dialect(delimiter=" ", quote="'", escape="\\"),
    Dialect(delimiter=WHITESPACE),
    Dialect(delimiter=WHITESPACE, quote="'", escape="\\", comment="#", short_rows="null"),
    Dialect(delimiter=None, quote=None, null_tokens=(), keep_blank_lines=True),
]
BYTES = st.lists(st.sampled_from(PIECES), max_size=60).map(b"".join)


def block_of(data: bytes) -> Block:
    padded = np.full(len(data) + 64, 10, np.uint8)
    padded[: len(data)] = np.frombuffer(data, np.uint8)
    return Block(padded, 0, len(data), True)


def parse(data: bytes, dialect: Dialect, n_columns: int, *, skip: bool, dtypes: list[str]) -> int:
    """Rows and rejected records of the bytes; checks that all bytes were gone through."""
    columns = tuple(
        ColumnState(name=f"c{i}", dtype=dtype, fixed=dtype != "null")
        for i, dtype in enumerate(dtypes[:n_columns])
    )
    plan = ParsePlan(dialect=dialect, columns=columns, skip_bad_rows=skip)
    chunk = parse_block(block_of(data), 0, len(data), tuple(range(n_columns)), plan)
    assert chunk.position == len(data)
    assert chunk.batch.num_rows == chunk.rows
    chunk.batch.validate(full=True)
    return chunk.rows + len(chunk.rejects)


@examples(400)
@given(
    data=BYTES,
    dialect=st.sampled_from(DIALECTS),
    n_columns=st.integers(1, 3),
    dtypes=st.lists(
        st.sampled_from(["null", "null", "text", "int8", "float64", "date", "bool", "category"]),
        min_size=3,
        max_size=3,
    ),
)
def test_any_bytes_are_rows_or_a_located_record(data, dialect, n_columns, dtypes):
    n_columns = 1 if dialect.is_text else n_columns
    dtypes = ["text"] * 3 if dialect.is_text else dtypes
    refused = None
    try:
        parse(data, dialect, n_columns, skip=False, dtypes=dtypes)
    except RecordError as error:
        refused = error
    # What stops one run is set aside in the other.
    rows = parse(data, dialect, n_columns, skip=True, dtypes=dtypes)
    if refused is not None:
        assert 0 <= refused.offset < max(len(data), 1)
        assert rows > 0


@examples(60)
@given(data=BYTES, shards=st.integers(1, 3), unit_bytes=st.integers(5, 60))
def test_any_file_converts_or_says_why(data, shards, unit_bytes):
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "data.csv"
        source.write_bytes(data)
        out = Path(folder) / "out"
        options = ConvertOptions(to="npy", output=out, shards=shards, jobs=2, on_bad_row="skip")
        try:
            report = run([source], options, unit_bytes=unit_bytes)
        except BigdataError:
            report = None
        assert out.exists() == (report is not None)
        if report is not None:
            assert sum(len(batch) for batch in open_dataset(out).read()) == report.rows


@pytest.mark.parametrize("seed", range(8))
def test_mutated_sample_files_never_give_a_traceback(tmp_path, sample_data, seed):
    shuffled = random.Random(seed)
    data = bytearray((sample_data / "messy.csv").read_bytes()[:20_000])
    for _ in range(shuffled.randint(1, 30)):
        at = shuffled.randrange(len(data))
        data[at : at + shuffled.randint(0, 3)] = shuffled.choice(PIECES)
    source = tmp_path / "data.csv"
    source.write_bytes(bytes(data))
    for on_bad_row in ("error", "skip"):
        options = ConvertOptions(
            to="parquet", output=tmp_path / on_bad_row, shards=3, on_bad_row=on_bad_row
        )
        message = "data.csv"
        try:
            run([source], options, unit_bytes=900)
        except BigdataError as error:
            message = error.message
        assert "data.csv" in message
