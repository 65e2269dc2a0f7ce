"""Comparisons, and what else is true or false."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from bigdata_cli.transforms.expressions import kernels
from bigdata_cli.transforms.expressions.nodes import (
    BOOL,
    DATE,
    FLOAT,
    NUMBERS,
    TIMES,
    TIMESTAMP,
    Node,
    Type,
)
from bigdata_cli.transforms.expressions.parts import Parts, cast_hint
from bigdata_cli.transforms.expressions.syntax import span_of
from bigdata_cli.transforms.rows_of_columns import Datum
from bigdata_cli.types.buffers import scalar_of
from bigdata_cli.types.dtype import Kind

if TYPE_CHECKING:
    from sqlglot.expressions import Expr as Expression


class Comparisons(Parts):
    """Builds comparisons, and what joins them."""

    def _comparison(self, tree: Expression, operator: str) -> Node:
        if "Null" in (type(tree.this).__name__, type(tree.expression).__name__):
            raise self._error(
                "a comparison with null is true for no row",
                span_of(tree, self._text),
                hint="x is null, or x is not null",
            )
        a, b = self._comparable(self.build(tree.this), self.build(tree.expression), tree)
        return self._node(tree, BOOL, [a, b], lambda x, y: kernels.compare(operator, x, y))

    def _comparable(self, a: Node, b: Node, tree: Expression) -> tuple[Node, Node]:
        """Two parts as values of one type; raises ExpressionError where there is none."""
        a, b = self._as_time(a, b), self._as_time(b, a)
        if a.kind is Kind.NULL or b.kind is Kind.NULL:
            type_ = b.type if a.kind is Kind.NULL else a.type
            return self._typed(a, type_), self._typed(b, type_)
        if a.kind in NUMBERS and b.kind in NUMBERS:
            if a.kind is not b.kind:
                a, b = self._typed(a, FLOAT), self._typed(b, FLOAT)
            return a, b
        if a.kind in TIMES and b.kind in TIMES and a.type != b.type:
            if a.type.is_utc or b.type.is_utc:
                raise self._error(
                    f"{a.type} and {b.type} are not comparable", span_of(tree, self._text)
                )
            return self._typed(a, TIMESTAMP), self._typed(b, TIMESTAMP)
        if a.kind is not b.kind:
            raise self._error(
                f"{self._named(a)} and {self._named(b)} are not comparable",
                span_of(tree, self._text),
                hint=cast_hint(a, b),
            )
        return a, b

    def _as_time(self, node: Node, other: Node) -> Node:
        """A constant text beside a time, as a time."""
        if node.kind is not Kind.TEXT or node.columns or other.kind not in TIMES:
            return node
        value = node.constant
        assert value is not None
        for type_ in (DATE, Type(Kind.TIMESTAMP, other.type.is_utc)):
            try:
                scalar = value.cast(type_.arrow)
            except pa.ArrowInvalid:
                continue
            if type_ == DATE and other.type.is_utc:
                scalar = scalar.cast(pa.timestamp("us")).cast(other.type.arrow)
                type_ = other.type
            return self._of_scalar(scalar, type_, node.span)
        raise self._error(f"{value.as_py()!r} is no date or timestamp of ISO 8601", node.span)

    def _build_between(self, tree: Expression) -> Node:
        value = self.build(tree.this)
        low, high = self.build(tree.args["low"]), self.build(tree.args["high"])
        above = self._comparable(value, low, tree)
        below = self._comparable(value, high, tree)
        return self._node(
            tree,
            BOOL,
            [*above, *below],
            lambda a, x, b, y: pc.and_kleene(
                kernels.compare(">=", a, x), kernels.compare("<=", b, y)
            ),
        )

    def _build_in(self, tree: Expression) -> Node:
        items = tree.expressions
        if tree.args.get("query") is not None or not items:
            raise self._error("IN needs a list of values", span_of(tree, self._text))
        value = self.build(tree.this)
        parts = [self.build(item) for item in items]
        pairs = [self._comparable(value, part, tree) for part in parts]
        types = {mine.type for mine, _ in pairs}
        if len(types) == 1 and not any(part.columns for part in parts):
            constants = [item.constant for _, item in pairs]
            array = pa.concat_arrays([pa.repeat(c, 1) for c in constants if c is not None])
            return self._node(tree, BOOL, [pairs[0][0]], lambda x: kernels.is_in(x, array))
        found = [
            self._node(tree, BOOL, list(pair), lambda x, y: kernels.compare("=", x, y))
            for pair in pairs
        ]
        node = found[0]
        for other in found[1:]:
            node = self._node(tree, BOOL, [node, other], pc.or_kleene)
        return node

    def _build_is(self, tree: Expression) -> Node:
        value, what = self.build(tree.this), type(tree.expression).__name__
        if what == "Null":
            return self._node(tree, BOOL, [value], pc.is_null)
        if what == "Boolean":
            value = self._truth(value)
            wanted = bool(tree.expression.this)
            return self._node(
                tree,
                BOOL,
                [value],
                lambda x: kernels.is_true(pc.equal(x, scalar_of(wanted, pa.bool_()))),
            )
        raise self._error("IS needs NULL, TRUE or FALSE", span_of(tree, self._text))

    def _build_nullsafeeq(self, tree: Expression) -> Node:
        return self._distinct(tree, is_equal=True)

    def _build_nullsafeneq(self, tree: Expression) -> Node:
        return self._distinct(tree, is_equal=False)

    def _distinct(self, tree: Expression, *, is_equal: bool) -> Node:
        pair = self._comparable(self.build(tree.this), self.build(tree.expression), tree)

        def compute(a: Datum, b: Datum) -> Datum:
            both = pc.and_(pc.is_null(a), pc.is_null(b))
            same = pc.or_(both, kernels.is_true(kernels.compare("=", a, b)))
            return same if is_equal else pc.invert(same)

        return self._node(tree, BOOL, list(pair), compute)

    def _build_like(self, tree: Expression, escape: str | None = None) -> Node:
        return self._like(tree, escape, ignore_case=False)

    def _build_ilike(self, tree: Expression, escape: str | None = None) -> Node:
        return self._like(tree, escape, ignore_case=True)

    def _like(self, tree: Expression, escape: str | None, *, ignore_case: bool) -> Node:
        value, pattern = self.build(tree.this), self.build(tree.expression)
        for node in (value, pattern):
            if node.kind not in (Kind.TEXT, Kind.NULL):
                raise self._wrong_type(node, "a text", hint="cast(… as text)")
        known = pattern.constant
        if known is None:
            raise self._error("the pattern of LIKE has to be a constant", pattern.span)
        if not known.is_valid or value.kind is Kind.NULL:
            return self._literal(None, BOOL, span_of(tree, self._text))
        node = self._node(
            tree,
            BOOL,
            [value],
            lambda x: kernels.like(x, known.as_py(), escape, ignore_case=ignore_case),
        )
        return self._inverted(tree, node) if tree.args.get("negate") else node

    def _build_escape(self, tree: Expression) -> Node:
        character, inner = self.build(tree.expression).constant, type(tree.this).__name__
        if character is None or len(character.as_py() or "") != 1 or inner not in ("Like", "ILike"):
            raise self._error("ESCAPE is one character, after LIKE", span_of(tree, self._text))
        return self._like(tree.this, character.as_py(), ignore_case=inner == "ILike")

    def _build_and(self, tree: Expression) -> Node:
        a, b = self._truth(self.build(tree.this)), self._truth(self.build(tree.expression))
        return self._node(tree, BOOL, [a, b], pc.and_kleene)

    def _build_or(self, tree: Expression) -> Node:
        a, b = self._truth(self.build(tree.this)), self._truth(self.build(tree.expression))
        return self._node(tree, BOOL, [a, b], pc.or_kleene)

    def _build_not(self, tree: Expression) -> Node:
        return self._inverted(tree, self._truth(self.build(tree.this)))

    def _inverted(self, tree: Expression, node: Node) -> Node:
        return self._node(tree, BOOL, [node], pc.invert)
