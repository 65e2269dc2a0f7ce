"""The command line: a group whose commands are imported only when they are called.

Everything that goes wrong in a command is turned into a message and an exit status here.
"""

from __future__ import annotations

import errno
import gc
import os
import shlex
import sys
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

from bigdata_cli import __version__
from bigdata_cli.cli.interrupts import INTERRUPTED, Interrupts
from bigdata_cli.cli.process import quiet_resource_tracker, raise_file_limit
from bigdata_cli.cli.render import sanitize
from bigdata_cli.errors import BigdataError, did_you_mean
from bigdata_cli.resources.heap import use_one_heap
from bigdata_cli.url import shown

BROKEN_PIPE = 141
DATA = 3
BUDGET = 4
_COLLECTED_OBJECTS = 50_000

COMMANDS: dict[str, tuple[str, str]] = {
    "convert": (
        "bigdata_cli.cli.convert:convert_command",
        "Convert CSV, text or Parquet files, or a dataset, into a dataset.",
    ),
    "commit": (
        "bigdata_cli.cli.commit:commit_command",
        "Make one dataset of what the tasks of a job array have written.",
    ),
    "inspect": (
        "bigdata_cli.cli.inspect:inspect_command",
        "Show what is in a file or a dataset, and what it costs.",
    ),
    "head": (
        "bigdata_cli.cli.head:head_command",
        "Show the first rows of a dataset or a file, as a table with types.",
    ),
    "cat": (
        "bigdata_cli.cli.cat:cat_command",
        "Write the rows of a dataset to standard output, for other programs.",
    ),
    "diff": (
        "bigdata_cli.cli.diff:diff_command",
        "Compare two datasets or files: columns, rows, statistics, drift.",
    ),
    "train": (
        "bigdata_cli.cli.train:train_command",
        "Train a small model on a dataset, to prove that it works.",
    ),
    "predict": (
        "bigdata_cli.cli.predict:predict_command",
        "Predict every row of a dataset, or of a file, with a saved model.",
    ),
    "verify": (
        "bigdata_cli.cli.verify:verify_command",
        "Check every file of a dataset, and its values against its source.",
    ),
    "push": (
        "bigdata_cli.cli.push:push_command",
        "Publish a dataset, with a card that says what is in it.",
    ),
    "clean": (
        "bigdata_cli.cli.clean:clean_command",
        "Remove what conversions that do not go on have left.",
    ),
    "doctor": (
        "bigdata_cli.cli.doctor:doctor_command",
        "Check this installation, and show what this machine has.",
    ),
    "sample": (
        "bigdata_cli.cli.sample:sample_command",
        "Make sample data: transactions, sensors, messy or log.",
    ),
}
"""Command → where it is, and the one line that `bigdata --help` shows without importing it."""


class CommandGroup(click.Group):
    """A group that knows its commands by name and imports one when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        return getattr(import_module(module), attribute)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            hint = did_you_mean(args[0], COMMANDS)
            raise click.UsageError(f'No such command "{args[0]}". {hint}', ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> NoReturn:
        """Run the command line and exit with its status."""
        prog_name = prog_name or "bigdata"
        if f"_{prog_name}_COMPLETE".upper() in os.environ:
            super().main(args, prog_name, complete_var, **extra)
        arguments = sys.argv[1:] if args is None else list(args)
        raise_file_limit()
        quiet_resource_tracker()
        if arguments[:1] == ["convert"]:
            use_one_heap()
        # Imports make 100,000 objects that stay, which would be looked through a hundred times.
        gc.set_threshold(_COLLECTED_OBJECTS)
        for stream in (sys.stdout, sys.stderr):
            # A name that the terminal cannot show must not end a command.
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")

        def invoke() -> None:
            with self.make_context(prog_name, arguments, **extra) as ctx:
                self.invoke(ctx)
            sys.stdout.flush()

        line = _printable(shlex.join([prog_name, *map(shown, arguments)]))
        with Interrupts(f"Interrupted; the same command puts in order what it left:\n  {line}\n"):
            sys.exit(exit_status(invoke, line))


def exit_status(command: Callable[[], object], line: str = "") -> int:
    """Run a command; print what goes wrong on stderr, and return the exit status.

    line: the command as it was typed, which is shown where an error's note says that it can go on.
    """
    try:
        command()
    except (Exception, KeyboardInterrupt) as error:
        status = _report_error(error)
        for note in getattr(error, "__notes__", ()):
            click.echo(f"{_printable(note)}:\n  {line}", err=True)
        return status
    return 0


def _is_interrupt(error: BaseException | None) -> bool:
    """Whether an interrupt is what ended a command.

    Before Python 3.12 one that comes while a class is made is the cause of a RuntimeError.
    """
    if isinstance(error, RuntimeError) and not isinstance(error, click.Abort):
        error = error.__cause__
    return isinstance(error, KeyboardInterrupt | click.Abort)


def _report_error(error: BaseException) -> int:
    """Say what went wrong; returns the exit status."""
    match error:
        case click.exceptions.Exit():
            return error.exit_code
        case click.ClickException():
            return _report_usage(error)
        case BigdataError():
            return _report(error.message, hint=error.hint, status=error.exit_code)
        case _ if _is_interrupt(error):
            click.echo("Interrupted", err=True)
            return INTERRUPTED
        case BrokenPipeError():
            _discard_output()
            return BROKEN_PIPE
        case MemoryError():
            return _report("memory does not suffice", hint="--jobs 1 needs least", status=BUDGET)
        case OSError(errno=errno.ENOSPC | errno.EDQUOT):
            hint = "--output names a folder elsewhere"
            return _report(f"the disk is full: {_where(error)}", hint=hint, status=BUDGET)
        case OSError(errno=errno.EACCES | errno.EPERM | errno.EROFS):
            return _report(_where(error), hint=None, status=2)
        case OSError(errno=errno.EIO | errno.ESTALE):
            return _report(f"the disk fails: {_where(error)}", hint=None, status=DATA)
    return _report_bug()


def _report(message: str, *, hint: str | None, status: int) -> int:
    click.echo(f"Error: {_printable(message)}", err=True)
    if hint is not None:
        click.echo(f"Hint: {_printable(hint)}", err=True)
    return status


def _report_usage(error: click.ClickException) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return error.exit_code
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "bigdata"
    return _report(error.format_message(), hint=f"{path} --help", status=error.exit_code)


def _report_bug() -> int:
    traceback.print_exc()
    click.echo(
        f"This is a bug in bigdata {__version__}: please report it, with the lines above and the "
        "command that led to it.",
        err=True,
    )
    return 1


def _printable(text: str) -> str:
    return "\n".join(sanitize(line) for line in text.split("\n"))


def _where(error: OSError) -> str:
    reason = error.strerror or str(error)
    return reason if error.filename is None else f"{os.fsdecode(error.filename)}: {reason}"


def _discard_output() -> None:
    """Give the closed pipe's place to a sink: Python flushes stdout once more when it exits."""
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, sys.stdout.fileno())


@click.group(
    "bigdata",
    cls=CommandGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "--version", prog_name="bigdata", message="%(prog)s %(version)s")
def main() -> None:
    """Turn CSV and text files that do not fit in memory into training-ready datasets.

    \b
    bigdata inspect data.csv
    bigdata convert data.csv --to tfrecord --shards 3
    bigdata train data-tfrecord --label target
    """
