"""What is said of the seconds in which the first command on a machine compiles."""

from __future__ import annotations

import io
import logging
import sys

import pytest

from bigdata_cli.cli import main
from bigdata_cli.cli.compiling import announce_compiling
from bigdata_cli.cli.convert import convert_command

LINE = "Compiling for this processor"


def compile_two() -> None:
    for name in ("one", "another"):
        logging.getLogger("bigdata_cli.native").info("compiling %s", name)


def test_it_is_said_once() -> None:
    stream = io.StringIO()
    announce_compiling(stream)
    compile_two()
    assert stream.getvalue().count(LINE) == 1
    announce_compiling(stream)
    announce_compiling(None)
    compile_two()
    assert stream.getvalue().count(LINE) == 1


@pytest.mark.parametrize("flag", ["-q", "--quiet"])
def test_quiet_is_quiet(flag: str) -> None:
    stream = io.StringIO()
    announce_compiling(stream)
    convert_command.make_context("convert", ["a.csv", "--to", "npy", flag])
    compile_two()
    assert not stream.getvalue()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()])
def test_on_terminals_only(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    main.make_context("bigdata", ["--", "sample"]).invoke(main.callback)
    compile_two()
    assert stream.getvalue().count(LINE) == stream.isatty()
    announce_compiling(None)
