"""The reference of the command line, from `--help-all`: `python -m bigdata_cli.cli.reference`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click

from bigdata_cli.cli import main
from bigdata_cli.cli.options import RequestCommand
from bigdata_cli.synonyms import answers_of, options_of_command, synonyms_of

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
        "Generated from `--help-all` by `make docs`: change the help texts, not this page.",
    ]
    for name, command, context in commands():
        whole = command.all_help if isinstance(command, RequestCommand) else command.get_help
        help_text = "\n".join(line.rstrip() for line in whole(context).splitlines())
        parts.append(f"## `{name}`\n\n```text\n{help_text}\n```")
        parts += _words_of_other_tools(command.name or "")
    return "\n\n".join(parts) + "\n"


def _words_of_other_tools(command: str) -> Iterator[str]:
    """What a command understands besides its own options, and what it answers to others."""
    options = options_of_command(command)
    same = {flag: words for flag, words in synonyms_of(options).items() if words}
    if same:
        yield "Words of other tools that mean the same:"
        rows = [f"| `{flag}` | {_code(words)} |" for flag, words in same.items()]
        yield "\n".join(["| option | synonyms |", "|---|---|", *rows])
    answers: dict[str, list[str]] = {}
    for word, answer in answers_of(options).items():
        answers.setdefault(answer, []).append(word)
    if answers:
        yield "Words of other tools that are answered with what there is instead:"
        rows = [f"| {_code(words)} | {answer} |" for answer, words in answers.items()]
        yield "\n".join(["| word | answer |", "|---|---|", *rows])


def _code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


if __name__ == "__main__":
    click.echo(reference(), nl=False)
