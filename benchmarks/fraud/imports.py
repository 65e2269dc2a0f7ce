"""What a command takes of memory before it does anything: all that it imports, and nothing else.

`python -m benchmarks.fraud.imports note FILE MODULE …` runs `python -m MODULE …` and writes the
names of all modules that it had loaded at its end. `… weigh FILE` imports those and prints the
resident memory of that process.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path

import psutil


def note(path: Path, module: str, arguments: Sequence[str]) -> None:
    """Run a module as a command, and write the names of what is loaded then, in order."""
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        path.write_text(json.dumps(list(sys.modules)), encoding="utf-8")


def weigh(path: Path) -> int:
    """Import the modules that were noted; returns the resident bytes of this process then.

    A name that cannot be imported by itself (an alias, what another module makes) was loaded with
    the one that makes it.
    """
    for name in json.loads(path.read_text(encoding="utf-8")):
        if name.rpartition(".")[2] != "__main__":
            with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
                importlib.import_module(name)
    return int(psutil.Process().memory_info().rss)


def main(arguments: Sequence[str]) -> None:
    """Note what a command imports, or weigh what was noted."""
    task, path, *rest = arguments
    if task == "note":
        note(Path(path), rest[0], rest[1:])
    else:
        print(json.dumps({"rss_bytes": weigh(Path(path))}))


if __name__ == "__main__":
    main(sys.argv[1:])
