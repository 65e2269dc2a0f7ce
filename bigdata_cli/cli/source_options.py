"""The options that say how a source is read: shared by the commands that read one."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from bigdata_cli.cli.options import Character, ColumnList, Delimiter, compose

if TYPE_CHECKING:
    from bigdata_cli.sources.csv.options import SourceOptions


def _tuple_or_none(
    ctx: click.Context, param: click.Parameter, value: tuple[str, ...]
) -> tuple[str, ...] | None:
    return value or None


# The names of the parameters are those of the fields of SourceOptions.
source_options = compose(
    click.option(
        "--delimiter",
        type=Delimiter(),
        help="Between fields: one or more characters, such as ';', tab, space or '::'.  "
        "[default: found]",
    ),
    click.option(
        "--quote",
        type=Character(may_be_none=True),
        help='Around fields; none: no quoting.  [default: ", or found]',
    ),
    click.option(
        "--escape",
        type=Character(may_be_none=True),
        help="Makes the next character plain, such as '\\'; none.  [default: none, or found]",
    ),
    click.option(
        "--header/--no-header",
        default=None,
        help="Whether the first row names the columns.  [default: found]",
    ),
    click.option(
        "--names",
        type=ColumnList(),
        help="Names of all columns, separated by commas; they replace a header.",
    ),
    click.option(
        "--skip-rows",
        type=click.IntRange(min=0),
        default=0,
        metavar="N",
        help="Lines to leave out at the beginning of each file, before the header.",
    ),
    click.option(
        "--comment",
        type=Character(),
        help="Lines that begin with it are left out, such as '#'.",
    ),
    click.option(
        "--trim/--no-trim",
        default=None,
        help="Whether spaces around fields are left out.  [default: found]",
    ),
    click.option(
        "--decimal",
        type=Character(),
        default=".",
        help="Decimal mark of numbers.  [default: .]",
    ),
    click.option(
        "--thousands",
        type=Character(),
        help="Mark between groups of three digits, such as ','.  [default: none]",
    ),
    click.option(
        "--null",
        "null_tokens",
        multiple=True,
        metavar="[COL=]TOKEN",
        callback=_tuple_or_none,
        help="Text that means null, in all columns or in one; repeatable; replaces the default "
        "list.  [default: empty NA N/A n/a NaN nan null NULL \\N #N/A <NA>]",
    ),
    click.option(
        "--text/--no-text",
        default=None,
        help="Lines become rows of one column, text.  [default: for .txt]",
    ),
    click.option(
        "--keep-blank-lines",
        is_flag=True,
        help="Blank lines of a text are rows too.",
    ),
    click.option(
        "--encoding",
        metavar="NAME",
        help="Of the file, such as cp1252 or utf-16-le.  [default: UTF-8, or UTF-16 or UTF-32 with "
        "a byte order mark]",
    ),
)


def take_source_options(options: dict[str, Any]) -> SourceOptions:
    """The source options among a command's options, which lose them."""
    from bigdata_cli.sources.csv.options import SourceOptions

    names = [field.name for field in fields(SourceOptions)]
    return SourceOptions(**{name: options.pop(name) for name in names if name in options})
