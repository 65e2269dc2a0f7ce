"""What to write in place of what others have, and expressions do not."""

from __future__ import annotations

from collections.abc import Iterable

from bigdata_cli.errors import did_you_mean

_AGGREGATES = (
    "avg", "count", "first", "lag", "last", "lead", "max", "mean", "median", "min", "mode",
    "percentile", "quantile", "rank", "row_number", "std", "stddev", "sum", "var", "variance",
)  # fmt: skip
_OF_ONE_ROW = (
    "an expression sees one row at a time; --standardize, --fill COL=mean and --bin "
    "COL=quantiles:N use all rows, and DuckDB has the rest: its CSV goes into convert -"
)
_PATTERNS = (
    "like 'A%', contains(s, 'a'), starts_with and ends_with; there are no regular expressions"
)
_IS_NULL, _IS_NOT_NULL = "x is null", "x is not null"
_INSTEAD = {
    **dict.fromkeys(_AGGREGATES, _OF_ONE_ROW),
    **dict.fromkeys(("isnull", "isna", "is_null"), _IS_NULL),
    **dict.fromkeys(("notnull", "notna", "is_not_null"), _IS_NOT_NULL),
    **dict.fromkeys(("regexp_matches", "regexp_replace", "regexp_extract", "rlike"), _PATTERNS),
    "log": "ln(x) is the natural logarithm, log10(x) the one of base 10",
    "mod": "a % b",
    "isin": "x in ('a', 'b')",
    "where": "case when … then … else … end",
    "int": "cast(x as bigint)",
    "float": "cast(x as double)",
    "str": "cast(x as text)",
    "astype": "cast(x as double)",
    "to_date": "cast(x as date)",
    "to_timestamp": "cast(x as timestamp)",
}
"""By the name of a function."""
_OPERATORS = {
    "Pow": "pow(a, b)",
    "IntDiv": "floor(a / b)",
    "ArrayOverlaps": "a and b",
    "Window": _OF_ONE_ROW,
    "RegexpLike": _PATTERNS,
}
"""By what sqlglot calls it."""
LIST = "docs/shape.md lists the operators and functions"


def instead_of_function(name: str, known: Iterable[str]) -> str:
    """The hint for a function that there is not."""
    return _INSTEAD.get(name.lower()) or did_you_mean(name, sorted(known))


def instead_of_operator(kind: str, words: str) -> str:
    """The hint for a part of an expression that there is not. words: as it stands there."""
    method = words.rpartition(".")[2].partition("(")[0]
    return _OPERATORS.get(kind) or (_INSTEAD.get(method.lower(), LIST) if kind == "Dot" else LIST)


def unquoted_name(text: str, names: Iterable[str]) -> str | None:
    """The hint for an expression that does not parse, where a name in it asks for quotes."""
    for name in names:
        if name and not name.isidentifier() and name in text and f'"{name}"' not in text:
            return f'the name of a column with other characters stands in double quotes: "{name}"'
    return None
