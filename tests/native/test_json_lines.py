"""JSON lines as CSV records against Python's json and csv."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli.native.json_lines import (
    DONE,
    MORE,
    PADDING_BYTES,
    JsonKeys,
    JsonRecords,
    transcribe_lines,
)
from tests.examples import examples

NAMES = ("a", "key", 'q"\\', "é", "")


def transcribe(data: bytes, names=NAMES, *, start=0, stop=None, **options) -> JsonRecords:
    block = np.full(len(data) + PADDING_BYTES, 10, np.uint8)
    block[: len(data)] = np.frombuffer(data, np.uint8)
    given_options = {"at_eof": True, "comment": -1, "keeps_nested": True, "collects": True}
    return transcribe_lines(
        block,
        (start, len(data) if stop is None else stop, len(data)),
        JsonKeys(names),
        range(len(names)),
        **{**given_options, **options},
    )


def records_of(found: JsonRecords) -> list[list[str]]:
    text = found.data[: found.size].tobytes().decode("utf-8", "surrogateescape")
    return [row[1:] for row in csv.reader(io.StringIO(text, newline=""))]


def _refuse(constant: str):
    raise ValueError(constant)


def _texts(value) -> list[str]:
    """The strings of a value and of the lists in it."""
    if isinstance(value, list):
        return [text for one in value for text in _texts(one)]
    return [value] if isinstance(value, str) else []


def oracle(line: str):
    """The object of a line as strict JSON, None where it is none, or has another key."""
    texts: list[str] = []
    has_twice = [False]

    def check(pairs):
        # The outermost object is the last one that ends; within nested ones keys may come twice.
        has_twice[0] = len(dict(pairs)) < len(pairs)
        texts.extend(text for key, value in pairs for text in (key, *_texts(value)))
        return dict(pairs)

    try:
        value = json.loads(line, parse_constant=_refuse, object_pairs_hook=check)
        "".join(texts).encode()  # no halves of surrogate pairs
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or has_twice[0] or not set(value) <= set(NAMES):
        return None
    return value


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=80),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=3), one, max_size=3),
    max_leaves=4,
)
OBJECTS = st.dictionaries(st.sampled_from(NAMES), VALUES)
FRAGMENTS = st.sampled_from(
    [
        text.encode()
        for text in (
            *('"', "\\", "{", "}", "[", "]", ",", ":", " ", "0", "-", "e", ".", "null", "true"),
            *("NaN", "\t", "\x01", "1e5", '"a":', "\x7f", "\\ud83d", "\\ude00", "\\u"),
        )
    ]
)


def field(value) -> str:
    """A value as the record has it."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    text = json.dumps(value)
    if isinstance(value, bool):
        return text
    mantissa, e, exponent = text.partition("e")
    if e and "." not in mantissa and exponent[0].isdigit():
        return f"{mantissa}e+{exponent}"
    return text


@examples(60)
@given(
    objects=st.lists(OBJECTS, max_size=4),
    escapes=st.booleans(),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    separators=st.sampled_from([(",", ":"), (", ", ": "), ("\t , ", "  :\t")]),
)
def test_records_are_those_of_json(objects, escapes, end, separators):
    lines = [json.dumps(one, ensure_ascii=escapes, separators=separators) for one in objects]
    found = transcribe("".join(f" {line}\t{end}" for line in lines).encode())
    assert not len(found.bad)
    records = records_of(found)
    assert len(records) == len(objects) == len(found.starts)
    for one, record in zip(objects, records, strict=True):
        for name, text in zip(NAMES, record, strict=True):
            value = one.get(name)
            if isinstance(value, list | dict):
                assert json.loads(text) == value
            else:
                assert text == field(value)


@examples(100)
@given(OBJECTS, st.lists(st.tuples(st.integers(0, 10**6), FRAGMENTS, st.booleans()), max_size=3))
def test_what_is_taken_is_json_and_nothing_else(one, changes):
    line = json.dumps(one).encode()
    for place, fragment, replaces in changes:
        at = place % (len(line) + 1)
        line = line[:at] + fragment + line[at + (len(fragment) if replaces else 0) :]
    expected = oracle(line.decode())
    found = transcribe(line)
    if expected is None:
        assert (len(found.starts), len(found.bad)) == (0, int(line != b""))
        [bad] = found.bad.tolist() or [(0, 0, 0, 0, 0)]
        assert 0 <= bad[3] <= len(line)
    else:
        assert not len(found.bad), line
        assert len(records_of(found)) == 1


@examples(40)
@given(st.lists(OBJECTS, min_size=1, max_size=6), st.data())
def test_a_block_that_is_cut_goes_on_where_it_ended(objects, data):
    text = "".join(json.dumps(one) + "\n" for one in objects).encode()
    whole = transcribe(text)
    cut = data.draw(st.integers(0, len(text)))
    first = transcribe(text[:cut], at_eof=False, stop=len(text))
    assert first.status == (DONE if first.position >= cut else MORE)
    rest = transcribe(text, start=first.position)
    assert records_of(first) + records_of(rest) == records_of(whole)
    assert len(first.bad) + len(rest.bad) == len(whole.bad)


def test_room_is_found_for_records_that_are_longer_than_their_lines():
    lines = [json.dumps({"a": [["x"] * 50] * 3, "k499": i}) for i in range(3000)]
    names = ("a", *(f"k{i}" for i in range(500)))
    found = transcribe("\n".join(lines).encode(), names)
    records = records_of(found)
    assert [record[-1] for record in records] == [str(i) for i in range(3000)]
    assert all(len(record) == 501 for record in records)
    many = "\n".join(["[]"] * 1000).encode()
    assert len(transcribe(many).bad) == 1000


@pytest.mark.parametrize("size", [*range(60, 70), 127, 128, 129, 5000])
def test_long_strings_and_escapes_at_every_place(size):
    for text in ("x" * size, "x" * (size - 1) + "\n", '"' + "é" * size, "\\" * size):
        for escapes in (True, False):
            line = json.dumps({"a": text}, ensure_ascii=escapes).encode()
            assert records_of(transcribe(line)) == [[text, "", "", "", ""]]
