"""A dialect as the options that say it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bigdata_cli.sources.csv.dialect import Dialect


def dialect_flags(dialect: Dialect) -> tuple[str, ...]:
    """The words of a command line under which any file is read in this dialect.

    What is as it is by default is left out; the delimiter and the header are always there.

    >>> from bigdata_cli.sources.csv.dialect import Dialect
    >>> dialect_flags(Dialect(delimiter="\\t", header=False, null_tokens=("-",)))
    ('--delimiter', 'tab', '--no-header', '--null', '-')
    """
    if dialect.delimiter is None:
        words = ["--text"]
    else:
        words = ["--delimiter", _word(dialect.delimiter)]
        if dialect.quote != '"':
            words += ["--quote", _word(dialect.quote or "none")]
        if dialect.escape is not None:
            words += ["--escape", _word(dialect.escape)]
        words.append("--header" if dialect.header else "--no-header")
        if dialect.names is not None:
            words += ["--names", column_list(dialect.names)]
        if dialect.trim:
            words.append("--trim")
        if dialect.decimal != ".":
            words += ["--decimal", _word(dialect.decimal)]
        if dialect.thousands is not None:
            words += ["--thousands", _word(dialect.thousands)]
        words += _nulls(dialect)
    if dialect.skip_rows:
        words += ["--skip-rows", str(dialect.skip_rows)]
    if dialect.comment is not None:
        words += ["--comment", _word(dialect.comment)]
    if dialect.keep_blank_lines:
        words.append("--keep-blank-lines")
    if dialect.encoding != "utf-8":
        words += ["--encoding", dialect.encoding]
    return tuple(words)


def _word(mark: str) -> str:
    return {"\t": "tab", " ": "space"}.get(mark, mark.replace("\t", "\\t"))


def column_list(names: tuple[str, ...]) -> str:
    """Names separated by commas, as the options that take columns read them."""
    import csv
    import io

    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(names)
    return line.getvalue()


def _nulls(dialect: Dialect) -> list[str]:
    from bigdata_cli.sources.csv.dialect import NULL_TOKENS

    words: list[str] = []
    if dialect.null_tokens != NULL_TOKENS:
        for token in dialect.null_tokens:
            words += ["--null", token]
    for column, tokens in dialect.column_null_tokens:
        for token in tokens:
            words += ["--null", f"{column}={token}"]
    return words
