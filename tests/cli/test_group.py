"""The group: help, versions, suggestions, and what every failure looks like."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys

import click
import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner

from bigdata_cli import __version__
from bigdata_cli.cli import COMMANDS, exit_status, main
from bigdata_cli.cli.reference import commands
from bigdata_cli.errors import BudgetError, DataError, UsageError, VerificationError


def run(*arguments: str):
    """The result of a command line: exit_code, stdout, stderr."""
    return CliRunner().invoke(main, list(arguments))


def test_version():
    assert run("--version").stdout == f"bigdata {__version__}\n"


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_every_command(flag):
    result = run(flag)
    assert result.exit_code == 0
    for name, (_, summary) in COMMANDS.items():
        assert name in result.stdout
        assert summary in result.stdout


def test_the_summaries_are_those_of_the_commands():
    """`bigdata --help` shows lines of its own, so that it need not import the commands."""
    for name, command, _ in commands():
        if command is not main:
            summary = COMMANDS[name.removeprefix("bigdata ")][1]
            assert command.get_short_help_str(limit=100) == summary


def test_no_command_shows_the_help_and_is_a_usage_error():
    result = run()
    assert result.exit_code == 2
    assert "Commands:" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["convret"], 'No such command "convret". Did you mean "convert"?', "bigdata --help"),
        (["convert", "a.csv", "--too", "npy"], "Did you mean", "bigdata convert --help"),
        (["predict", "m.keras", "a.csv"], "Missing option '-o'", "bigdata predict --help"),
        (["--colour"], "No such option '--colour'", "bigdata --help"),
    ],
)
def test_usage_errors_are_one_message_with_a_hint(arguments, message, hint):
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.splitlines()[-1] == f"Hint: {hint}"
    assert result.stdout == ""


def raising(error: BaseException):
    def command() -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UsageError("what"), 2),
        (DataError("what"), 3),
        (BudgetError("what"), 4),
        (VerificationError("what"), 5),
        (click.UsageError("what"), 2),
    ],
)
def test_every_error_has_its_status_and_no_traceback(error, status, capsys):
    assert exit_status(raising(error)) == status
    captured = capsys.readouterr()
    assert captured.err.startswith("Error: what\n")
    assert captured.out == ""


def test_the_hint_has_a_line_of_its_own(capsys):
    exit_status(raising(DataError("line 7 is short", hint="--on-bad-row skip")))
    assert capsys.readouterr().err == "Error: line 7 is short\nHint: --on-bad-row skip\n"


def test_a_message_cannot_disturb_the_terminal(capsys):
    exit_status(raising(DataError('column "a\x1b[2J" is short\nsecond line')))
    assert capsys.readouterr().err == 'Error: column "a\\x1b[2J" is short\nsecond line\n'


def test_a_full_disk_is_a_budget_error(capsys):
    error = OSError(errno.ENOSPC, "No space left on device", "out/x.parquet.partial")
    assert exit_status(raising(error)) == 4
    assert "out/x.parquet.partial" in capsys.readouterr().err


def test_a_disk_that_fails_is_no_bug(capsys):
    assert exit_status(raising(OSError(errno.EIO, "Input/output error", "/x"))) == 3
    assert capsys.readouterr().err == "Error: the disk fails: /x: Input/output error\n"


def test_a_folder_without_permission_is_a_usage_error(capsys):
    assert exit_status(raising(PermissionError(errno.EACCES, "Permission denied", "/x"))) == 2
    assert capsys.readouterr().err == "Error: /x: Permission denied\n"


def test_an_unforeseen_error_shows_where_it_arose_and_asks_for_a_report(capsys):
    assert exit_status(raising(ZeroDivisionError("half"))) == 1
    stderr = capsys.readouterr().err
    assert "Traceback" in stderr
    assert "ZeroDivisionError: half" in stderr
    assert "please report it" in stderr


def test_end_of_file_within_a_command_is_no_interrupt(capsys):
    assert exit_status(raising(EOFError("cut short"))) == 1
    assert "EOFError" in capsys.readouterr().err


def test_an_interrupt_ends_with_130():
    script = (
        "import signal, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # as in the foreground
        "from bigdata_cli.cli import exit_status\n"
        "def command():\n"
        "    print('ready', flush=True)\n"
        "    time.sleep(60)\n"
        "raise SystemExit(exit_status(command))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stderr == "Interrupted\n"


def test_a_closed_pipe_is_quiet():
    process = subprocess.Popen(
        [sys.executable, "-m", "bigdata_cli", "convert", "--help"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(timeout=30) == 141
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()


def test_a_name_that_the_terminal_cannot_show_is_no_failure():
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run(
        [sys.executable, "-m", "bigdata_cli", "日本"],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "\\u65e5\\u672c" in done.stderr


def test_rare_options_are_in_the_help_of_all_options_alone():
    shown, whole = run("convert", "--help").stdout, run("convert", "--help-all").stdout
    for flag in ("--to ", "--delimiter ", "--where "):
        assert flag in shown
        assert flag in whole
    for flag in ("--escape ", "--nested ", "--profile"):
        assert flag not in shown
        assert flag in whole
    count = int(re.search(r"(\d+) more options: .*convert --help-all", shown)[1])
    n_lines = [len(re.findall(r"^  -", text, re.MULTILINE)) for text in (shown, whole)]
    assert n_lines[0] + count == n_lines[1]
    assert "--help-all" not in run("sample", "--help").stdout


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["convert", "--to", "p"], ["parquet"]),
        (["convert", "data.csv", "--label", "a"], ["alpha", "age"]),
        (["convert", "data.csv", "--drop", "alpha,a"], ["alpha,age"]),
        (["convert", "data.csv", "--to", "npy", "--columns", ""], ["alpha", "age", "beta"]),
        (["convert", "nothing.csv", "--label", ""], []),
        (["convert", "--label", ""], []),
        (["inspect", "data.csv", "--label", "b"], ["beta"]),
        (["convert", "da"], ["da"]),
        (["doc"], ["doctor"]),
    ],
)
def test_a_shell_completes_values_and_columns(words, offered, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.csv").write_text("alpha,age,beta\n1,2,3\n")
    complete = BashComplete(main, {}, "bigdata", "_BIGDATA_COMPLETE")
    found = complete.get_completions(words[:-1], words[-1])
    assert [item.value for item in found] == offered
