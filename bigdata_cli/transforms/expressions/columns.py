"""The columns that an expression reads, before their types are known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from bigdata_cli.errors import closest, did_you_mean
from bigdata_cli.transforms.expressions.advice import unquoted_name
from bigdata_cli.transforms.expressions.syntax import ExpressionError, named, parse, span_of

if TYPE_CHECKING:
    from sqlglot.expressions import Expr as Expression


def known_column(name: str, names: Iterable[str]) -> str | None:
    """The column of that name, whatever its case if no other one is called so."""
    known = list(names)
    if name in known:
        return name
    matches = [column for column in known if column.lower() == name.lower()]
    return matches[0] if len(matches) == 1 else None


def is_text(tree: Expression, names: Iterable[str]) -> bool:
    """Whether what looks like a column is a text in double quotes: it is like no column's name."""
    identifier: Any = tree.this
    is_quoted = bool(identifier.args.get("quoted"))
    return is_quoted and closest(identifier.name, names) is None


def columns_of(text: str, names: Sequence[str], option: str) -> frozenset[str]:
    """The columns that an expression reads; raises UsageError, with its place, where it is none."""
    with named(option):
        found = set()
        try:
            tree_of_all = parse(text)
        except ExpressionError as error:
            error.hint = unquoted_name(text, names) or error.hint
            raise
        for node in tree_of_all.walk():
            if type(node).__name__ != "Column" or node.args.get("table") is not None:
                continue
            tree: Any = node
            column = known_column(tree.name, names)
            if column is not None:
                found.add(column)
            elif not is_text(tree, names):
                raise no_column(tree, text, names)
        return frozenset(found)


def no_column(tree: Any, text: str, names: Iterable[str]) -> ExpressionError:
    """The error for a name that is no column's."""
    hint = did_you_mean(tree.name, names)
    if tree.this.args.get("quoted"):
        hint += " A text stands in single quotes"
    return ExpressionError(
        f'there is no column "{tree.name}"', text, span_of(tree, text), hint=hint
    )
