"""Numbers against Python's int and float."""

from __future__ import annotations

import random
import re
import struct
from fractions import Fraction

from bigdata_cli.sources.csv.dialect import Dialect
from tests.fuzz import mutated, target
from tests.fuzz.blocks import parse

PIECES = [b"0", b"00", b".", b"-", b"e", b"E-", b"e+", b"1", b"9", b"99999999", b"308", b"+", b" "]
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
CASES = 50


def _bits(value: float) -> bytes:
    return struct.pack("<d", value)


def _double(chance: random.Random) -> float:
    """A finite double of any magnitude, or one of those that are common in files."""
    while True:
        kind = chance.randrange(4)
        if kind == 0:
            return round(chance.uniform(-1000, 1000), chance.randrange(8))
        bits = chance.getrandbits(64) if kind == 1 else chance.getrandbits(53)
        (value,) = struct.unpack("<d", struct.pack("<Q", bits))
        if value - value == 0:
            return value


def _halfway(chance: random.Random) -> str:
    """The decimal of the middle between two doubles, or a little beside it."""
    low = abs(_double(chance))
    (above,) = struct.unpack("<d", struct.pack("<Q", struct.unpack("<Q", _bits(low))[0] + 1))
    if above - above != 0 or not 1e-30 < low < 1e30:
        return "0.5"
    middle = (Fraction(low) + Fraction(above)) / 2
    digits = chance.choice([17, 18, 19, 20, 25, 60, 150])
    scaled = middle * 10**digits
    whole = scaled.numerator // scaled.denominator + chance.randint(-1, 1)
    text = str(max(0, whole)).zfill(digits + 1)
    return f"{text[:-digits]}.{text[-digits:]}"


def _text(chance: random.Random) -> str:
    value = _double(chance)
    match chance.randrange(8):
        case 0:
            return _halfway(chance)
        case 1:
            return str(chance.getrandbits(chance.randint(1, 70)) * chance.choice([1, -1]))
        case 2:
            return f"{value:.{chance.randint(0, 25)}e}"
        case 3:
            return f"{value:.{chance.randint(0, 25)}f}"[:300]
        case 4:
            digits = "".join(chance.choices("0123456789", k=chance.randint(1, 40)))
            return f"{digits[0]}.{digits[1:]}e{chance.randint(-345, 310)}"
        case 5:
            return f"{chance.randint(-99999, 99999) / 100:.2f}"
        case _:
            return repr(value)


@target
def numbers(chance: random.Random) -> int:
    """A column that the user fixed as float64 holds what float() makes of each text."""
    texts = [_text(chance).encode() for _ in range(CASES)]
    texts = [
        mutated(t, chance, PIECES).translate(None, b'\n\r,\0"') if chance.random() < 0.2 else t
        for t in texts
    ]
    data = b"".join(b"%d,%s\n" % (i, text) for i, text in enumerate(texts))
    chunk = parse(data, Dialect(delimiter=","), ["int64", "float64"], skip=True)
    found = chunk.batch.to_pydict()
    accepted = dict(zip(found["c0"], found["c1"], strict=True))
    for i, raw in enumerate(texts):
        text = raw.decode("utf-8", "surrogateescape").strip()
        value = accepted.get(i)
        if i not in accepted:
            plain = re.fullmatch(r"-?(0|[1-9]\d*)\.\d+", text) or re.fullmatch(r"0|[1-9]\d*", text)
            assert not plain or len(text) > 250, (text, "refused")
        elif value is None:
            assert not NUMBER.fullmatch(text), (text, "null")
        else:
            assert _bits(value) == _bits(float(text)), (text, value, float(text))
    return len(texts)


@target
def integers(chance: random.Random) -> int:
    """Integers of up to 64 bits come back exactly, in a column of the type that they need."""
    dtype, low, high = chance.choice(
        [("int64", -(2**63), 2**63 - 1), ("uint64", 0, 2**64 - 1), ("int8", -128, 127)]
    )
    edges = [low, low + 1, 0, 1, 9, 10, high - 1, high]
    values = [
        chance.choice(edges)
        if chance.random() < 0.2
        else max(low, min(high, chance.getrandbits(chance.randint(1, 64)) + min(low, 0) // 2))
        for _ in range(CASES)
    ]
    data = "".join(f"{value}\n" for value in values).encode()
    chunk = parse(data, Dialect(delimiter=","), [dtype], skip=False)
    assert chunk.batch.to_pydict()["c0"] == values, values
    return len(values)
