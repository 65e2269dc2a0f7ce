"""Whether text is UTF-8, as Python's decoder says it."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli.native.library import lib


def is_utf8(text: bytes) -> bool:
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


PIECES = st.sampled_from(
    [b"a", b"abc" * 30, "é".encode(), "語".encode(), "🚀".encode(), "\ud7ff".encode()]
    + [bytes([byte]) for byte in (0x80, 0xBF, 0xC0, 0xC1, 0xE0, 0xED, 0xF0, 0xF4, 0xF5, 0xFF)]
    + [b"\xe0\xa0", b"\xed\xa0\x80", b"\xf0\x80\x80\x80", b"\xf4\x90\x80\x80", b"\xf0\x9f\x9a"]
)


@given(st.lists(PIECES, max_size=60).map(b"".join) | st.binary(max_size=200))
def test_any_text(text: bytes) -> None:
    assert lib.bd_is_utf8(text, len(text)) == is_utf8(text)


@given(st.text(max_size=300))
def test_text_is_right(text: str) -> None:
    encoded = text.encode("utf-8", "replace")
    assert lib.bd_is_utf8(encoded, len(encoded))


@pytest.mark.parametrize("at", [0, 1, 29, 30, 31, 32, 33, 61, 62, 63, 64, 65, 95, 96, 127])
def test_every_pair_of_bytes_at_the_edges_of_vectors(at: int) -> None:
    edges = [0, 0x7F, *range(0x80, 0x100, 7), 0xBF, 0xC1, 0xC2, 0xDF, 0xE0, 0xED, 0xF0, 0xF4]
    for first, second in itertools.product(edges, edges):
        for rest in (b"", b"\x80", b"\x80\x80", b"a" * 80):
            text = b"x" * at + bytes([first, second]) + rest
            assert lib.bd_is_utf8(text, len(text)) == is_utf8(text), text
