"""Parts of an expression that are typed, and the rows that they are computed on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bigdata_cli.transforms.expressions.syntax import Span
from bigdata_cli.types.dtype import Kind, kind_of

Datum = Any
"""A `pa.Array` with a value for each row, or a `pa.Scalar` that is the value of all."""


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


def type_of(dtype: str) -> Type:
    """The type that a column of a dtype has in expressions.

    >>> str(type_of("uint8")), str(type_of("float32")), str(type_of("category"))
    ('int64', 'float64', 'text')
    """
    kind = kind_of(dtype)
    return Type(Kind.TEXT if kind is Kind.CATEGORY else kind, "UTC" in dtype)


class Rows:
    """Columns of Arrow arrays, as they are stored, of the same number of rows."""

    def __init__(self, arrays: Mapping[str, pa.Array], n_rows: int) -> None:
        self.arrays = arrays
        self.n_rows = n_rows
        self._wide: dict[str, pa.Array] = {}

    def column(self, name: str) -> pa.Array:
        """A column in the type that expressions compute with.

        Raises:
            pa.ArrowInvalid: An integer is beyond int64.
        """
        found = self._wide.get(name)
        if found is None:
            found = self._wide[name] = _widened(self.arrays[name])
        return found

    def where(self, mask: pa.Array) -> Rows:
        """The rows where a mask holds; not those where it is null."""
        arrays = {name: array.filter(mask) for name, array in self.arrays.items()}
        return Rows(arrays, pc.sum(mask).as_py() or 0)

    def slice(self, start: int, stop: int) -> Rows:
        """Some of the rows."""
        arrays = {name: array.slice(start, stop - start) for name, array in self.arrays.items()}
        return Rows(arrays, stop - start)

    def filled(self, datum: Datum) -> pa.Array:
        """A value for each row."""
        return pa.repeat(datum, self.n_rows) if isinstance(datum, pa.Scalar) else datum


def _widened(array: pa.Array) -> pa.Array:
    kind = array.type
    if pa.types.is_dictionary(kind):
        return array.dictionary_decode()
    if pa.types.is_integer(kind):
        return array.cast(pa.int64())
    if pa.types.is_float32(kind):
        return array.cast(pa.float64())
    return array


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
        return of_texts.take(array.indices.fill_null(len(texts) - 1))

    return Node(
        type=node.type,
        compute=compute,
        columns=node.columns,
        span=node.span,
        may_fail=node.may_fail,
    )


def failing_rows(compute: Callable[[Rows], Any], rows: Rows) -> tuple[np.ndarray, str]:
    """The rows that cannot be computed, int64 (n,), and what is wrong with the first.

    compute raises pa.ArrowInvalid for all rows together.
    """
    found: list[int] = []
    problem = ""
    waiting = [(0, rows.n_rows)]
    while waiting:
        start, stop = waiting.pop()
        try:
            compute(rows.slice(start, stop))
        except pa.ArrowInvalid as error:
            if stop - start > 1:
                middle = (start + stop) // 2
                waiting += [(middle, stop), (start, middle)]
                continue
            found.append(start)
            problem = problem or str(error)
    return np.array(found, np.int64), problem
