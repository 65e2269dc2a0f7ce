"""A dialect in the form that the C library takes."""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np

from bigdata_cli.native.library import address
from bigdata_cli.native.structs import DialectRules, NullTokens
from bigdata_cli.sources.csv.dialect import LONG_ROWS, Dialect


class _Rules(NamedTuple):
    delimiter: int
    tail: np.ndarray
    quote: int
    escape: int
    comment: int
    decimal: int
    thousands: int
    trim: bool
    keep_blank: bool
    bools: np.ndarray
    strip: np.ndarray
    drops_last: bool
    fills_short: bool
    long_rows: int
    join_field: int
    runs: bool


class Rules(_Rules):
    """Bytes of a dialect, -1 for what it does not have.

    bools: texts that are true or false, each after its size and its value. strip: characters that
    may stand around numbers. delimiter: the first byte; tail: the bytes after it of a delimiter of
    several; runs: it is a run of spaces and tabs. The decimal mark is 46 (a point) by default.
    drops_last, fills_short, long_rows, join_field: what becomes of records with another number of
    fields than there are columns, as `bd_rules` has it.
    """

    @property
    def mends(self) -> bool:
        """Whether records with another number of fields than there are columns are taken."""
        return bool(self.drops_last or self.fills_short or self.long_rows)

    @cached_property
    def native(self) -> DialectRules:
        """As the C library takes them; valid as long as this object."""
        return DialectRules(
            delimiter=self.delimiter,
            quote=self.quote,
            escape=self.escape,
            comment=self.comment,
            decimal=self.decimal,
            thousands=self.thousands,
            trim=self.trim,
            keep_blank=self.keep_blank,
            drops_last=self.drops_last,
            fills_short=self.fills_short,
            long_rows=self.long_rows,
            join_field=self.join_field,
            runs=self.runs,
            tail_size=len(self.tail),
            tail=address(self.tail),
            bools_size=len(self.bools),
            bools=address(self.bools),
            n_strip=len(self.strip),
            strip=address(self.strip),
        )


class _Nulls(NamedTuple):
    tokens: np.ndarray
    ends: np.ndarray
    first: np.ndarray
    last: np.ndarray
    longest: np.ndarray
    numeric: np.ndarray


class Nulls(_Nulls):
    """Null tokens of columns: `tokens` one after the other, the k-th ending at ends[k].

    first, last: per column, which tokens are its; longest: bytes of its longest one, -1 for none.
    numeric: per column, whether one of its tokens begins like a number.
    """

    @cached_property
    def native(self) -> NullTokens:
        """As the C library takes them; valid as long as this object."""
        return NullTokens(*map(address, self))


@lru_cache(maxsize=16)
def compile_rules(dialect: Dialect) -> Rules:
    """The rules of a dialect."""
    delimiter = b" " if dialect.is_spaced else (dialect.delimiter or "").encode()
    return Rules(
        delimiter=delimiter[0] if delimiter else -1,
        tail=np.frombuffer(delimiter[1:], np.uint8),
        quote=_byte(dialect.quote),
        escape=_byte(dialect.escape),
        comment=_byte(dialect.comment),
        decimal=_byte(dialect.decimal),
        thousands=_byte(dialect.thousands),
        trim=dialect.trim or dialect.is_spaced,
        keep_blank=dialect.keep_blank_lines,
        bools=_bools(dialect),
        strip=np.frombuffer(dialect.strip.encode(), np.uint8),
        drops_last=dialect.trailing_delimiter,
        fills_short=dialect.short_rows == "null",
        long_rows=LONG_ROWS.index(dialect.long_rows),
        join_field=dialect.join_field if dialect.long_rows == "join" else -1,
        runs=dialect.is_spaced,
    )


def _bools(dialect: Dialect) -> np.ndarray:
    tokens = [(token, 1) for token in dialect.true_tokens]
    tokens += [(token, 0) for token in dialect.false_tokens]
    parts = [bytes((len(token.encode()), value)) + token.encode() for token, value in tokens]
    return np.frombuffer(b"".join(parts), np.uint8)


@lru_cache(maxsize=16)
def compile_nulls(dialect: Dialect, columns: tuple[str, ...]) -> Nulls:
    """The null tokens of these columns."""
    tokens: list[bytes] = []
    first, last, longest, numeric = [], [], [], []
    places: dict[tuple[str, ...], int] = {}
    for column in columns:
        own = dialect.tokens_of(column)
        if own not in places:
            places[own] = len(tokens)
            tokens += [token.encode() for token in own]
        first.append(places[own])
        last.append(places[own] + len(own))
        longest.append(max((len(token.encode()) for token in own), default=-1))
        numeric.append(any(token[:1] in set("0123456789-.") for token in own if token))
    return Nulls(
        tokens=np.frombuffer(b"".join(tokens) + b"\0", np.uint8),
        ends=np.cumsum([len(token) for token in tokens], dtype=np.int64),
        first=np.array(first, np.int64),
        last=np.array(last, np.int64),
        longest=np.array(longest, np.int64),
        numeric=np.array(numeric, np.bool_),
    )


def _byte(character: str | None) -> int:
    return -1 if character is None else ord(character)
