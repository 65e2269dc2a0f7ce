"""The options of a request as options of the command line, and those that commands alone have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import MISSING
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from bigdata_cli.cli.complete import complete_choice, complete_columns
from bigdata_cli.errors import UsageError
from bigdata_cli.option_kinds import PATH, PLACE, Kind
from bigdata_cli.options import Option, options_of
from bigdata_cli.synonyms import no_such_option, synonyms_of
from bigdata_cli.url import as_place, is_address

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON on stdout instead of tables."
)
quiet_option = click.option(
    *("-q", "--quiet"), is_flag=True, help="Print neither progress nor summary."
)


verbose_option = click.option(
    *("-v", "--verbose"),
    is_flag=True,
    help="Say on stderr what is decided, why, and how long it took.",
)


_ALL_OPTIONS = "bigdata_cli.all_options"
"""The key in `Context.meta` for whether a help text has the rare options too."""


class RequestCommand(click.Command):
    """A command whose `--help` has the options under the headings of their groups.

    Where there are rare ones, `--help` leaves them out, and `--help-all` shows all. An option of
    another tool that it does not have is answered with the one that it has.
    """

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        if self.rare_options:
            self.params.append(
                click.Option(
                    ["--help-all"],
                    is_flag=True,
                    is_eager=True,
                    expose_value=False,
                    callback=_show_all_help,
                    help="Show all options and exit.",
                )
            )

    @property
    def rare_options(self) -> list[RequestOption]:
        """The options that only `--help-all` shows."""
        return [one for one in self.params if isinstance(one, RequestOption) and one.is_rare]

    def all_help(self, ctx: click.Context) -> str:
        """The text of `--help-all`."""
        ctx.meta[_ALL_OPTIONS] = True
        return self.get_help(ctx)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words of the command line."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            answer = no_such_option(error.option_name, self.name or "")
            raise answer or self._without_synonyms(error, ctx) from None

    def _without_synonyms(self, error: click.NoSuchOption, ctx: click.Context) -> click.UsageError:
        """The error with suggestions of own names only."""
        own: dict[str, str] = {}
        for one in self.params:
            if isinstance(one, RequestOption):
                own |= dict.fromkeys(one.opts, one.flags[-1])
        close = dict.fromkeys(own.get(flag, flag) for flag in error.possibilities or ())
        meant = f" Did you mean {' or '.join(close)}?" if close else ""
        return click.UsageError(error.message + meant, ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, those of a group together; those without one are last."""
        groups: dict[str, list[tuple[str, str]]] = {}
        rare = [] if ctx.meta.get(_ALL_OPTIONS) else self.rare_options
        for param in self.get_params(ctx):
            if param in rare:
                continue
            record = param.get_help_record(ctx)
            if record is not None and isinstance(param, click.Option):
                groups.setdefault(getattr(param, "group", ""), []).append(record)
        for group in sorted(groups, key=lambda name: name == ""):
            with formatter.section(group or ("Other options" if len(groups) > 1 else "Options")):
                formatter.write_dl(groups[group])
        if rare:
            formatter.write_paragraph()
            formatter.write_text(f"{len(rare)} more options: {ctx.command_path} --help-all")


class RequestOption(click.Option):
    """An option of a request.

    synonyms: its names in other tools, which `--help` does not have; flags: its own ones; is_rare:
    only `--help-all` shows it.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        group: str,
        synonyms: Sequence[str],
        is_rare: bool,
        **attributes: Any,
    ) -> None:
        super().__init__(names, **attributes)
        self.group = group
        self.is_rare = is_rare
        self.flags = self.opts
        self.opts = [*self.opts, *synonyms]

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """The line of `--help`, with the option's own names."""
        shown = copy(self)
        shown.opts = self.flags
        return super(RequestOption, shown).get_help_record(ctx)

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """How an error calls it."""
        shown = copy(self)
        shown.opts = self.flags
        return super(RequestOption, shown).get_error_hint(ctx)


class PlaceOf(click.Path):
    """A path or an address."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The place of a text."""
        if not is_address(value):
            return super().convert(value, param, ctx)
        try:
            return as_place(value)
        except UsageError as error:
            self.fail(_one_line(error), param, ctx)


