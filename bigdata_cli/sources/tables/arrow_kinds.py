"""Arrow types as families of kinds that can share a column of a dataset."""

from __future__ import annotations

from enum import StrEnum

import pyarrow as pa
import pyarrow.types as pat


class Family(StrEnum):
    """Kinds of values that one column can hold together without becoming text."""

    NULL = "null"
    BOOL = "bool"
    NUMBER = "number"
    TIME = "date or timestamp"
    INSTANT = "timestamp in UTC"
    TEXT = "text"


def family_of(kind: pa.DataType) -> Family | None:
    """The family of an Arrow type; None for one that no dtype holds.

    >>> family_of(pa.decimal128(9, 2)), family_of(pa.list_(pa.int8()))
    (<Family.NUMBER: 'number'>, None)
    """
    if pat.is_dictionary(kind):
        return family_of(kind.value_type)
    if pat.is_null(kind):
        return Family.NULL
    if pat.is_boolean(kind):
        return Family.BOOL
    if pat.is_integer(kind) or pat.is_floating(kind) or pat.is_decimal(kind):
        return Family.NUMBER
    if pat.is_date(kind):
        return Family.TIME
    if pat.is_timestamp(kind):
        return Family.TIME if kind.tz is None else Family.INSTANT
    return Family.TEXT if is_text(kind) else None


def is_text(kind: pa.DataType) -> bool:
    """Whether values of the type are strings."""
    return pat.is_string(kind) or pat.is_large_string(kind) or pat.is_string_view(kind)
