"""The C library: built by what compiler there is, and refused where it is not what was built."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bigdata_cli.errors import LibraryError, UsageError
from bigdata_cli.native import compile as native
from bigdata_cli.native import loading
from bigdata_cli.native.levels import LEVELS, family, library_name
from bigdata_cli.native.library import SIGNATURES, lib
from bigdata_cli.native.loading import HERE, load, usable_levels
from bigdata_cli.native.record import NAME, Record, checksum, sources_digest

LOWEST = LEVELS[family()][0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the libraries and their record."""
    built = Path(os.environ.get("BIGDATA_NATIVE") or HERE)
    for name in [NAME, *map(library_name, LEVELS[family()])]:
        shutil.copy(built / name, tmp_path)
    return tmp_path


def change_record(folder: Path, **changes: object) -> None:
    dataclasses.replace(Record.read(folder), **changes).write(folder)


def test_every_instruction_set_of_the_processor_is_loaded(folder: Path) -> None:
    levels = usable_levels()
    assert levels[0] == LOWEST
    for level in levels:
        library, name = load(SIGNATURES, folder=folder, forced=level)
        assert name == level
        assert library.bd_instruction_sets() == 2 ** len(levels) - 1
        assert f"{library.bd_sources():016x}" == Record.read(folder).sources
    if not os.environ.get("BIGDATA_SIMD"):
        assert load(SIGNATURES, folder=folder)[1] == levels[-1]


def test_an_unknown_instruction_set(folder: Path) -> None:
    with pytest.raises(UsageError, match='BIGDATA_SIMD: "mmx" is no instruction set') as caught:
        load(SIGNATURES, folder=folder, forced="mmx")
    assert LOWEST in str(caught.value.hint)


def test_an_instruction_set_that_the_processor_does_not_have(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "_usable", lambda library: [LOWEST])
    for level in LEVELS[family()][1:]:
        with pytest.raises(UsageError, match=f"this processor does not have {level}"):
            load(SIGNATURES, folder=folder, forced=level)


DAMAGES = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-4096]),
    "a byte": lambda path: path.write_bytes(path.read_bytes()[:-9] + b"\xff" + bytes(8)),
    "text": lambda path: path.write_text("no library"),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_library_is_refused(folder: Path, damage: str) -> None:
    DAMAGES[damage](folder / library_name(LOWEST))
    with pytest.raises(LibraryError, match=r"is damaged|cannot be read") as caught:
        load(SIGNATURES, folder=folder)
    assert "pip install" in str(caught.value.hint)


def test_a_file_that_the_system_refuses(folder: Path) -> None:
    (folder / library_name(LOWEST)).write_bytes(b"no library")
    change_record(folder, checksums={library_name(LOWEST): checksum(b"no library")})
    with pytest.raises(LibraryError, match="cannot be loaded"):
        load(SIGNATURES, folder=folder)


@pytest.mark.parametrize("content", [None, b"", b"{}", b"[1]", b'{"version": 1', b"\xff\xfe"])
def test_a_damaged_record_is_refused(folder: Path, content: bytes | None) -> None:
    (folder / NAME).unlink()
    if content is not None:
        (folder / NAME).write_bytes(content)
    with pytest.raises(LibraryError, match="is not built" if content is None else "record"):
        load(SIGNATURES, folder=folder)


def test_a_library_for_another_platform_is_refused(folder: Path) -> None:
    change_record(folder, platform="darwin-sparc")
    with pytest.raises(LibraryError, match="is for darwin-sparc, and this is"):
        load(SIGNATURES, folder=folder)


def test_a_library_of_other_sources_is_refused(folder: Path) -> None:
    change_record(folder, sources="0123456789abcdef")
    with pytest.raises(LibraryError, match="other sources than those in the checkout"):
        load(SIGNATURES, folder=folder)


def test_in_an_installation_the_version_counts(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "HERE", folder)
    assert load(SIGNATURES, folder=folder)[0]
    change_record(folder, version="0.0.1")
    with pytest.raises(LibraryError, match=r"is that of version 0\.0\.1"):
        load(SIGNATURES, folder=folder)
    change_record(folder, version=native.__version__, sources="0123456789abcdef")
    with pytest.raises(LibraryError, match="other sources than its record says"):
        load(SIGNATURES, folder=folder)


def test_a_library_without_a_function_is_refused(folder: Path) -> None:
    with pytest.raises(LibraryError, match=r"cannot be loaded.*bd_of_tomorrow"):
        load({**SIGNATURES, "bd_of_tomorrow": (None, [])}, folder=folder)


def test_every_function_of_the_header_is_declared_once() -> None:
    header = (native.SOURCES / "bigdata.h").read_text()
    declared = [
        line.partition("(")[0].split()[-1].lstrip("*")
        for line in header.splitlines()
        if line.startswith("BD_API")
    ]
    assert sorted(declared) == sorted(SIGNATURES)
    assert all(hasattr(lib, name) for name in declared)


