"""Arithmetic, casts, and texts that are joined."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from bigdata_cli.transforms.expressions import kernels
from bigdata_cli.transforms.expressions.casts import TARGETS, cast_of, tried
from bigdata_cli.transforms.expressions.nodes import (
    DATE,
    FLOAT,
    INT,
    NUMBERS,
    TEXT,
    TIMES,
    TIMESTAMP,
    Node,
)
from bigdata_cli.transforms.expressions.parts import Parts
from bigdata_cli.transforms.expressions.syntax import span_of
from bigdata_cli.transforms.rows_of_columns import Datum
from bigdata_cli.types.buffers import scalar_of
from bigdata_cli.types.dtype import Kind

if TYPE_CHECKING:
    from sqlglot.expressions import Expr as Expression


_MICROSECONDS = {
    "WEEK": 604_800_000_000,
    "DAY": 86_400_000_000,
    "HOUR": 3_600_000_000,
    "MINUTE": 60_000_000,
    "SECOND": 1_000_000,
    "MILLISECOND": 1_000,
    "MICROSECOND": 1,
}


class Arithmetic(Parts):
    """Builds arithmetic and casts."""

    def _build_neg(self, tree: Expression) -> Node:
        if type(tree.this).__name__ == "Literal" and tree.this.this == str(2**63):
            return self._literal(-(2**63), INT, span_of(tree, self._text))
        operand = self._number(self.build(tree.this))
        return self._node(
            tree, operand.type, [operand], kernels.negate, may_fail=operand.kind is Kind.INT
        )

    def _arithmetic(self, tree: Expression, operator: str) -> Node:
        if type(tree.expression).__name__ == "Interval" and operator in "+-":
            return self._moved(tree, operator)
        a, b = self.build(tree.this), self.build(tree.expression)
        if operator == "-" and a.kind is b.kind is Kind.DATE:
            return self._node(tree, INT, [a, b], _days_between)
        if operator in "+-" and a.kind is Kind.DATE and b.kind is Kind.INT:
            sign = 1 if operator == "+" else -1
            return self._node(
                tree, DATE, [a, b], lambda d, n: _moved_days(d, n, sign), may_fail=True
            )
        a, b = self._number(a, operator), self._number(b, operator)
        if operator == "%":
            type_ = FLOAT if Kind.FLOAT in (a.kind, b.kind) else INT
            return self._node(tree, type_, [a, b], kernels.remainder, may_fail=type_ == INT)
        if operator == "/" or Kind.FLOAT in (a.kind, b.kind):
            return self._node(
                tree, FLOAT, [a, b], lambda x, y: kernels.float_arithmetic(operator, x, y)
            )
        return self._node(
            tree,
            INT,
            [a, b],
            lambda x, y: kernels.integer_arithmetic(operator, x, y),
            may_fail=True,
        )

    def _moved(self, tree: Expression, operator: str) -> Node:
        """A time and an interval."""
        time, interval = self.build(tree.this), tree.expression
        unit = str(interval.args.get("unit") or "").upper().removesuffix("S")
        number = interval.this.this if interval.this is not None else ""
        try:
            micros = int(number) * _MICROSECONDS[unit] * (1 if operator == "+" else -1)
        except (KeyError, ValueError, TypeError):
            raise self._error(
                "an interval is a whole number of a unit",
                span_of(tree, self._text),
                hint=f"interval 3 day; units: {', '.join(_MICROSECONDS).lower()}",
            ) from None
        if time.kind not in TIMES:
            raise self._wrong_type(time, "a date or a timestamp")
        type_ = time.type if time.kind is Kind.TIMESTAMP else TIMESTAMP
        by = scalar_of(micros, pa.int64()).cast(pa.duration("us"))

        def compute(datum: Datum) -> Datum:
            if pa.types.is_date(datum.type):
                datum = pc.cast(datum, pa.timestamp("us"))
            return pc.add_checked(datum, by)

        return self._node(tree, type_, [time], compute, may_fail=True)

    def _number(self, node: Node, operator: str = "-") -> Node:
        if node.kind is Kind.NULL:
            return self._typed(node, INT)
        if node.kind not in NUMBERS:
            hint = None
            if node.kind is Kind.TEXT:
                hint = "|| joins texts" if operator == "+" else "cast(… as double) reads a text"
            if node.kind is Kind.BOOL:
                hint = "cast(… as int) gives 0 and 1"
            raise self._wrong_type(node, "a number", hint=hint)
        return node

    def _build_cast(self, tree: Expression) -> Node:
        return self._cast(tree, tries=False)

    def _build_trycast(self, tree: Expression) -> Node:
        return self._cast(tree, tries=True)

    def _cast(self, tree: Expression, *, tries: bool) -> Node:
        value = self.build(tree.this)
        named = tree.args["to"]
        asked = named.args.get("kind") or named.sql(dialect="duckdb")
        asked = str(asked).lower().removesuffix("ntz").replace("timestamp_", "timestamp")
        type_ = TARGETS.get(asked)
        if type_ is None:
            raise self._error(
                f'"{asked}" is not a type to cast to',
                span_of(tree, self._text),
                hint="bigint, double, text, boolean, date, timestamp",
            )
        found = cast_of(value.type, type_)
        if found is None:
            raise self._error(f"{self._named(value)} cannot be cast to {type_}", value.span)
        cast, may_fail = found
        if value.kind is type_.kind:
            type_ = value.type
        if tries and may_fail:
            cast, may_fail = tried(cast, type_), False
        return self._node(tree, type_, [value], cast, may_fail=may_fail)

    def _build_dpipe(self, tree: Expression) -> Node:
        parts = [self.build(tree.this), self.build(tree.expression)]
        for part in parts:
            if part.kind not in (Kind.TEXT, Kind.NULL):
                raise self._wrong_type(part, "a text", hint="cast(… as text)")
        texts = [self._typed(part, TEXT) for part in parts]
        return self._node(
            tree,
            TEXT,
            texts,
            lambda a, b: pc.binary_join_element_wise(a, b, scalar_of("", pa.string())),
        )


def _days_between(a: Datum, b: Datum) -> Datum:
    days = [pc.cast(pc.cast(date, pa.int32()), pa.int64()) for date in (a, b)]
    return pc.subtract(*days)


def _moved_days(date: Datum, days: Datum, sign: int) -> Datum:
    moved = pc.add_checked(
        pc.cast(pc.cast(date, pa.int32()), pa.int64()),
        pc.multiply_checked(days, scalar_of(sign, pa.int64())),
    )
    return pc.cast(pc.cast(moved, pa.int32()), pa.date32())