class ValueOf(click.ParamType):
    """The values of a kind; what it refuses is a usage error."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self.name = kind.metavar

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The value of a text; a default is one already."""
        if not isinstance(value, str):
            return value
        try:
            return self._kind.parse(value)
        except UsageError as error:
            self.fail(_one_line(error), param, ctx)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """What a shell offers: one of the choices, or a column of the files at hand."""
        if self._kind.choices:
            return complete_choice(self._kind.choices, incomplete)
        if param.metavar in ("COL", "COLS"):
            return complete_columns(ctx, incomplete, several=param.metavar == "COLS")
        return []


def _show_all_help(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        assert isinstance(ctx.command, RequestCommand)
        click.echo(ctx.command.all_help(ctx), color=ctx.color)
        ctx.exit()


def request_options(request: type) -> Callable[[Any], Any]:
    """Gives a command all options of a request; its parameters have the names of the arguments."""

    def decorate(command: Any) -> Any:
        options = list(options_of(request))
        synonyms = synonyms_of(options)
        for one in reversed(options):
            command = _click_option(one, synonyms.get(one.flag, ()))(command)
        return command

    return decorate


def check_quiet(*, quiet: bool, verbose: bool) -> None:
    """Raise UsageError where both --quiet and --verbose are given."""
    exclusive(quiet=quiet or None, verbose=verbose or None)


def exclusive(**given: object) -> None:
    """Raise a usage error where more than one of the options has a value.

    Keys are the options' names without dashes in front and with "_" for "-".
    """
    flags = [f"--{name.replace('_', '-')}" for name, value in given.items() if value is not None]
    if len(flags) > 1:
        raise click.UsageError(
            f"{' and '.join(flags)} exclude each other", click.get_current_context(silent=True)
        )


def _click_option(one: Option, synonyms: Sequence[str]) -> Callable[[Any], Any]:
    """An option of the command line.

    Defaults are shown as a text where they are not a value; a default that is None, empty or False
    is not shown.
    """
    names = [one.short, one.flag] if one.short else [one.flag]
    help_text = f"{one.help.removesuffix('.')}{one.values.note}."
    if one.default_text:
        help_text += f"  [default: {one.default_text}]"
    attributes: dict[str, Any] = {"help": help_text, "group": one.group, "synonyms": synonyms}
    attributes["is_rare"] = one.is_rare
    attributes["cls"] = RequestOption
    if not one.takes_value:
        if one.default is False:
            attributes["is_flag"] = True
        else:
            names[-1] += f"/{one.flag_of(False)}"
            attributes |= {"default": one.default, "show_default": one.default is True}
        return click.option(*names, one.argument, **attributes)
    attributes["type"] = _click_type(one.values)
    attributes["metavar"] = one.metavar or one.values.metavar
    if one.values.collect is not None:
        attributes |= {"multiple": True, "callback": _collector(one)}
    elif one.default is MISSING:
        attributes["required"] = True
    elif one.default is not None:
        attributes |= {"default": one.values.write(one.default)}
        attributes["show_default"] = not one.default_text
    return click.option(*names, one.argument, **attributes)


def _click_type(kind: Kind) -> click.ParamType:
    if kind is PATH:
        return click.Path(path_type=Path)
    if kind is PLACE:
        return PlaceOf()
    if kind.bounds is not None:
        bounds = kind.bounds._asdict()
        low, high = bounds.pop("minimum"), bounds.pop("maximum")
        range_ = click.IntRange if kind.parse is int else click.FloatRange
        return range_(min=low, max=high, **bounds)
    return ValueOf(kind)


def _collector(one: Option) -> Callable[..., Any]:
    def collect(ctx: click.Context, param: click.Parameter, values: Sequence[Any]) -> Any:
        if not values:
            return one.default
        assert one.values.collect is not None
        try:
            return one.values.collect(values)
        except UsageError as error:
            raise click.BadParameter(error.message, ctx, param) from error

    return collect


def _one_line(error: UsageError) -> str:
    return error.message if error.hint is None else f"{error.message}. {error.hint}"
