"""The careful scanners of the C library, for lists of texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bigdata_cli.native.library import address, lib
from bigdata_cli.native.structs import CELL, CLASSIFIED, NUMBER, TIMESTAMP, DialectRules
from bigdata_cli.sources.csv.dialect import Dialect
from bigdata_cli.sources.csv.rules import Nulls, compile_rules

PLAIN = compile_rules(Dialect(delimiter=",")).native
NOT_A_NUMBER, INTEGER, DECIMAL, HARD_DECIMAL, INFINITE = range(5)
"""Forms of numbers, as in number.h."""
SKIP, NULL, BOOLEAN, INT64, UINT64, FLOAT64, DATE, TIMESTAMP_US, TIMESTAMP_NS, TEXT = range(10)
"""Modes of columns, as in careful.h."""
VALUE, NO_VALUE, ESCAPED, ODD, HARD = range(5)
"""Flags of cells, as in careful.h."""


class Block:
    """Texts one after the other, with digits between them that no scanner may read."""

    def __init__(self, texts: Sequence[str | bytes]) -> None:
        encoded = [text.encode() if isinstance(text, str) else text for text in texts]
        lengths = np.array([len(text) for text in encoded], np.int64)
        self.stops = np.cumsum(lengths + 1) + 1
        self.starts = self.stops - lengths
        self.data = np.frombuffer(b"77" + b"7".join([*encoded, b"7" * 64]), np.uint8)
        self.n = len(texts)
        self.arguments = (
            address(self.data), address(self.starts), address(self.stops), self.n,
        )  # fmt: skip


def scan_numbers(texts: Sequence[str], rules: DialectRules = PLAIN) -> np.ndarray:
    """The `NUMBER` of each text."""
    block, found = Block(texts), np.zeros(len(texts), NUMBER)
    lib.bd_scan_numbers(*block.arguments, rules, address(found))
    return found


def decimals_to_floats(
    significands: np.ndarray, exponents: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(values, which are exact, which of those survive in float32)."""
    n = len(significands)
    significands = np.ascontiguousarray(significands, np.uint64)
    exponents = np.ascontiguousarray(exponents, np.int64)
    values, exact, survives = np.zeros(n), np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    lib.bd_decimals_to_floats(
        *map(address, (significands, exponents)), n, *map(address, (values, exact, survives))
    )
    return values, exact, survives


def scan_timestamps(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(kinds: 1 for a date, 2 for a timestamp, days of dates, `TIMESTAMP` of timestamps)."""
    block, n = Block(texts), len(texts)
    kinds, days, found = np.zeros(n, np.uint8), np.zeros(n, np.int64), np.zeros(n, TIMESTAMP)
    lib.bd_scan_timestamps(*block.arguments, *map(address, (days, found, kinds)))
    return kinds, days, found


def classify(texts: Sequence[str], rules: DialectRules = PLAIN) -> np.ndarray:
    """The `CLASSIFIED` of each text."""
    block, found = Block(texts), np.zeros(len(texts), CLASSIFIED)
    lib.bd_classify_texts(*block.arguments, rules, address(found))
    return found


def are_null(texts: Sequence[str], nulls: Nulls, column: int) -> list[bool]:
    """Whether each text is a null token of a column."""
    block, found = Block(texts), np.zeros(len(texts), np.bool_)
    lib.bd_find_nulls(*block.arguments, nulls.native, column, address(found))
    return found.tolist()


class Column:
    """A column that is parsed in a mode: its forms and magnitudes so far."""

    def __init__(self, mode: int, *, zoned: bool = False, rules: DialectRules = PLAIN) -> None:
        self.mode = mode
        self.zoned = zoned
        self.rules = rules
        self.forms = np.zeros(1, np.int64)
        self.magnitudes = np.zeros(2, np.uint64)

    def parse(self, texts: Sequence[str]) -> tuple[list[int], np.ndarray, Block]:
        """(flags, cells, the block that cells of places point to)."""
        block, found = Block(texts), np.zeros(len(texts), CELL)
        lib.bd_parse_values(
            *block.arguments, self.mode, self.zoned, address(self.forms),
            address(self.magnitudes), self.rules, address(found),
        )  # fmt: skip
        return found["flag"].tolist(), np.ascontiguousarray(found["cell"]), block

    @property
    def observed(self) -> tuple[int, int, int]:
        """Forms, largest negative, largest positive."""
        return int(self.forms[0]), int(self.magnitudes[0]), int(self.magnitudes[1])
