"""Machine code on the disk: a file per function and types of arguments.

Beside this module or, where that cannot be written, in the user's cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from bigdata_cli.native import processor
from bigdata_cli.native.convention import Kinds

_SUFFIX = ".native"
_DIGITS = 16


@dataclass(frozen=True, kw_only=True)
class MachineCode:
    """An object file, and how its one function is called; see `convention`.

    symbol: the function's name in the file. result: codes of `struct`.
    """

    content: bytes
    symbol: str
    result: str
    is_tuple: bool


def place(name: str, kinds: Kinds, fingerprint: str) -> Path | None:
    """The file of a function's machine code; None where there is no folder for it.

    Another processor, compiler or source has another name. Those of other processors stay: a
    folder may belong to several machines.
    """
    folder = _folder()
    if folder is None:
        return None
    made_for = (kinds, processor.name(), sorted(processor.features()))
    made_by = (fingerprint, *_compiler())
    return folder / "-".join((name, _digest(repr(made_for)), _digest(repr(made_by)) + _SUFFIX))


def read(path: Path | None) -> MachineCode | None:
    """The machine code of a file; None where there is none, or not all of it."""
    if path is None:
        return None
    try:
        head, _, content = path.read_bytes().partition(b"\n")
        described = json.loads(head)
        if described.pop("sha256") != hashlib.sha256(content).hexdigest():
            return None
        return MachineCode(content=content, **described)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write(path: Path | None, code: MachineCode) -> None:
    """Keep machine code for later processes, if that can be; what it replaces is removed."""
    if path is None:
        return
    described = asdict(code)
    content = described.pop("content")
    described["sha256"] = hashlib.sha256(content).hexdigest()
    with contextlib.suppress(OSError):
        older = path.name[: -len(_SUFFIX) - _DIGITS] + "*" + _SUFFIX
        for file in path.parent.glob(older):
            file.unlink(missing_ok=True)
        # Not `whole_file`: several processes may make the same code at once, and each has a name of
        # its own here. Nor is it waited for the disk: a checksum tells what is whole.
        handle, partial = tempfile.mkstemp(dir=path.parent, suffix=".partial")
        try:
            with open(handle, "wb") as opened:
                opened.write(json.dumps(described).encode() + b"\n" + content)
            os.replace(partial, path)
        except BaseException:
            os.unlink(partial)
            raise


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


@cache
def _compiler() -> tuple[str, ...]:
    """What besides the source and the processor determines the machine code."""
    return version("numba"), version("llvmlite"), sys.version


@cache
def _folder() -> Path | None:
    """NUMBA_CACHE_DIR if it is set, else beside this module, else the user's cache."""
    told = os.environ.get("NUMBA_CACHE_DIR")
    user = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "bigdata"
    candidates = [Path(told)] if told else [Path(__file__).parent / "__pycache__", user]
    for folder in candidates:
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return folder
    return None