def run(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run code in a new interpreter, as a command: with its exit status and its messages."""
    code = f"import sys; from bigdata_cli.cli import exit_status; sys.exit(exit_status({code}))"
    environment = {**os.environ, **variables}
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )


LOAD = "lambda: __import__('bigdata_cli.native.library')"


def test_a_command_ends_with_one_message(folder: Path) -> None:
    assert run(LOAD, BIGDATA_NATIVE=str(folder)).returncode == 0
    path = folder / library_name(LOWEST)
    path.write_bytes(path.read_bytes()[:5000])
    done = run(LOAD, BIGDATA_NATIVE=str(folder))
    assert done.returncode == 6
    first, second = done.stderr.splitlines()
    assert first.startswith("Error: the C library of bigdata is damaged")
    assert second.startswith("Hint: Install bigdata-shards again: pip install")
    done = run(LOAD, BIGDATA_SIMD="mmx")
    assert done.returncode == 2
    assert done.stderr.startswith('Error: BIGDATA_SIMD: "mmx"')


def test_the_digest_is_that_of_all_sources(tmp_path: Path) -> None:
    shutil.copy(native.FOLDER / "compile.py", tmp_path)
    shutil.copytree(native.SOURCES, tmp_path / "src")
    digests = {sources_digest(native.FOLDER)}
    assert sources_digest(tmp_path) in digests
    for path in [tmp_path / "compile.py", tmp_path / "src/bigdata.h", tmp_path / "src/new.c"]:
        with path.open("a") as file:
            file.write("\n")
        digests.add(sources_digest(tmp_path))
    assert len(digests) == 4


def test_what_is_compiled_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One source of all: an installation has just compiled the others."""
    sources, built = tmp_path / "src", tmp_path / "built"
    for folder in (sources, built):
        folder.mkdir()
    for path in (native.SOURCES / "processor.c", *native.SOURCES.glob("*.h")):
        shutil.copy(path, sources)
    monkeypatch.setattr(native, "SOURCES", sources)
    files = native.compile_all(native.find_compiler(), built)
    assert sorted(built.iterdir()) == sorted(files)
    signatures = {name: SIGNATURES[name] for name in ("bd_sources", "bd_instruction_sets")}
    for level in usable_levels():
        library, name = load(signatures, folder=built, forced=level)
        assert (name, library.bd_sources()) == (level, lib.bd_sources())


def test_the_next_build_compiles_what_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = native.find_compiler()
    monkeypatch.setattr(native, "SOURCES", tmp_path / "src")
    native.SOURCES.mkdir()
    sources = {name: native.SOURCES / name for name in ("one.c", "two.c")}
    for path in sources.values():
        path.write_text(f"int {path.stem}(void) {{ return 1; }}\n")
    compiled: list[str] = []
    original = native.Compiler.run

    def counted(self: native.Compiler, *arguments: str | Path) -> str:
        compiled.extend(Path(word).name for word in arguments if str(word).endswith(".c"))
        return original(self, *arguments)

    monkeypatch.setattr(native.Compiler, "run", counted)
    monkeypatch.setattr(native, "LEVELS", {family(): (LOWEST,)})
    for text, expected in (("1", ["one.c", "two.c"]), ("1", []), ("2", ["two.c"])):
        sources["two.c"].write_text(f"int two(void) {{ return {text}; }}\n")
        compiled.clear()
        native.compile_all(compiler, tmp_path, objects=tmp_path / "objects")
        assert sorted(compiled) == expected
        assert len(list((tmp_path / "objects").iterdir())) == 2


def test_an_error_of_the_compiler_is_shown(tmp_path: Path) -> None:
    with pytest.raises(native.CompilerError, match="-fno-such-flag"):
        native.compile_all(native.find_compiler(), tmp_path, flags=["-fno-such-flag"])
    assert not list(tmp_path.iterdir())


def command(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_the_first_compiler_that_works_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert native.system_compiler() is None
    command(tmp_path, "cc", "exit 1")
    assert native.system_compiler() is None
    command(tmp_path, "gcc", "exit 0")
    assert native.system_compiler() == native.Compiler(("gcc",))
    monkeypatch.setenv("CC", "gcc -pipe")
    assert native.system_compiler() == native.Compiler(("gcc", "-pipe"))
    monkeypatch.setenv("CC", "cc")
    with pytest.raises(native.CompilerError, match=r"^\$CC does not compile: cc"):
        native.system_compiler()
    monkeypatch.setenv("CC", "nothing")
    with pytest.raises(native.CompilerError, match="nothing: No such file"):
        native.system_compiler()


def test_without_any_compiler_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(native, "find_spec", lambda name: None)
    with pytest.raises(native.CompilerError, match="apt install gcc"):
        native.find_compiler()
    monkeypatch.setattr(native, "platform_name", lambda: "linux-sparc64")
    with pytest.raises(native.CompilerError, match="no machine code for linux-sparc64"):
        native.find_compiler()


def test_where_there_is_none_that_of_ziglang_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    target = native.TARGETS[loading.platform_name()]
    assert native.find_compiler() == native.zig(target)
    monkeypatch.setattr(native, "is_musl", lambda: True)
    with pytest.raises(native.CompilerError, match="apk add"):
        native.find_compiler()
