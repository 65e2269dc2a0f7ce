"""The reference of the command line, from `--help`: `python -m bigdata_cli.cli.reference`."""

from __future__ import annotations

from collections.abc import Iterator

import click

from bigdata_cli.cli import main

WIDTH = 96


def commands() -> Iterator[tuple[str, click.Command, click.Context]]:
    """The group and every command of it: its full name, the command, and a context for it."""
    group_context = click.Context(
        main,
        info_name="bigdata",
        terminal_width=WIDTH,
        help_option_names=main.context_settings["help_option_names"],
    )
    yield "bigdata", main, group_context
    for name in main.list_commands(group_context):
        command = main.get_command(group_context, name)
        if command is not None:
            context = click.Context(
                command, parent=group_context, info_name=name, terminal_width=WIDTH
            )
            yield f"bigdata {name}", command, context


def reference() -> str:
    """The help of every command, as Markdown."""
    parts = [
        "# Command line",
        "Generated from `--help` by `make docs`: change the help texts, not this page.",
    ]
    for name, command, context in commands():
        help_text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
        parts.append(f"## `{name}`\n\n```text\n{help_text}\n```")
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    click.echo(reference(), nl=False)
