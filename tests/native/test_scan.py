"""Fields and the boundaries of records, against a model with regular expressions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bigdata_cli.native.library import address, lib
from bigdata_cli.sources.csv.boundary import (
    after_record,
    count_line_ends,
    last_record,
    next_record,
)
from bigdata_cli.sources.csv.dialect import TEXT_LINES, Dialect
from bigdata_cli.sources.csv.fields import scan_field, skip_record
from bigdata_cli.sources.csv.rules import compile_rules
from tests.examples import examples
from tests.native import record_model as model

COMMA = Dialect(delimiter=",")
DIALECTS = [
    COMMA,
    Dialect(delimiter=",", quote=None),
    Dialect(delimiter=",", quote="'"),
    Dialect(delimiter=" "),
    Dialect(delimiter="::"),
    Dialect(delimiter=",", escape="\\"),
    Dialect(delimiter=",", quote=None, escape="\\"),
    Dialect(delimiter=",", escape='"'),
    Dialect(delimiter=",", trim=True),
    Dialect(delimiter=" :", trim=True),
    Dialect(delimiter=",", comment="#"),
    Dialect(delimiter="::", trim=True, comment="#", escape="\\"),
    TEXT_LINES,
]
dialects = st.sampled_from(DIALECTS)
pieces = st.sampled_from(
    [b"a", b"bc", b",", b'"', b'""', b"\n", b"\r\n", b"\r", b" ", b"#", b"\\", b":", b"::", b"'",
     b"\xff", b"0123456789" * 3, b'"x,\ny"', b'"x"y\n', b'",', b',"', b"x" * 61]
)  # fmt: skip
texts = st.lists(pieces, min_size=1, max_size=60).map(b"".join)
# Nearly right: quoted fields, of which few are not closed as they should be.
contents = st.lists(
    st.sampled_from([b"a", b'""', b",", b"\n", b"0123456789" * 2, b"\\\\", b'\\"', b"#", b" "]),
    max_size=5,
)
fields = st.one_of(
    contents.map(b"".join).map(lambda content: b'"' + content + b'"'),
    st.sampled_from(
        [
            b"",
            b"a",
            b"2.5",
            b"lorem ipsum dolor sit amet " * 3,
            b'5" pipe',
            b"\\,",
            b"\\\n",
            b' "a"',
            b'"a" ',
            b"#",
        ]
    ),
)
regular = st.lists(
    st.tuples(fields, st.sampled_from([b",", b",", b"\n", b"\r\n", b"\r"])), min_size=1, max_size=60
).map(lambda parts: b"".join(part for pair in parts for part in pair))
marred = st.builds(
    lambda data, at, change: data[: at % len(data)] + change + data[at % len(data) :],
    regular, st.integers(0, 4000), st.sampled_from([b'"', b"x", b'"x', b"\n", b""]),
)  # fmt: skip
limits = st.one_of(
    st.integers(1, 2000),
    st.builds(lambda n, d: 64 * n + d, st.integers(1, 30), st.integers(-3, 3)),
)


def padded(data: bytes, padding: bytes = b"\n") -> np.ndarray:
    return np.frombuffer(data + padding * 64, np.uint8)


@examples(150)
@given(texts, dialects, st.integers(0, 100))
def test_fields(data: bytes, dialect: Dialect, pos: int) -> None:
    pos = min(pos, len(data))
    found = scan_field(padded(data), pos, len(data), compile_rules(dialect))
    assert found == model.field(data, pos, dialect)


@pytest.mark.parametrize(
    ("data", "dialect", "expected"),
    [
        (b"ab,c", COMMA, (0, 2, False, False, 2, 0)),
        (b'"a""b"\r\n', COMMA, (1, 5, True, True, 6, 0)),
        (b'"a"b', COMMA, (1, 2, True, False, 3, 5)),
        (b'"a\nb', COMMA, (1, 4, True, False, 4, 6)),
        (b"a\\,b,c", Dialect(delimiter=",", escape="\\"), (0, 4, False, True, 4, 0)),
        (b"ab\\", Dialect(delimiter=",", escape="\\"), (0, 3, False, False, 3, 0)),
        (b'  "a" , b', Dialect(delimiter=",", trim=True), (3, 4, True, False, 6, 0)),
        (b"  a b , b", Dialect(delimiter=",", trim=True), (2, 5, False, False, 6, 0)),
        (b"a:b::c", Dialect(delimiter="::"), (0, 3, False, False, 3, 0)),
    ],
)
def test_fields_as_they_are_written(
    data: bytes, dialect: Dialect, expected: tuple[int, ...]
) -> None:
    assert scan_field(padded(data), 0, len(data), compile_rules(dialect)) == expected


@given(st.one_of(texts, regular), dialects)
def test_records(data: bytes, dialect: Dialect) -> None:
    rules, block, end = compile_rules(dialect), padded(data), len(data)
    starts = model.starts(data, dialect)
    assert [after_record(block, start, end, rules) for start in starts[:-1]] == starts[1:]
    assert last_record(block, 0, end, rules) == starts[-2]


@pytest.mark.parametrize("n", range(58, 68))
@pytest.mark.parametrize("end", [b"\r\n", b"\r", b"\n"])
def test_the_last_record_where_64_bytes_end(n: int, end: bytes) -> None:
    rules, record = compile_rules(COMMA), b"x" * n + end
    assert last_record(padded(record), 0, len(record), rules) == 0
    assert last_record(padded(record + b"y"), 0, len(record) + 1, rules) == len(record)
    assert last_record(padded(2 * record), 0, 2 * len(record), rules) == len(record)


@given(texts, dialects)
def test_the_rest_of_a_record_is_skipped(data: bytes, dialect: Dialect) -> None:
    *_, after, status = model.field(data, 0, dialect)
    is_comment = dialect.comment is not None and data.startswith(dialect.comment.encode())
    if status == model.DONE and not is_comment:
        found = skip_record(padded(data), after, len(data), compile_rules(dialect))
        assert found == model.after_record(data, 0, dialect)


def find_boundary(data: bytes, dialect: Dialect, limit: int, steps: list[int]) -> int:
    """The first record from `limit` on, where the bytes come in steps."""
    rules, pos = compile_rules(dialect), 0
    for available in [*sorted(step for step in steps if step < len(data)), len(data)]:
        block, at_eof = padded(data[:available]), available == len(data)
        found, pos = next_record(block, pos, limit, available, at_eof, rules)
        if found:
            return pos
    raise AssertionError("not found at the end of the data")


@examples(150)
@given(
    st.one_of(texts, regular, marred),
    dialects,
    limits,
    st.lists(st.integers(1, 2000), max_size=5),
)
@example(b'"' + b"x" * 125 + b'"\na\n', COMMA, 128, [])
@example(b'"' + b"x" * 62 + b'"' + b"y" * 70 + b"\na\n", COMMA, 10, [])
@example(b"a" * 63 + b',"' + b"x" * 62 + b'","\n"\nb', COMMA, 1, [])
@example(b'"' + b"x" * 62 + b'""' + b"\n" * 70 + b'"\nb', COMMA, 1, [64, 65, 66])
def test_the_boundary_after_a_limit(
    data: bytes, dialect: Dialect, limit: int, steps: list[int]
) -> None:
    expected = next((p for p in model.starts(data, dialect) if p >= limit), len(data))
    assert find_boundary(data, dialect, limit, steps) == expected


@pytest.mark.parametrize("dialect", [d for d in DIALECTS if d.delimiter == ","], ids=repr)
def test_boundaries_of_random_text(dialect: Dialect) -> None:
    """Text of quotes, field ends and letters in many proportions, at limits of all kinds."""
    random = np.random.default_rng(11)
    for _ in range(400):
        shares = random.dirichlet([0.3, 0.3, 0.2, 3.0, 0.05, 0.05, 0.05, 0.05])
        data = random.choice(np.frombuffer(b'",\nx\r\\ #', np.uint8), 700, p=shares).tobytes()
        starts = model.starts(data, dialect)
        for limit in random.integers(1, 700, 3).tolist():
            expected = next(p for p in starts if p >= limit)
            steps = random.integers(1, 700, 2).tolist()
            assert find_boundary(data, dialect, limit, steps) == expected


def assert_boundaries(data: bytes, dialect: Dialect) -> None:
    """All boundaries, as the model has them."""
    starts = model.starts(data, dialect)
    for limit in range(50, len(data), 7):
        expected = next(p for p in starts if p >= limit)
        assert find_boundary(data, dialect, limit, []) == expected


LONG = b"\nq" * 60 + b'",w\n'
"""What goes on inside quotes, or has many records outside."""


@pytest.mark.parametrize("n", range(58, 68))
@pytest.mark.parametrize("after", [b"", b"y", b'"', b'""', b'"""', b'y"', b'",', b" "])
def test_a_quote_that_closes_where_64_bytes_end(n: int, after: bytes) -> None:
    for rest in (b',"z\n"' + LONG, b',"' + LONG, b"," * 70 + b'"z\n"' + LONG, LONG, b'\n"' + LONG):
        assert_boundaries(b'"' + b"x" * n + b'"' + after + rest + b"1,2\n" * 40, COMMA)


