"""A process that has the libraries in memory, and forks a child for each command and each script.

Blocks of a page run as a user would run them, by a real shell, but `bigdata` on their path is a
client of this process: it hands over its arguments, folder, environment and streams, and ends as
the command ends. A child shares with others what was imported, and nothing else.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import pkgutil
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
import types
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import bigdata_cli

ROOT = Path(__file__).resolve().parent.parent.parent
LIGHT = ("clevercsv", "h5py", "pyarrow.compute", "pyarrow.parquet", "sqlglot")
HEAVY = (*LIGHT, "pandas", "polars", "tensorflow", "torch", "keras")
"""For what learns: too much for commands that stay below a limit of memory."""
LEARNING = {"train", "predict", "doctor", "-c"}

CLIENT = """#!{python} -IS
import json, os, signal, socket, sys
arguments = [*{before}, *sys.argv[1:]]
server = socket.socket(socket.AF_UNIX)
server.connect({folder!r} + ("/heavy" if {learning}.intersection(arguments[:1]) else "/light"))
request = {{"arguments": arguments, "cwd": os.getcwd(), "env": dict(os.environ)}}
text = json.dumps(request).encode()
socket.send_fds(server, [len(text).to_bytes(4, "big")], [0, 1, 2])
server.sendall(text)
status = int(server.recv(16) or b"255")
if status < 0:
    signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
os._exit(status)
"""


@cache
def clients() -> Path:
    """A folder with `bigdata` and `python-block`; their servers end with this process."""
    folder = Path(tempfile.mkdtemp(prefix="bigdata-warm-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name, modules in (("light", LIGHT), ("heavy", HEAVY)):
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(str(folder / name))
        listening.listen(64)
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.docs.warm", str(listening.fileno()), *modules],
            cwd=ROOT, pass_fds=[listening.fileno()], stdin=subprocess.PIPE,
        )  # fmt: skip
        listening.close()
        atexit.register(server.wait)
        atexit.register(server.kill)
    for name, before in (("bigdata", []), ("python-block", ["-c"])):
        client = folder / "bin" / name
        client.parent.mkdir(exist_ok=True)
        client.write_text(
            CLIENT.format(
                python=sys.executable, folder=str(folder), before=before, learning=LEARNING
            )
        )
        client.chmod(0o755)
    return client.parent


def modules_of_package(loaded: Sequence[str]) -> list[str]:
    """The modules of the package; those that import more than `loaded` are left to the child."""
    found = pkgutil.walk_packages(bigdata_cli.__path__, "bigdata_cli.")
    left = ("dask", "lightgbm", "xgboost") if "keras" in loaded else ("loaders", "training")
    return [module.name for module in found if not {*left, "__main__"} & {*module.name.split(".")}]


def serve(listening: socket.socket, modules: list[str]) -> NoReturn:
    """Import the modules, then fork for each connection until stdin ends, as the tests do."""
    for name in [*modules, *modules_of_package(modules)]:
        with contextlib.suppress(ImportError):  # an extra, or a library of C
            importlib.import_module(name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        readable, _, _ = select.select([listening.fileno(), 0], [], [])
        if 0 in readable:
            os._exit(0)
        connection, _ = listening.accept()
        if not os.fork():
            listening.close()
            _supervise(connection)
        connection.close()


def _supervise(connection: socket.socket) -> NoReturn:
    """Run one request in a child; kill it where its client was killed."""
    signal.signal(signal.SIGCHLD, lambda *_: None)
    head, streams, _, _ = socket.recv_fds(connection, 4, 3)
    text = connection.recv(int.from_bytes(head, "big"), socket.MSG_WAITALL)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    child = os.fork()
    if not child:
        connection.close()
        _run(json.loads(text), streams)
    for stream in streams:
        os.close(stream)
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
            os._exit(0)
        readable, _, _ = select.select([connection.fileno(), woken], [], [])
        if connection.fileno() in readable:
            os.kill(child, signal.SIGKILL)
            os._exit(0)
        os.read(woken, 16)


def _run(request: dict[str, Any], streams: list[int]) -> NoReturn:
    """Become the command or the script of a request."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    status = 0
    try:
        _call(request["arguments"])
        sys.stdout.flush()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]  # as an interpreter ends
    atexit._run_exitfuncs()
    os._exit(status)


def _call(arguments: list[str]) -> None:
    if arguments[:1] == ["-c"]:
        main = types.ModuleType("__main__")
        sys.modules["__main__"] = main
        sys.argv, sys.path[0] = ["-c"], ""
        exec(compile(arguments[1], "<block>", "exec"), main.__dict__)
    else:
        from bigdata_cli import cli

        sys.argv = ["bigdata", *arguments]
        cli.main()


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2:])
