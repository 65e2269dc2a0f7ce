"""What is said of the seconds in which the first command on a machine compiles."""

from __future__ import annotations

import io
import logging
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from bigdata_cli import convert
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


def test_on_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n" + "1,2\n" * 50)
    convert(tmp_path / "a.csv", to="tfrecord", output=tmp_path / "d")
    reader, writer = pty.openpty()
    try:
        subprocess.run(
            [sys.executable, "-m", "bigdata_cli", "verify", str(tmp_path / "d")],
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")},
            stdout=subprocess.DEVNULL,
            stderr=writer,
            check=True,
        )
        assert os.read(reader, 1 << 16).decode().count(LINE) == 1
    finally:
        os.close(reader)
        os.close(writer)
