"""What all builders of expressions use: typed nodes, constants, errors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from bigdata_cli.transforms.expressions.nodes import (
    BOOL,
    FLOAT,
    NUMBERS,
    TIMES,
    TIMESTAMP,
    Node,
    Type,
)
from bigdata_cli.transforms.expressions.syntax import ExpressionError, Span, span_of
from bigdata_cli.transforms.rows_of_columns import Datum, Rows
from bigdata_cli.types.buffers import scalar_of
from bigdata_cli.types.dtype import Kind

if TYPE_CHECKING:
    from sqlglot.expressions import Expr as Expression


class Parts(ABC):
    """Makes the parts of one expression. columns: the types of those that it may read."""

    def __init__(self, text: str, columns: Mapping[str, Type]) -> None:
        self._text = text
        self._columns = columns

    @abstractmethod
    def build(self, tree: Expression) -> Node:
        """A part of the tree; raises ExpressionError where it is not allowed, or of wrong types."""

    def _literal(self, value: Any, type_: Type, span: Span) -> Node:
        return self._of_scalar(scalar_of(value, type_.arrow), type_, span)

    def _of_scalar(self, scalar: pa.Scalar, type_: Type, span: Span) -> Node:
        return Node(type=type_, compute=lambda rows: scalar, columns=frozenset(), span=span)

    def _truth(self, node: Node) -> Node:
        if node.kind is Kind.NULL:
            return self._typed(node, BOOL)
        if node.kind is not Kind.BOOL:
            raise self._wrong_type(node, "true or false", hint="compare it: … <> 0")
        return node

    def _of_one_type(self, nodes: Sequence[Node]) -> list[Node]:
        """Parts as values of one type; raises ExpressionError where there is none."""
        known = [node for node in nodes if node.kind is not Kind.NULL]
        if not known:
            return list(nodes)
        type_ = known[0].type
        for node in known[1:]:
            if {type_.kind, node.kind} == set(NUMBERS):
                type_ = FLOAT
            elif {type_.kind, node.kind} == set(TIMES) and not (type_.is_utc or node.type.is_utc):
                type_ = TIMESTAMP
            elif type_ != node.type:
                raise self._error(
                    f"{self._named(known[0])} and {self._named(node)} are values of one column",
                    node.span,
                    hint=cast_hint(known[0], node),
                )
        return [self._typed(node, type_) for node in nodes]

    def _node(
        self,
        tree: Expression,
        type_: Type,
        parts: Sequence[Node],
        function: Callable[..., Datum],
        *,
        may_fail: bool = False,
    ) -> Node:
        return Node(
            type=type_,
            compute=lambda rows: function(*(part.compute(rows) for part in parts)),
            columns=frozenset().union(*(part.columns for part in parts)),
            span=span_of(tree, self._text),
            may_fail=may_fail or any(part.may_fail for part in parts),
        )

    def _typed(self, node: Node, type_: Type) -> Node:
        """A node whose values are of another type, which holds all of them."""
        if node.type == type_:
            return node
        target = type_.arrow

        def compute(rows: Rows) -> Datum:
            datum = node.compute(rows)
            if datum.type == target:
                return datum
            return pc.cast(datum, target, safe=False)

        return Node(
            type=type_,
            compute=compute,
            columns=node.columns,
            span=node.span,
            may_fail=node.may_fail,
        )

    def _named(self, node: Node) -> str:
        return f"{self._text[node.span.start : node.span.stop]} ({node.type})"

    def _wrong_type(self, node: Node, expected: str, *, hint: str | None = None) -> ExpressionError:
        problem = f"{self._named(node)} is not {expected}"
        return self._error(problem, node.span, hint=hint)

    def _error(self, problem: str, span: Span, *, hint: str | None = None) -> ExpressionError:
        return ExpressionError(problem, self._text, span, hint=hint)


def cast_hint(a: Node, b: Node) -> str | None:
    kinds = {a.kind, b.kind}
    if Kind.TEXT in kinds and kinds & set(NUMBERS):
        return "cast(… as double) reads a text as a number"
    if Kind.TEXT in kinds:
        return "cast(… as text)"
    return None


def first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