@pytest.mark.parametrize("n", range(58, 68))
@pytest.mark.parametrize("escapes", range(1, 4))
def test_an_escape_where_64_bytes_end(n: int, escapes: int) -> None:
    dialect = Dialect(delimiter=",", escape="\\")
    middle = b"x" * n + b"\\" * escapes
    for rest in (b'"' + LONG, b'\n"' + LONG, b',"z\n"' + LONG):
        assert_boundaries(b'"' + middle + rest + b"1,2\n" * 40, dialect)
        assert_boundaries(middle + rest + b"1,2\n" * 40, dialect)


def test_a_quote_after_half_a_delimiter() -> None:
    for middle in (b":", b"::", b":::"):
        data = b"x" * 40 + middle + b'"z\n"' + LONG + b"1::2\n" * 40
        assert_boundaries(data, Dialect(delimiter="::"))


@pytest.mark.parametrize("n", range(58, 68))
def test_a_comment_where_64_bytes_end(n: int) -> None:
    dialect = Dialect(delimiter=",", comment="#")
    for comment in (b'#,"z\n"', b'"', b"#"):
        assert_boundaries(b"x" * n + b"\n" + comment + LONG + b"1,2\n" * 40, dialect)


@given(
    st.one_of(texts, regular),
    st.integers(0, 200),
    st.integers(0, 200),
    st.sampled_from([b"\n", b"\r", b"x"]),
)
def test_line_ends_are_counted(data: bytes, start: int, cut: int, padding: bytes) -> None:
    start = min(start, len(data))
    end = max(start, len(data) - cut)
    kept = data[start:end]
    n_lines = kept.replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n")
    assert count_line_ends(padded(data, padding), start, end) == n_lines


