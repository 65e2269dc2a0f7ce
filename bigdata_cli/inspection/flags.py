"""The options that give a dialect."""

from __future__ import annotations

from bigdata_cli.options import values_of
from bigdata_cli.sources.csv.dialect import Dialect
from bigdata_cli.sources.csv.options import source_options_of

_ALWAYS = ("delimiter", "header")


def dialect_flags(dialect: Dialect) -> tuple[str, ...]:
    """The words of a command line under which any file is read in this dialect.

    What is as it is by default is left out; the delimiter and the header are always there.

    >>> dialect_flags(Dialect(delimiter="\\t", header=False, null_tokens=("-",)))
    ('--delimiter', 'tab', '--no-header', '--null', '-')
    """
    plain = source_options_of(Dialect(delimiter=","))
    return tuple(
        word
        for one, value in values_of(source_options_of(dialect))
        if value is not None and (one.field in _ALWAYS or value != getattr(plain, one.field))
        for word in one.words(value)
    )
