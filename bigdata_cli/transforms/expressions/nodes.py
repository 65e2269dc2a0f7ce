"""Parts of an expression that are typed, and the rows that they are computed on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import pyarrow as pa

from bigdata_cli.transforms.expressions.syntax import Span
from bigdata_cli.transforms.rows_of_columns import Datum, Rows
from bigdata_cli.types.buffers import scalar_of
from bigdata_cli.types.dtype import Kind, kind_of


class Type(NamedTuple):
    """The type of an expression; is_utc: of timestamps."""

    kind: Kind
    is_utc: bool = False

    def __str__(self) -> str:
        names = {Kind.INT: "int64", Kind.FLOAT: "float64"}
        return names.get(self.kind, str(self.kind)) + (" in UTC" if self.is_utc else "")

    @property
    def arrow(self) -> pa.DataType:
        """How Arrow holds it; timestamps in nanoseconds have a type of their own."""
        return {
            Kind.NULL: pa.null(),
            Kind.BOOL: pa.bool_(),
            Kind.INT: pa.int64(),
            Kind.FLOAT: pa.float64(),
            Kind.DATE: pa.date32(),
            Kind.TIMESTAMP: pa.timestamp("us", tz="UTC" if self.is_utc else None),
            Kind.TEXT: pa.string(),
        }[self.kind]


NULL, BOOL, INT, FLOAT, DATE, TIMESTAMP, TEXT = (
    Type(kind)
    for kind in (Kind.NULL, Kind.BOOL, Kind.INT, Kind.FLOAT, Kind.DATE, Kind.TIMESTAMP, Kind.TEXT)
)
NUMBERS = (Kind.INT, Kind.FLOAT)
TIMES = (Kind.DATE, Kind.TIMESTAMP)


_DTYPES = {
    Kind.NULL: "null",
    Kind.BOOL: "bool",
    Kind.INT: "int64",
    Kind.FLOAT: "float64",
    Kind.DATE: "date",
    Kind.TEXT: "text",
}


def dtype_of(type_: Type) -> str:
    """A dtype whose columns have the type in expressions.

    >>> dtype_of(Type(Kind.TIMESTAMP, is_utc=True))
    'timestamp[us, UTC]'
    """
    if type_.kind is Kind.TIMESTAMP:
        return "timestamp[us, UTC]" if type_.is_utc else "timestamp[us]"
    return _DTYPES[type_.kind]


def type_of(dtype: str) -> Type:
    """The type that a column of a dtype has in expressions.

    >>> str(type_of("uint8")), str(type_of("float32")), str(type_of("category"))
    ('int64', 'float64', 'text')
    """
    kind = kind_of(dtype)
    return Type(Kind.TEXT if kind is Kind.CATEGORY else kind, "UTC" in dtype)


@dataclass(frozen=True, kw_only=True)
class Node:
    """A part of an expression.

    Attributes:
        type: Of its values.
        compute: Its values for some rows. Raises pa.ArrowInvalid where there is none.
        columns: That it reads.
        span: Where it stands in the text.
        may_fail: Whether `compute` may raise.
    """

    type: Type
    compute: Callable[[Rows], Datum]
    columns: frozenset[str]
    span: Span
    may_fail: bool = False

    @property
    def kind(self) -> Kind:
        return self.type.kind

    @cached_property
    def constant(self) -> pa.Scalar | None:
        """The value where it reads no column; None where it does."""
        if self.columns:
            return None
        value = self.compute(Rows({}, 1))
        return value if isinstance(value, pa.Scalar) else value[0]


def on_distinct_texts(node: Node) -> Node:
    """A node that reads one column of text, computed once for each text of a dictionary."""
    (name,) = node.columns

    def compute(rows: Rows) -> Datum:
        array = rows.arrays[name]
        if not pa.types.is_dictionary(array.type) or len(array.dictionary) >= rows.n_rows:
            return node.compute(rows)
        texts = pa.concat_arrays([array.dictionary, pa.nulls(1, pa.string())])
        of_texts = node.compute(Rows({name: texts}, len(texts)))
        if isinstance(of_texts, pa.Scalar):
            return of_texts
        return of_texts.take(array.indices.fill_null(scalar_of(len(texts) - 1, pa.int32())))

    return Node(
        type=node.type,
        compute=compute,
        columns=node.columns,
        span=node.span,
        may_fail=node.may_fail,
    )
