"""A source that is read from its start: its blocks are whole records, wherever they are cut."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli.errors import DataError
from bigdata_cli.io.prefetch import Prefetch
from bigdata_cli.sources.csv.boundary import (
    after_record,
    count_line_ends,
    last_record,
    next_record,
)
from bigdata_cli.sources.csv.dialect import TEXT_LINES, Dialect
from bigdata_cli.sources.csv.feed import Feed, read_head
from bigdata_cli.sources.csv.options import SourceOptions
from bigdata_cli.sources.csv.rules import compile_rules
from bigdata_cli.sources.csv.source import open_source

DIALECTS = [
    Dialect(delimiter=","),
    Dialect(delimiter=",", quote=None),
    Dialect(delimiter=",", quote="'"),
    Dialect(delimiter="::"),
    Dialect(delimiter=",", escape="\\"),
    Dialect(delimiter=",", quote=None, escape="\\"),
    Dialect(delimiter=",", escape='"'),
    Dialect(delimiter=",", trim=True),
    Dialect(delimiter=" "),
    Dialect(delimiter=",", comment="#"),
    Dialect(delimiter="::", trim=True, comment="#", escape="\\"),
    TEXT_LINES,
]
pieces = st.sampled_from(
    [b"a", b"bc", b",", b'"', b'""', b"\n", b"\r\n", b"\r", b" ", b"#", b"\\", b":", b"::", b"'",
     b"0123456789" * 3, b'"x,\ny"', b'"x"y\n']
)  # fmt: skip
texts = st.lists(pieces, min_size=1, max_size=60).map(b"".join)


def padded(data: bytes) -> np.ndarray:
    return np.frombuffer(data + b"\n" * 64, np.uint8).copy()


def record_starts(data: bytes, dialect: Dialect) -> list[int]:
    """Where records start, one after the other, and the end."""
    rules, starts, block = compile_rules(dialect), [0], padded(data)
    while starts[-1] < len(data):
        starts.append(after_record(block, starts[-1], len(data), rules))
    return starts


@given(texts, st.sampled_from(DIALECTS), st.integers(1, 200), st.integers(1, 40))
def test_a_boundary_is_where_a_record_starts_however_the_bytes_come(data, dialect, limit, step):
    rules = compile_rules(dialect)
    expected = next((p for p in record_starts(data, dialect) if p >= limit), len(data))
    available, pos = min(step, len(data)), 0
    while True:
        block, at_eof = padded(data[:available]), available == len(data)
        found, pos = next_record(block, pos, limit, available, at_eof, rules)
        if found:
            break
        assert not at_eof
        available = min(available + step, len(data))
    assert pos == expected


@given(texts, st.sampled_from(DIALECTS))
def test_the_last_record_is_the_last_that_starts(data, dialect):
    last = last_record(padded(data), 0, len(data), compile_rules(dialect))
    assert last == record_starts(data, dialect)[-2]


@given(texts, st.integers(0, 20))
def test_line_ends_are_counted_as_they_are_split(data, start):
    start = min(start, len(data))
    expected = data[start:].replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n")
    assert count_line_ends(padded(data), start, len(data)) == expected


@given(texts, st.sampled_from([d for d in DIALECTS if d.delimiter == ","]), st.integers(1, 50))
def test_blocks_are_the_data_in_order(tmp_path_factory, data, dialect, unit_bytes):
    path = tmp_path_factory.mktemp("feed") / "data.csv"
    path.write_bytes(b"1,2\n" + data)
    options = SourceOptions(delimiter=",", header=False, quote=dialect.quote or "none")
    source = open_source([path], options)
    with Feed(source, unit_bytes=unit_bytes) as feed:
        fed = list(feed)
    starts = set(record_starts(b"1,2\n" + data, source.dialect))
    joined, line = b"", 1
    for one in fed:
        assert one.block.offset == len(joined)
        assert one.block.offset in starts
        assert one.first_line == line
        assert (one.block.data[one.block.size :] == 10).all()
        line += int(count_line_ends(one.block.data, 0, one.block.size))
        joined += one.block.data[: one.block.size].tobytes()
    assert joined == path.read_bytes()


def test_the_head_is_whole_records(tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes(b'a,b\n1,"x\ny"\n2,z\n3,w\n')
    source = open_source([path])
    head = read_head(source, 14)
    assert not head.is_whole
    assert b"".join(fed.block.data[: fed.block.size].tobytes() for fed in head.blocks) == (
        b'1,"x\ny"\n'
    )
    head = read_head(source, 1000, unit_bytes=3)
    assert head.is_whole
    assert head.data_bytes == len(path.read_bytes()) - 4
    assert [fed.first_line for fed in head.blocks] == [2, 4, 5]


def test_a_record_that_does_not_end_is_located_in_bounded_memory(tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes(b"a,b\n" + b"1,2\n" * 1000 + b'1,"' + b"x\n" * 200_000)
    source = open_source([path], SourceOptions(delimiter=",", header=True, quote='"'))
    feed = Feed(source, unit_bytes=1000, max_record_bytes=10_000)
    with feed, pytest.raises(DataError, match=r"1,002 \(byte 4,004\): a record is lon") as caught:
        list(feed)
    assert "--quote none" in str(caught.value)


def test_a_feed_that_is_left_ends_its_threads(tmp_path):
    path = tmp_path / "data.csv"
    path.write_bytes(b"a,b\n" + b"1,2\n" * 100_000)
    source = open_source([path])
    before = threading.active_count()
    with Feed(source, unit_bytes=1000) as feed:
        next(iter(feed))
    assert threading.active_count() == before


def test_prefetch_gives_items_then_the_error_and_stays_behind_its_depth():
    made: list[int] = []

    def items():
        for i in range(10):
            made.append(i)
            yield i
        raise ValueError("after ten")

    ahead = Prefetch(items(), depth=2, name="test")
    time.sleep(0.05)
    assert len(made) <= 4
    taken = []
    with pytest.raises(ValueError, match="after ten"):
        for item in ahead:
            taken.append(item)  # noqa: PERF402
    assert taken == list(range(10))
    ahead.close()
