"""The text of an expression as sqlglot's tree, and errors that show the place in the text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from bigdata_cli.errors import UsageError

if TYPE_CHECKING:
    from sqlglot.expressions import Expr as Expression

_SPECIAL_FORMS = ("CAST", "TRY_CAST", "EXTRACT")
"""Functions whose arguments have a syntax of their own; all others are calls by name."""


class Span(NamedTuple):
    """A piece of a text: its first character, and the one after its last."""

    start: int
    stop: int


class ExpressionError(UsageError):
    """An expression that is wrong; the message ends with its text and a caret under the place."""

    def __init__(self, problem: str, text: str, span: Span, *, hint: str | None = None) -> None:
        super().__init__(f"{problem}\n{pointed(text, span)}", hint=hint)
        self.problem, self.text, self.span = problem, text, span


@contextmanager
def named(option: str) -> Iterator[None]:
    """Errors of expressions begin with the option that the expression was given in."""
    try:
        yield
    except ExpressionError as error:
        if not option or error.message.startswith(option):
            raise
        raise ExpressionError(
            f"{option}: {error.problem}", error.text, error.span, hint=error.hint
        ) from error


def pointed(text: str, span: Span) -> str:
    """The line of a text that a span begins in, with carets under it.

    >>> print(pointed("amont > 0", Span(0, 5)))
      amont > 0
      ^^^^^
    """
    start = text.rfind("\n", 0, span.start) + 1
    stop = text.find("\n", start)
    line = text[start : stop if stop >= 0 else len(text)]
    carets = max(1, min(span.stop - start, len(line)) - (span.start - start))
    return f"  {line}\n  {' ' * (span.start - start)}{'^' * carets}"


@cache
def _dialect() -> Any:
    from sqlglot.dialects.duckdb import DuckDB

    class Expressions(DuckDB):
        """DuckDB's syntax; function calls keep their names, so that ours are looked up by name."""

        class Parser(DuckDB.Parser):  # type: ignore[valid-type, misc]
            FUNCTIONS: dict[str, Any] = {}  # noqa: RUF012
            FUNCTION_PARSERS = {  # noqa: RUF012
                name: DuckDB.Parser.FUNCTION_PARSERS[name] for name in _SPECIAL_FORMS
            }
            NO_PAREN_FUNCTIONS: dict[Any, Any] = {}  # noqa: RUF012
            NO_PAREN_FUNCTION_PARSERS = {  # noqa: RUF012
                "CASE": DuckDB.Parser.NO_PAREN_FUNCTION_PARSERS["CASE"]
            }

    return Expressions


def parse(text: str) -> Expression:
    """The tree of an expression; raises ExpressionError where it is none."""
    import sqlglot
    from sqlglot.errors import ParseError, TokenError

    whole = Span(0, max(1, len(text)))
    if not text.strip():
        raise ExpressionError("the expression is empty", text, whole)
    try:
        return sqlglot.parse_one(text, dialect=_dialect())
    except ParseError as error:
        about = error.errors[0] if error.errors else {}
        shown = str(about.get("highlight") or "")
        before = str(about.get("start_context") or "")
        start = text.find(shown, max(0, text.find(before) + len(before))) if shown else len(text)
        span = Span(max(start, 0), max(start, 0) + max(1, len(shown)))
        raise ExpressionError("the expression does not parse here", text, span) from error
    except TokenError as error:
        start = _unclosed(text)
        raise ExpressionError(
            "a quote is never closed", text, Span(start, len(text)), hint="'' is a quote in a text"
        ) from error
    except RecursionError as error:
        raise ExpressionError("the expression is nested too deeply", text, whole) from error


def span_of(tree: Expression, text: str) -> Span:
    """Where a part of a tree stands in its text, as far as sqlglot says it."""
    known = [node.meta for node in tree.walk() if "start" in node.meta]
    if not known:
        return Span(0, len(text))
    return Span(min(m["start"] for m in known), max(m["end"] for m in known) + 1)


def _unclosed(text: str) -> int:
    """Where the quote stands that is never closed."""
    quote, start = "", 0
    for place, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"":
            quote, start = character, place
    return start
