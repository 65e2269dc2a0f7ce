"""What a shell completes: names of columns of the files at hand, and the values of options."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from os import fspath

import click
from click.shell_completion import CompletionItem


def complete_choice(choices: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """The choices that begin so."""
    return [CompletionItem(one) for one in choices if one.startswith(incomplete)]


def complete_columns(ctx: click.Context, incomplete: str, *, several: bool) -> list[CompletionItem]:
    """The columns of the files that the command line names so far.

    several: names may stand before this one, separated by commas.
    """
    begun, comma, part = incomplete.rpartition(",") if several else ("", "", incomplete)
    given = begun.split(",")
    names = _columns_of(_paths(ctx))
    return [
        CompletionItem(f"{begun}{comma}{name}")
        for name in names
        if name.startswith(part) and name not in given
    ]


def _paths(ctx: click.Context) -> list[str]:
    """The words so far that are files or folders, whether they are parsed already or not."""
    words = list(ctx.args)
    for one in ctx.command.params:
        value = ctx.params.get(one.name or "") if isinstance(one, click.Argument) else None
        words += value if isinstance(value, tuple) else [value] if value else []
    return [fspath(word) for word in words if os.path.exists(word)]


def _columns_of(paths: Sequence[str]) -> Sequence[str]:
    """The names of columns; none where the files cannot be read: a shell waits for an answer."""
    if not paths:
        return ()
    from bigdata_cli.errors import BigdataError
    from bigdata_cli.sources.registry import open_rows

    try:
        return open_rows(paths).names
    except (BigdataError, OSError):
        return ()
