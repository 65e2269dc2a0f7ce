"""An expression: its text, with the types of the columns that it may read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa

from bigdata_cli.transforms.expressions.build import Builder
from bigdata_cli.transforms.expressions.nodes import Node, Rows, Type, type_of
from bigdata_cli.transforms.expressions.syntax import ExpressionError, Span, parse
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


def expression(text: str, columns: Mapping[str, Type]) -> Expression:
    """The expression of a text; raises ExpressionError where it is wrong.

    columns: the types of those that it may read.
    """
    return _expression(text, tuple(columns.items()))


@lru_cache(_KEPT)
def _expression(text: str, columns: tuple[tuple[str, Type], ...]) -> Expression:
    return Expression(text, Builder(text, dict(columns)).build(parse(text)))


def condition(text: str, columns: Mapping[str, Type]) -> Expression:
    """An expression that is true, false or null; raises ExpressionError where it is not."""
    found = expression(text, columns)
    if found.type.kind not in (Kind.BOOL, Kind.NULL):
        raise ExpressionError(
            f"a condition is true or false, and this is {found.type}", text, Span(0, len(text))
        )
    return found


__all__ = ["Expression", "Rows", "Type", "condition", "expression", "type_of"]
