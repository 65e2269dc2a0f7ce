"""Kinds of option values that commands share; click turns what they refuse into usage errors."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from bigdata_cli.errors import UsageError, did_you_mean

Value = TypeVar("Value")

BACKENDS = ("tensorflow", "torch", "jax")
"""What Keras runs on."""

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON on stdout instead of tables."
)


quiet_option = click.option(
    *("-q", "--quiet"),
    is_flag=True,
    help="Print neither progress nor summary.",
)


class Name(click.ParamType):
    """One of a few names, with a suggestion for one that is not among them."""

    name = "name"

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        return "|".join(self.names)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in self.names:
            self.fail(
                f'"{value}" is not one of them. {did_you_mean(value, self.names)}', param, ctx
            )
        return value


class Size(click.ParamType):
    """A size such as 256MB or 1.5GiB, as bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from bigdata_cli.resources.sizes import parse_size

        if isinstance(value, int):
            return value
        try:
            return parse_size(value)
        except UsageError as error:
            self.fail(_one_line(error), param, ctx)


class ColumnDtype(click.ParamType):
    """COL=DTYPE, as (column, dtype). The column's name may hold "=": the last one counts."""

    name = "COL=DTYPE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        from bigdata_cli.types.dtype import parse_dtype

        if isinstance(value, tuple):
            return value
        column, equals, dtype = value.rpartition("=")
        if not equals or not column:
            self.fail(f'"{value}" is not COL=DTYPE, such as zip=text', param, ctx)
        try:
            return column, parse_dtype(dtype)
        except UsageError as error:
            self.fail(_one_line(error), param, ctx)


class ColumnList(click.ParamType):
    """Names separated by commas; a name that holds one stands in double quotes, as in CSV."""

    name = "COLS"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = tuple(next(csv.reader([value]), []))
        if not names or "" in names:
            self.fail(f'"{value}" has an empty name', param, ctx)
        return names


class ColumnBuckets(click.ParamType):
    """COL=BUCKETS, as (column, number). The column's name may hold "=": the last one counts."""

    name = "COL=BUCKETS"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        column, equals, number = value.rpartition("=")
        if not equals or not column or not (number.isascii() and number.isdigit()):
            self.fail(f'"{value}" is not COL=BUCKETS, such as name=1024', param, ctx)
        return column, int(number)


class UnitList(click.ParamType):
    """Units of layers, separated by commas; `none` is no layer."""

    name = "UNITS"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        if value == "none":
            return ()
        parts = [part.strip() for part in value.split(",")]
        if not all(part.isascii() and part.isdigit() and int(part) for part in parts):
            self.fail(f'"{value}" is not a list of layers, such as 16,16,16', param, ctx)
        return tuple(map(int, parts))


class Character(click.ParamType):
    """One ASCII character; `tab`, `\\t` and `space` are those; `none`, where allowed, is none."""

    name = "char"

    def __init__(self, *, may_be_none: bool = False) -> None:
        self.may_be_none = may_be_none

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        value = {"tab": "\t", "\\t": "\t", "space": " "}.get(value, value)
        if self.may_be_none and value in ("none", ""):
            return ""
        if len(value) != 1 or not value.isascii() or value in "\r\n\0":
            self.fail(f'"{value}" is not one ASCII character', param, ctx)
        return value


class Delimiter(click.ParamType):
    """What stands between fields: one or more ASCII characters; `tab` and `space` are those."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from bigdata_cli.sources.csv.dialect import check_delimiter

        try:
            return check_delimiter(value)
        except UsageError as error:
            self.fail(_one_line(error), param, ctx)


def joined(
    ctx: click.Context, param: click.Parameter, value: Sequence[tuple[str, ...]]
) -> tuple[str, ...]:
    """The names of all uses of a repeatable option, each once, in order."""
    return tuple(dict.fromkeys(name for names in value for name in names))


def unique_mapping(
    ctx: click.Context, param: click.Parameter, value: Sequence[tuple[str, Value]]
) -> dict[str, Value]:
    """The pairs of a repeatable option; raises a usage error where two contradict."""
    pairs: dict[str, Value] = {}
    for key, item in value:
        if pairs.setdefault(key, item) != item:
            raise click.BadParameter(f'"{key}" is given twice: {pairs[key]} and {item}', ctx, param)
    return pairs


def exclusive(**given: object) -> None:
    """Raise a usage error where more than one of the options has a value.

    Keys are the options' names without dashes in front and with "_" for "-".
    """
    flags = [f"--{name.replace('_', '-')}" for name, value in given.items() if value is not None]
    if len(flags) > 1:
        raise click.UsageError(
            f"{' and '.join(flags)} exclude each other", click.get_current_context(silent=True)
        )


def compose(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Several option decorators as one, in the order in which `--help` shows them."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


memory_record_options = compose(
    click.option(
        "--memory-plot",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Draw memory over time into a .png, .svg or .pdf (extra: plot).",
    ),
    click.option(
        "--memory-log",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Write memory over time as a CSV: seconds, rss_bytes, phase.",
    ),
)
"""What is recorded of memory, for commands that take their time."""


def _one_line(error: UsageError) -> str:
    return error.message if error.hint is None else f"{error.message}. {error.hint}"
