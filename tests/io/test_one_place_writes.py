"""Nothing outside `io/` writes, renames, removes, locks or lists files: the code itself is read."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import bigdata_cli

ROOT = Path(bigdata_cli.__file__).parent
_OS = {
    "rename", "replace", "renames", "unlink", "remove", "removedirs", "rmdir", "mkdir", "makedirs",
    "fsync", "fdatasync", "link", "symlink", "truncate", "ftruncate", "scandir", "listdir", "walk",
}  # fmt: skip
_OF_PATHS = {
    "write_text", "write_bytes", "rename", "unlink", "mkdir", "rmdir", "touch", "symlink_to",
    "hardlink_to", "iterdir", "glob", "rglob", "walk",
}  # fmt: skip
_MODULES = {"shutil", "fcntl", "filelock"}
_WRITING = {"O_WRONLY", "O_RDWR", "O_CREAT", "O_TRUNC", "O_APPEND"}
_STORES = {"store", "_store"}

ALLOWED = {
    # They run where the package is built, or by its developers.
    "native/compile.py": "the C library is compiled",
    "native/record.py": "the record of that",
    "signatures.py": "api.py is written",
    # They are no files of ours.
    "cli/__init__.py": "/dev/null takes the place of a standard output that is gone",
    "formats/hdf5/dataset.py": "a link within an HDF5 file",
    "cli/options.py": "the text of a help page",
    "cli/render.py": "the width of the terminal",
    "diagnosis/machine.py": "the size of a disk",
    "transforms/expressions/columns.py": "the nodes of a syntax tree",
    "transforms/expressions/syntax.py": "the nodes of a syntax tree",
    # What h5py and Keras are given is a path of a store, or of `whole_file`.
}


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def _opens_to_write(call: ast.Call, *, is_function: bool) -> bool:
    """Whether a call of `open` may write: of a function also where its mode is a variable."""
    given = [word.value for word in call.keywords if word.arg == "mode"]
    for node in [*call.args[is_function : is_function + 1], *given]:
        if not isinstance(node, ast.Constant):
            return is_function
        letters = set(str(node.value))
        if letters <= set("rwaxbt+") and letters & set("wax+"):
            return True
    return False


def _problem(node: ast.AST) -> str | None:
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        return next((f"import {name}" for name in names if name.split(".")[0] in _MODULES), None)
    if isinstance(node, ast.Attribute) and node.attr in _WRITING and _last_name(node.value) == "os":
        return f"os.{node.attr}"
    if not isinstance(node, ast.Call):
        return None
    name = _last_name(node.func)
    owner = _last_name(node.func.value) if isinstance(node.func, ast.Attribute) else None
    if owner == "os":
        return f"os.{name}" if name in _OS else None
    if name in _OF_PATHS and owner is not None and owner not in _STORES:
        return f".{name}()"
    if name in ("open", "FileIO") and owner not in _STORES:
        is_function = owner in (None, "io") or name == "FileIO"
        return f"{name}()" if _opens_to_write(node, is_function=is_function) else None
    return None


def problems(path: Path) -> list[str]:
    """What a module does that only `io/` may."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        f"{path.name}:{node.lineno}: {problem}"  # type: ignore[attr-defined]
        for node in ast.walk(tree)
        if (problem := _problem(node)) is not None
    ]


MODULES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in ROOT.rglob("*.py")
    if path.relative_to(ROOT).parts[0] != "io"
)


def test_only_io_writes() -> None:
    found = {name: problems(ROOT / name) for name in MODULES}
    assert {name for name, lines in found.items() if lines} == set(ALLOWED), found


@pytest.mark.parametrize(
    "line",
    [
        "open(p, 'w')",
        "open(p, mode='ab')",
        "open(p, mode)",
        "p.open('r+b')",
        "io.FileIO(p, 'w+')",
        "os.open(p, os.O_RDWR)",
        "os.replace(a, b)",
        "a.rename(b)",
        "(folder / name).unlink()",
        "[*folder.iterdir()]",
        "import shutil",
        "from fcntl import flock",
    ],
)
def test_what_is_found(line: str, tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(line)
    assert problems(module)


@pytest.mark.parametrize(
    "line",
    [
        "open(p)",
        "p.open('rb', buffering=0)",
        "store.rename({})",
        "self._store.open(name)",
        "os.open(p, os.O_RDONLY)",
        "text.replace('a', 'b')",
    ],
)
def test_what_is_not(line: str, tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(line)
    assert not problems(module)
