"""Rows of sample data as text."""

from __future__ import annotations

from decimal import Context, Decimal

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from bigdata_cli.samples.render import NOTHING, Field, Number, Sketch, Texts, render

EXACT = Context(prec=40)


def rendered(fields: list[Field], cells: list[list[int]]) -> list[bytes]:
    sketch = Sketch(b"", tuple(fields), lambda _block: np.empty((0, 0), np.int64))
    return list(render(sketch, np.array(cells, np.int64)))


@given(st.integers(-(2**63) + 1, 2**63 - 1) | st.integers(-2000, 2000), st.integers(0, 18))
@example(0, 0)
@example(0, 2)
@example(-5, 3)
@example(-(2**63) + 1, 18)
@example(999, 3)
@example(1000, 3)
def test_numbers(number: int, decimals: int) -> None:
    text = f"{Decimal(number).scaleb(-decimals, EXACT):f}"
    expected = f"<{text}>\n".encode()
    fields = [Field(Texts(["<"]), ""), Field(Number(decimals), ">\n")]
    assert rendered(fields, [[0], [number]]) == [expected]


def test_all_powers_of_ten() -> None:
    numbers = [sign * (10**k + d) for k in range(19) for d in (-1, 0, 1) for sign in (-1, 1)]
    expected = "".join(f"{number}\n" for number in numbers)
    assert rendered([Field(Number(), "\n")], [numbers]) == [expected.encode()]


def test_texts_and_fields_that_are_left_empty() -> None:
    texts = Texts(["", "é", "x" * 16, "y" * 17, "z" * 100])
    fields = [Field(texts), Field(Number(1), ";" * 20), Field(Texts(["a", "b"]), "\r\n")]
    cells = [[0, 1, 2, 3, 4, NOTHING], [1, NOTHING, 3, 4, 5, NOTHING], [0, 1, 0, 1, NOTHING, 0]]
    mark = ";" * 20
    rows = [f",0.1{mark}a", f"é,{mark}b", f"{'x' * 16},0.3{mark}a", f"{'y' * 17},0.4{mark}b",
            f"{'z' * 100},0.5{mark}", f",{mark}a"]  # fmt: skip
    assert rendered(fields, cells) == ["".join(f"{row}\r\n" for row in rows).encode()]


def test_much_comes_in_pieces() -> None:
    texts = Texts(["a" * 1000, "b" * 10])
    cells = np.random.default_rng(1).integers(0, 2, (1, 20_000)).tolist()
    pieces = rendered([Field(texts, "\n")], cells)
    assert len(pieces) > 1
    expected = b"".join((b"b" * 10 if cell else b"a" * 1000) + b"\n" for cell in cells[0])
    assert b"".join(pieces) == expected
