"""Damaged and generated input for the C library, against oracles: `make fuzz`.

A target is a function that makes one input from a `random.Random`, gives it to the library, and
compares the result with what something else makes of it. `@target` registers it; the module has
to be named in `TARGET_MODULES`.
"""

from __future__ import annotations

import random
from collections.abc import Callable

Target = Callable[[random.Random], int]
"""Makes and checks one input; returns how many cases it had. Raises what is not as it should be."""

TARGET_MODULES = (
    *("checksums", "csv_text", "numbers", "rows", "tables", "text_rows", "tfrecords", "written"),
)
TARGETS: dict[str, Target] = {}


def target(function: Target) -> Target:
    """Register a target under its name."""
    TARGETS[function.__name__] = function
    return function


def mutated(data: bytes, chance: random.Random, pieces: list[bytes]) -> bytes:
    """Data with up to eight places changed: bytes replaced, cut out, doubled, or pieces put in."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        at = chance.randrange(len(changed) + 1)
        n = chance.randint(0, 4)
        match chance.randrange(4):
            case 0:
                changed[at : at + n] = chance.choice(pieces)
            case 1:
                changed[at : at + n] = chance.randbytes(n)
            case 2:
                del changed[at : at + n * n]
            case _:
                changed[at:at] = changed[max(0, at - n) : at]
    return bytes(changed)
