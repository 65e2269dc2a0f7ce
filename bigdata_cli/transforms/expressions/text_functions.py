"""Functions of text."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from bigdata_cli.transforms.expressions.function import Function, always
from bigdata_cli.transforms.expressions.nodes import BOOL, INT, TEXT, Type
from bigdata_cli.transforms.rows_of_columns import Datum
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
    before = pc.max_element_wise(pc.subtract(-start, whole), pa.scalar(0, whole.type))
    if not pc.any(pc.greater(before, 0)).as_py():
        return pc.utf8_slice_codeunits(tail, 0, length)
    texts = tail.to_pylist() if isinstance(tail, pa.Array) else [tail.as_py()]
    missing = before.to_pylist() if isinstance(before, pa.Array) else [before.as_py()]
    cut = [
        None if one is None else one[: max(0, length - gap)]
        for one, gap in zip(texts, missing, strict=True)
    ]
    return (
        pa.array(cut, pa.string()) if isinstance(tail, pa.Array) else pa.scalar(cut[0], pa.string())
    )


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
        return pc.cast(pc.add(at, 1), pa.int64())
    texts = text.to_pylist() if isinstance(text, pa.Array) else [text.as_py()]
    places = [None if one is None else one.find(part) + 1 for one in texts]
    return pa.array(places, pa.int64()) if isinstance(text, pa.Array) else pa.scalar(places[0])


def _concat(*texts: Datum) -> Datum:
    return pc.binary_join_element_wise(*texts, "", null_handling="skip")


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