@given(texts, dialects)
def test_the_record_after_the_first_line_end(data: bytes, dialect: Dialect) -> None:
    block = padded(data)
    after = model.next_line(data, 0)
    has_end = any(end in data for end in (b"\r", b"\n"))
    assert lib.bd_after_line_end(address(block), len(data)) == (after if has_end else -1)


def after_fields(data: bytes, dialect: Dialect, start: int) -> int:
    """The position after the record whose fields go on at `start`; -1 wrong, -2 beyond the data."""
    *_, pos, status = model.field(data, start, dialect)
    while status == model.DONE and pos < len(data) and not model.line_end(data, pos):
        *_, pos, status = model.field(data, pos + len(dialect.delimiter.encode()), dialect)
    if status == model.DONE and pos < len(data):
        return pos + model.line_end(data, pos)
    return -1 if status == model.AFTER_QUOTE else -2


@given(texts, st.sampled_from([d for d in DIALECTS if d.quote]))
def test_the_record_after_one_that_is_entered_inside_quotes(data: bytes, dialect: Dialect) -> None:
    """The byte before the entry stands for the quote that opened, or that after it."""
    quote = dialect.quote.encode()
    expected = after_fields(quote + data[1:], dialect, 0)
    if expected == -1 and data[1:2] == quote:
        expected = after_fields(data, dialect, 1)
    block, rules = padded(data), compile_rules(dialect)
    assert lib.bd_after_quoted_record(address(block), len(data), rules.native) == expected


@given(texts, st.sampled_from(DIALECTS))
def test_the_record_after_one_that_is_entered_outside_quotes(data: bytes, dialect: Dialect) -> None:
    block, rules = padded(data + b"\n"), compile_rules(dialect)
    expected = after_fields(data + b"\n", dialect, 1)
    found = lib.bd_after_unquoted_record(address(block), len(data) + 1, rules.native)
    assert found == expected


@pytest.mark.parametrize(
    ("data", "at_eof", "most", "expected"),
    [
        (b"1,2\n3,4\r\n5,6", True, 9, 2),
        (b"1,2\n3,4\n5,6\n", True, 9, 3),
        (b"1,2\n3,4\n5,6\n", True, 2, 2),
        (b"\n\n1,2\n# 1\n3,4\n5,6\n", True, 9, 3),
        (b"1,2\n3\n5,6\n", True, 9, 0),
        (b'1,2\n3,"4', True, 9, 0),
        (b'1,2\n3,"4', False, 9, 1),
        (b'1,2\n3,"4"5\n', False, 9, 0),
        (b"1,2,3\n", True, 9, -1),
        (b'1,2\n3 "4",5\n6,7\n', True, 9, 0),
    ],
)
def test_records_with_the_right_number_of_fields(
    data: bytes, at_eof: bool, most: int, expected: int
) -> None:
    block, rules = padded(data), compile_rules(Dialect(delimiter=",", comment="#"))
    found = lib.bd_count_good_records(
        address(block), 0, len(data), at_eof, rules.native, 2, most
    )  # fmt: skip
    assert found == expected
