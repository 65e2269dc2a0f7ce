"""An expression: its text, with the types of the columns that it may read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa

from bigdata_cli.transforms.expressions.build import Builder
from bigdata_cli.transforms.expressions.nodes import Node, Type, dtype_of, type_of
from bigdata_cli.transforms.expressions.syntax import ExpressionError, Span, named, parse
from bigdata_cli.transforms.rows_of_columns import Rows
from bigdata_cli.types.dtype import Kind

_KEPT = 256


@dataclass(frozen=True)
class Expression:
    """An expression that was checked."""

    text: str
    node: Node

    @property
    def type(self) -> Type:
        return self.node.type

    @property
    def columns(self) -> frozenset[str]:
        """The columns that it reads."""
        return self.node.columns

    def compute(self, rows: Rows) -> pa.Array:
        """Its value for each row; raises pa.ArrowInvalid where there is none."""
        return rows.filled(self.node.compute(rows))

    @property
    def dtype(self) -> str:
        """A dtype of the kind of its values."""
        return dtype_of(self.node.type)


def expression(text: str, dtypes: Mapping[str, str], option: str = "") -> Expression:
    """The expression of a text; raises UsageError, with its place, where it is wrong.

    Args:
        text: In SQL.
        dtypes: Of the columns that it may read.
        option: That it was given in.
    """
    with named(option):
        return _expression(text, tuple((name, type_of(dtype)) for name, dtype in dtypes.items()))


@lru_cache(_KEPT)
def _expression(text: str, columns: tuple[tuple[str, Type], ...]) -> Expression:
    return Expression(text, Builder(text, dict(columns)).build(parse(text)))


def condition(text: str, dtypes: Mapping[str, str], option: str = "") -> Expression:
    """An expression that is true, false or null; raises UsageError where it is not."""
    found = expression(text, dtypes, option)
    if found.type.kind not in (Kind.BOOL, Kind.NULL):
        with named(option):
            raise ExpressionError(
                f"a condition is true or false, and this is {found.type}", text, Span(0, len(text))
            )
    return found
