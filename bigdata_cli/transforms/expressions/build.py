"""An expression of typed parts, built from its tree and the types of columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from bigdata_cli.errors import did_you_mean
from bigdata_cli.transforms.expressions import kernels
from bigdata_cli.transforms.expressions.casts import TARGETS, cast_of, tried
from bigdata_cli.transforms.expressions.columns import is_text, known_column, no_column
from bigdata_cli.transforms.expressions.functions import FUNCTIONS, SYNONYMS
from bigdata_cli.transforms.expressions.nodes import (
    BOOL,
    DATE,
    FLOAT,
    INT,
    NULL,
    NUMBERS,
    TEXT,
    TIMES,
    TIMESTAMP,
    Node,
    Type,
    on_distinct_texts,
)
from bigdata_cli.transforms.expressions.syntax import ExpressionError, Span, span_of
from bigdata_cli.transforms.rows_of_columns import Datum, Rows
from bigdata_cli.types.dtype import Kind

if TYPE_CHECKING:
    from sqlglot.expressions import Expr as Expression

_ARITHMETIC = {"Add": "+", "Sub": "-", "Mul": "*", "Div": "/", "Mod": "%"}
_COMPARISONS = {"EQ": "=", "NEQ": "<>", "LT": "<", "LTE": "<=", "GT": ">", "GTE": ">="}
_MAX_DEPTH = 100
_MICROSECONDS = {
    "WEEK": 604_800_000_000,
    "DAY": 86_400_000_000,
    "HOUR": 3_600_000_000,
    "MINUTE": 60_000_000,
    "SECOND": 1_000_000,
    "MILLISECOND": 1_000,
    "MICROSECOND": 1,
}


class Builder:
    """Builds the parts of one expression. columns: the types of those that it may read."""

    def __init__(self, text: str, columns: Mapping[str, Type]) -> None:
        self._text = text
        self._columns = columns
        self._depth = 0

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
            raise self._error(
                f"{_words(tree)} cannot be used in an expression",
                span_of(tree, self._text),
                hint="docs/shape.md lists the operators and functions",
            )
        node: Node = method(tree)
        return node

    # Leaves

    def _build_column(self, tree: Expression) -> Node:
        identifier = tree.this
        span = span_of(tree, self._text)
        if tree.args.get("table") is not None:
            raise self._error(
                "a name has no point in it",
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

    def _literal(self, value: Any, type_: Type, span: Span) -> Node:
        return self._of_scalar(pa.scalar(value, type_.arrow), type_, span)

    def _of_scalar(self, scalar: pa.Scalar, type_: Type, span: Span) -> Node:
        return Node(type=type_, compute=lambda rows: scalar, columns=frozenset(), span=span)

    def _folded(self, node: Node) -> Node:
        """A node without columns as its value."""
        try:
            value = node.constant
        except pa.ArrowInvalid as error:
            raise self._error(_first_line(error), node.span) from error
        return Node(type=node.type, compute=lambda rows: value, columns=frozenset(), span=node.span)

    def _build_paren(self, tree: Expression) -> Node:
        return self.build(tree.this)

    # Arithmetic

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
        by = pa.scalar(micros, pa.duration("us"))

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

    # Comparisons

    def _comparison(self, tree: Expression, operator: str) -> Node:
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
                hint=_cast_hint(a, b),
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
            raise self._error("after IN stands a list of values", span_of(tree, self._text))
        value = self.build(tree.this)
        parts = [self.build(item) for item in items]
        pairs = [self._comparable(value, part, tree) for part in parts]
        types = {mine.type for mine, _ in pairs}
        if len(types) == 1 and not any(part.columns for part in parts):
            constants = [item.constant for _, item in pairs]
            array = pa.array(
                [c.as_py() for c in constants if c is not None], pairs[0][0].type.arrow
            )
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
                tree, BOOL, [value], lambda x: pc.fill_null(pc.equal(x, wanted), False)
            )
        raise self._error("IS goes with NULL, TRUE and FALSE", span_of(tree, self._text))

    def _build_nullsafeeq(self, tree: Expression) -> Node:
        return self._distinct(tree, is_equal=True)

    def _build_nullsafeneq(self, tree: Expression) -> Node:
        return self._distinct(tree, is_equal=False)

    def _distinct(self, tree: Expression, *, is_equal: bool) -> Node:
        pair = self._comparable(self.build(tree.this), self.build(tree.expression), tree)

        def compute(a: Datum, b: Datum) -> Datum:
            both = pc.and_(pc.is_null(a), pc.is_null(b))
            same = pc.or_(both, pc.fill_null(kernels.compare("=", a, b), False))
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

    # Logic

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

    def _truth(self, node: Node) -> Node:
        if node.kind is Kind.NULL:
            return self._typed(node, BOOL)
        if node.kind is not Kind.BOOL:
            raise self._wrong_type(node, "true or false", hint="compare it: … <> 0")
        return node

    # Conditions

    def _build_case(self, tree: Expression) -> Node:
        subject = None if tree.this is None else self.build(tree.this)
        conditions, values = [], []
        for one in tree.args["ifs"]:
            condition = self.build(one.this)
            if subject is not None:
                pair = self._comparable(subject, condition, tree)
                condition = self._node(
                    one, BOOL, list(pair), lambda x, y: kernels.compare("=", x, y)
                )
            conditions.append(self._truth(condition))
            values.append(self.build(one.args["true"]))
        default = tree.args.get("default")
        values.append(
            self._literal(None, NULL, span_of(tree, self._text))
            if default is None
            else self.build(default)
        )
        return self._chosen(tree, conditions, values)

    def _build_if(self, tree: Expression) -> Node:
        return self._build_case(tree)

    def _chosen(self, tree: Expression, conditions: list[Node], values: list[Node]) -> Node:
        """The value whose condition is the first to hold; the last one where none does."""
        values = self._of_one_type(values)
        type_ = values[0].type

        def compute(rows: Rows) -> Datum:
            left = pa.repeat(pa.scalar(True), rows.n_rows)
            chosen = []
            for condition in conditions:
                holds = pc.fill_null(rows.filled(condition.compute(rows)), False)
                chosen.append(pc.and_(left, holds))
                left = pc.and_not(left, holds)
            chosen.append(left)
            found = [
                _of_chosen(value, rows, mask, type_)
                for value, mask in zip(values, chosen, strict=True)
            ]
            return kernels.case_when(chosen[:-1], found[:-1], found[-1])

        parts = [*conditions, *values]
        return Node(
            type=type_,
            compute=compute,
            columns=frozenset().union(*(part.columns for part in parts)),
            span=span_of(tree, self._text),
            may_fail=any(part.may_fail for part in parts),
        )

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
                    hint=_cast_hint(known[0], node),
                )
        return [self._typed(node, type_) for node in nodes]

    # Casts and functions

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
                f'"{asked}" is no type that a value can be cast to',
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
        return self._node(tree, TEXT, texts, lambda a, b: pc.binary_join_element_wise(a, b, ""))

    def _build_extract(self, tree: Expression) -> Node:
        name = str(tree.this).lower()
        return self._call(tree, SYNONYMS.get(name, name), [tree.expression], only_dates=True)

    def _build_anonymous(self, tree: Expression) -> Node:
        name = str(tree.this).lower()
        return self._call(tree, SYNONYMS.get(name, name), tree.expressions)

    def _call(
        self, tree: Expression, name: str, given: Iterable[Any], *, only_dates: bool = False
    ) -> Node:
        span = span_of(tree, self._text)
        if name in ("coalesce", "ifnull", "nullif", "if", "iif"):
            return self._conditional(tree, name, [self.build(part) for part in given], span)
        function = FUNCTIONS.get(name)
        if function is None or (only_dates and function.arguments[0] != TIMES):
            called = Span(span.start, span.start + len(name))
            raise self._error(
                f'there is no function "{name}"', called, hint=did_you_mean(name, sorted(FUNCTIONS))
            )
        arguments = [self.build(part) for part in given]
        most = len(function.arguments)
        if len(arguments) < most - function.n_optional or (
            len(arguments) > most and not function.repeats
        ):
            raise self._error(f"{name} takes other arguments", span, hint=f"{function.usage}")
        kinds = [*function.arguments, *[function.arguments[-1]] * (len(arguments) - most)]
        fixed: dict[int, Any] = {}
        for place, (argument, allowed) in enumerate(zip(arguments, kinds, strict=False)):
            if place in function.constants:
                fixed[place] = self._constant(argument, allowed, name)
            elif argument.kind not in allowed and argument.kind is not Kind.NULL:
                raise self._wrong_type(
                    argument, " or ".join(map(str, map(Type, allowed))), hint=function.usage
                )
        if function.repeats:
            arguments = self._of_one_type(arguments)
        types = [argument.type for argument in arguments]
        read = []
        for place, argument in enumerate(arguments):
            if place not in fixed:
                if argument.kind is Kind.NULL:
                    argument = self._typed(argument, Type(kinds[place][0]))
                    types[place] = argument.type
                read.append(argument)

        def compute(*data: Datum) -> Datum:
            left = iter(data)
            values = [fixed[i] if i in fixed else next(left) for i in range(len(arguments))]
            return function.compute(*values)

        try:
            compute(*(pa.scalar(None, argument.type.arrow) for argument in read))
        except pa.ArrowInvalid as error:  # a constant that it does not take
            raise self._error(_first_line(error), span, hint=function.usage) from error
        return self._node(tree, function.result(types), read, compute, may_fail=function.may_fail)

    def _constant(self, node: Node, allowed: Sequence[Kind], name: str) -> Any:
        value = node.constant
        if value is None:
            raise self._error(f"this argument of {name} has to be a constant", node.span)
        if node.kind not in allowed or not value.is_valid:
            raise self._wrong_type(node, " or ".join(map(str, allowed)))
        return value.as_py()

    def _conditional(self, tree: Expression, name: str, parts: list[Node], span: Span) -> Node:
        if name in ("if", "iif") and len(parts) == 3:
            return self._chosen(tree, [self._truth(parts[0])], parts[1:])
        if name == "nullif" and len(parts) == 2:
            pair = self._comparable(parts[0], parts[1], tree)
            null = self._literal(None, NULL, span)
            is_equal = self._node(tree, BOOL, list(pair), lambda x, y: kernels.compare("=", x, y))
            return self._chosen(tree, [is_equal], [null, parts[0]])
        if name in ("coalesce", "ifnull") and parts:
            parts = self._of_one_type(parts)
            return self._node(tree, parts[0].type, parts, pc.coalesce)
        raise self._error(f"{name} takes another number of arguments", span)

    # What all of them use

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


def _of_chosen(value: Node, rows: Rows, mask: pa.Array, type_: Type) -> Datum:
    """A value for the rows that it was chosen for; others may be what it cannot be computed of."""
    if not value.may_fail:
        return value.compute(rows)
    some = rows.where(mask)
    found = some.filled(value.compute(some))
    return pc.replace_with_mask(pa.nulls(rows.n_rows, found.type), mask, found)


def _days_between(a: Datum, b: Datum) -> Datum:
    days = [pc.cast(pc.cast(date, pa.int32()), pa.int64()) for date in (a, b)]
    return pc.subtract(*days)


def _moved_days(date: Datum, days: Datum, sign: int) -> Datum:
    moved = pc.add_checked(
        pc.cast(pc.cast(date, pa.int32()), pa.int64()), pc.multiply_checked(days, sign)
    )
    return pc.cast(pc.cast(moved, pa.int32()), pa.date32())


def _cast_hint(a: Node, b: Node) -> str | None:
    kinds = {a.kind, b.kind}
    if Kind.TEXT in kinds and kinds & set(NUMBERS):
        return "cast(… as double) reads a text as a number"
    if Kind.TEXT in kinds:
        return "cast(… as text)"
    return None


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _words(tree: Expression) -> str:
    """What a part of a tree is called."""
    return f'"{tree.sql(dialect="duckdb")}"' if len(str(tree)) < 40 else f"this ({tree.key})"
