"""Functions of text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bigdata_cli.transforms.expressions.function import Function, always
from bigdata_cli.transforms.expressions.nodes import BOOL, INT, TEXT, Type
from bigdata_cli.transforms.rows_of_columns import Datum
from bigdata_cli.types.buffers import scalar_of
from bigdata_cli.types.dtype import Kind

_TEXTS = (Kind.TEXT,)


def _text(
    usage: str,
    compute: Callable[..., Datum],
    *arguments: Kind,
    result: Type = TEXT,
    n_optional: int = 0,
) -> Function:
    """A function of a text and of constants of these kinds."""
    kinds = (_TEXTS, *((kind,) for kind in arguments))
    constants = tuple(range(1, len(kinds)))
    return Function(usage, kinds, always(result), compute, n_optional, constants, may_fail=True)


def _substring(text: Datum, start: int, length: int | None = None) -> Datum:
    """From the character `start`, counted from 1, or from the end where it is negative."""
    first = start - 1 if start >= 0 else start
    if length is not None and length < 0:
        raise pa.ArrowInvalid("a length is negative")
    if start >= 0:
        stop = None if length is None else max(0, first + length)
        return pc.utf8_slice_codeunits(text, max(0, first), stop)
    tail = pc.utf8_slice_codeunits(text, first)
    if length is None:
        return tail
    # Of a text that is shorter than `start` the characters before its first one count too.
    whole = pc.utf8_length(text)
    before = pc.max_element_wise(
        pc.subtract(scalar_of(-start, whole.type), whole), scalar_of(0, whole.type)
    )
    if not pc.any(pc.greater(before, scalar_of(0, before.type))).as_py():
        return pc.utf8_slice_codeunits(tail, 0, length)
    return _one_by_one(lambda one, gap: one[: max(0, length - gap)], tail, before, pa.string())


def _one_by_one(
    function: Callable[[str, int], Any], text: Datum, number: Datum, kind: pa.DataType
) -> Datum:
    """A function of texts in Python, null where the text is."""
    if isinstance(text, pa.Scalar):
        return _one_by_one(function, pa.repeat(text, 1), pa.repeat(number, 1), kind)[0]
    found = [
        None if one is None else function(one, of_it)
        for one, of_it in zip(text.to_pylist(), number.to_pylist(), strict=True)
    ]
    return pa.array(found, kind)


def _left(text: Datum, n: int) -> Datum:
    return pc.utf8_slice_codeunits(text, 0, n)


def _right(text: Datum, n: int) -> Datum:
    if n > 0:
        return pc.utf8_slice_codeunits(text, -n)
    return pc.utf8_slice_codeunits(text, -n if n < 0 else 2**31 - 1)


def _trim(side: str) -> Callable[..., Datum]:
    def compute(text: Datum, characters: str = " ") -> Datum:
        return getattr(pc, f"utf8_{side}")(text, characters)

    return compute


def _find(text: Datum, part: str) -> Datum:
    """Where a part begins, in characters from 1; 0 where it is not there."""
    at = pc.find_substring(text, part)
    if part.isascii() and pc.all(pc.equal(pc.binary_length(text), pc.utf8_length(text))).as_py():
        return pc.cast(pc.add(at, scalar_of(1, at.type)), pa.int64())
    return _one_by_one(lambda one, _: one.find(part) + 1, text, at, pa.int64())


def _concat(*texts: Datum) -> Datum:
    return pc.binary_join_element_wise(*texts, scalar_of("", pa.string()), null_handling="skip")


def _lengths(text: Datum) -> Datum:
    return pc.cast(pc.utf8_length(text), pa.int64())


def _replace(text: Datum, part: str, other: str) -> Datum:
    return pc.replace_substring(text, part, other) if part else text


TEXT_FUNCTIONS = {
    "lower": _text("lower(s)", pc.utf8_lower),
    "upper": _text("upper(s)", pc.utf8_upper),
    "length": _text("length(s): in characters", _lengths, result=INT),
    "trim": _text(
        "trim(s, characters): spaces if left out", _trim("trim"), Kind.TEXT, n_optional=1
    ),
    "ltrim": _text("ltrim(s, characters)", _trim("ltrim"), Kind.TEXT, n_optional=1),
    "rtrim": _text("rtrim(s, characters)", _trim("rtrim"), Kind.TEXT, n_optional=1),
    "substring": _text(
        "substring(s, start, length): from 1, or from the end where start is negative",
        _substring,
        Kind.INT,
        Kind.INT,
        n_optional=1,
    ),
    "left": _text("left(s, n)", _left, Kind.INT),
    "right": _text("right(s, n)", _right, Kind.INT),
    "replace": _text("replace(s, part, other)", _replace, Kind.TEXT, Kind.TEXT),
    "contains": _text("contains(s, part)", pc.match_substring, Kind.TEXT, result=BOOL),
    "starts_with": _text("starts_with(s, part)", pc.starts_with, Kind.TEXT, result=BOOL),
    "ends_with": _text("ends_with(s, part)", pc.ends_with, Kind.TEXT, result=BOOL),
    "strpos": _text(
        "strpos(s, part): from 1; 0 where it is not there", _find, Kind.TEXT, result=INT
    ),
    "concat": Function(
        "concat(s, t, …): nulls are left out", (_TEXTS, _TEXTS), always(TEXT), _concat, repeats=True
    ),
}
