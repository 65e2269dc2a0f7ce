"""An expression of typed parts, built from its tree and the types of columns."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pyarrow as pa

from bigdata_cli.transforms.expressions.advice import instead_of_operator
from bigdata_cli.transforms.expressions.arithmetic import Arithmetic
from bigdata_cli.transforms.expressions.calls import Calls
from bigdata_cli.transforms.expressions.columns import is_text, known_column, no_column
from bigdata_cli.transforms.expressions.nodes import (
    BOOL,
    FLOAT,
    INT,
    NULL,
    TEXT,
    Node,
    on_distinct_texts,
)
from bigdata_cli.transforms.expressions.parts import first_line
from bigdata_cli.transforms.expressions.syntax import span_of
from bigdata_cli.types.dtype import Kind

if TYPE_CHECKING:
    from sqlglot.expressions import Expr as Expression


_ARITHMETIC = {"Add": "+", "Sub": "-", "Mul": "*", "Div": "/", "Mod": "%"}
_COMPARISONS = {"EQ": "=", "NEQ": "<>", "LT": "<", "LTE": "<=", "GT": ">", "GTE": ">="}
_MAX_DEPTH = 100


class Builder(Arithmetic, Calls):
    """Builds an expression."""

    _depth = 0

    def build(self, tree: Expression) -> Node:
        """A part of the tree; raises ExpressionError where it is not allowed, or of wrong types."""
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._error("the expression is nested too deeply", span_of(tree, self._text))
        node = self._built(tree)
        self._depth -= 1
        if not node.columns:
            return self._folded(node)
        is_column = type(tree).__name__ == "Column"
        if len(node.columns) == 1 and not is_column:
            (name,) = node.columns
            if self._columns[name].kind is Kind.TEXT:
                return on_distinct_texts(node)
        return node

    def _built(self, tree: Expression) -> Node:
        name = type(tree).__name__
        if name in _ARITHMETIC:
            return self._arithmetic(tree, _ARITHMETIC[name])
        if name in _COMPARISONS:
            return self._comparison(tree, _COMPARISONS[name])
        method = getattr(self, f"_build_{name.lower()}", None)
        if method is None:
            words = _words(tree)
            raise self._error(
                f"{words} cannot be used in an expression",
                span_of(tree, self._text),
                hint=instead_of_operator(name, words),
            )
        node: Node = method(tree)
        return node

    def _build_column(self, tree: Expression) -> Node:
        identifier = tree.this
        span = span_of(tree, self._text)
        if tree.args.get("table") is not None:
            raise self._error(
                "a name cannot contain a dot",
                span,
                hint='a column\'s name may stand in quotes: "a.b"',
            )
        name = known_column(identifier.name, self._columns)
        if name is not None:
            type_ = self._columns[name]
            return Node(
                type=type_,
                compute=lambda rows: rows.column(name),
                columns=frozenset([name]),
                span=span,
                may_fail=type_.kind is Kind.INT,
            )
        if is_text(tree, self._columns):
            return self._literal(identifier.name, TEXT, span)
        raise no_column(tree, self._text, self._columns)

    def _build_literal(self, tree: Expression) -> Node:
        span = span_of(tree, self._text)
        if tree.args.get("is_string"):
            return self._literal(tree.this, TEXT, span)
        text = tree.this
        if text.isdecimal():
            if int(text) >= 2**63:
                raise self._error(f"{text} is beyond int64", span, hint=f"{text}.0 is a float64")
            return self._literal(int(text), INT, span)
        value = float(text)
        if not math.isfinite(value):
            raise self._error(f"{text} is beyond float64", span)
        return self._literal(value, FLOAT, span)

    def _build_boolean(self, tree: Expression) -> Node:
        return self._literal(bool(tree.this), BOOL, span_of(tree, self._text))

    def _build_null(self, tree: Expression) -> Node:
        return self._literal(None, NULL, span_of(tree, self._text))

    def _folded(self, node: Node) -> Node:
        """A node without columns as its value."""
        try:
            value = node.constant
        except pa.ArrowInvalid as error:
            raise self._error(first_line(error), node.span) from error
        return Node(type=node.type, compute=lambda rows: value, columns=frozenset(), span=node.span)

    def _build_paren(self, tree: Expression) -> Node:
        return self.build(tree.this)


def _words(tree: Expression) -> str:
    """What a part of a tree is called."""
    return f'"{tree.sql(dialect="duckdb")}"' if len(str(tree)) < 40 else f"this ({tree.key})"
