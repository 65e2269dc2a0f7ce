"""Calls of functions, and values that are chosen by conditions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from bigdata_cli.transforms.expressions import kernels
from bigdata_cli.transforms.expressions.advice import instead_of_function
from bigdata_cli.transforms.expressions.comparisons import Comparisons
from bigdata_cli.transforms.expressions.functions import FUNCTIONS, SYNONYMS
from bigdata_cli.transforms.expressions.nodes import (
    BOOL,
    NULL,
    TIMES,
    Node,
    Type,
)
from bigdata_cli.transforms.expressions.parts import first_line
from bigdata_cli.transforms.expressions.syntax import Span, span_of
from bigdata_cli.transforms.rows_of_columns import Datum, Rows
from bigdata_cli.types.buffers import scalar_of
from bigdata_cli.types.dtype import Kind

if TYPE_CHECKING:
    from sqlglot.expressions import Expr as Expression


class Calls(Comparisons):
    """Builds calls of functions, and CASE."""

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
            left = pa.repeat(scalar_of(True, pa.bool_()), rows.n_rows)
            chosen = []
            for condition in conditions:
                holds = kernels.is_true(rows.filled(condition.compute(rows)))
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
                f'there is no function "{name}"', called, hint=instead_of_function(name, FUNCTIONS)
            )
        arguments = [self.build(part) for part in given]
        most = len(function.arguments)
        if len(arguments) < most - function.n_optional or (
            len(arguments) > most and not function.repeats
        ):
            raise self._error(
                f"{name} does not take these arguments", span, hint=f"{function.usage}"
            )
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
            if fixed:
                compute(*(scalar_of(None, argument.type.arrow) for argument in read))
        except pa.ArrowInvalid as error:  # a constant that it does not take
            raise self._error(first_line(error), span, hint=function.usage) from error
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
        raise self._error(f"{name} does not take this number of arguments", span)


def _of_chosen(value: Node, rows: Rows, mask: pa.Array, type_: Type) -> Datum:
    """A value for the rows that it was chosen for; others may be what it cannot be computed of."""
    if not value.may_fail:
        return value.compute(rows)
    some = rows.where(mask)
    found = some.filled(value.compute(some))
    return pc.replace_with_mask(pa.nulls(rows.n_rows, found.type), mask, found)
