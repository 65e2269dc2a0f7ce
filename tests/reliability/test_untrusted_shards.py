"""Shards made by somebody who wants to do harm: nothing is run, followed, or believed of sizes."""

from __future__ import annotations

import ast
import os
import pickle
import struct
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pytest

from bigdata_cli import open_dataset, verify
from bigdata_cli.errors import VerificationError
from bigdata_cli.native.library import address, lib
from tests.conftest import ROOT
from tests.datasets import edited_manifest, sign_again, write_dataset

ROWS = 2**50
CLAIMED_ROWS = 900_000_000
"""7 GB of numbers, and no more than a manifest may say of a file of 928 bytes."""


class Harmful:
    def __reduce__(self) -> tuple:
        return os.mkdir, ("/tmp/bigdata-was-harmed",)


def numbers(folder: Path, format_name: str) -> Path:
    """A dataset of one column and one shard."""
    return write_dataset(folder, pa.table({"a": np.arange(100, dtype=np.int64)}), format_name)


def shard(folder: Path) -> Path:
    (path,) = folder.glob("*-00000-of-00001*")
    return path


def refused(folder: Path, *, rows: int = 100) -> str:
    """What is said of the shard, with a manifest that agrees with it."""
    sign_again(folder)
    with edited_manifest(folder) as manifest:
        manifest["rows"] = manifest["shards"][0]["rows"] = rows
        manifest["columns"][0]["statistics"]["count"] = rows
    with pytest.raises(VerificationError):
        list(open_dataset(folder).read())
    name = shard(folder).name
    found = [str(finding) for finding in verify(folder).findings if finding.file == name]
    assert found
    return "; ".join(found)


def npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def test_npy_headers(tmp_path: Path) -> None:
    folder = numbers(tmp_path / "d", "npy")
    path = shard(folder)
    shape = "{'descr': '%s', 'fortran_order': False, 'shape': (%s,)}"
    for header in (
        shape % ("<i8", ROWS),
        shape % ("<i8", 2**63 - 1),
        shape % ("<i8", -1),
        shape % ("|O", 100),
        shape % ("<i8", "__import__('os').mkdir('/tmp/bigdata-was-harmed')"),
        "{" * 100,
    ):
        path.write_bytes(npy(header, bytes(800)))
        assert refused(folder)
    path.write_bytes(npy(shape % ("<i8", CLAIMED_ROWS), bytes(800)))
    assert refused(folder, rows=CLAIMED_ROWS)
    for content in (pickle.dumps(Harmful()), npy(shape % ("|O", 1), pickle.dumps(Harmful()))):
        path.write_bytes(content)
        assert refused(folder)
    assert not Path("/tmp/bigdata-was-harmed").exists()


@pytest.mark.parametrize("n_bytes", [2**40, 2**63 - 1, 2**64 - 1])
def test_a_record_that_claims_any_length(tmp_path: Path, n_bytes: int) -> None:
    folder = numbers(tmp_path / "d", "tfrecord")
    length = struct.pack("<Q", n_bytes)
    crc = lib.bd_crc32c(address(np.frombuffer(length, np.uint8)), 8)
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32
    shard(folder).write_bytes(length + struct.pack("<I", masked) + bytes(1000))
    assert "truncated" in refused(folder)


def hdf5(folder: Path) -> h5py.File:
    path = shard(folder)
    path.unlink()
    return h5py.File(path, "w")


def test_hdf5_follows_nothing_out_of_the_file(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["a"] = np.arange(100)
    (tmp_path / "secret.bin").write_bytes(bytes(800))
    folder = numbers(tmp_path / "d", "hdf5")
    with hdf5(folder) as file:
        file["a"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/a")
    assert "is a link" in refused(folder)
    with hdf5(folder) as file:
        file["b"] = np.arange(100)
        file["a"] = h5py.SoftLink("/b")
    assert "is a link" in refused(folder)
    with hdf5(folder) as file:
        outside = [(str(tmp_path / "secret.bin"), 0, 800)]
        file.create_dataset("a", (100,), np.int64, external=outside)
    assert "lies in another file" in refused(folder)
    with hdf5(folder) as file:
        layout = h5py.VirtualLayout((100,), np.int64)
        layout[:] = h5py.VirtualSource(tmp_path / "secret.h5", "a", (100,))
        file.create_virtual_dataset("a", layout)
    assert "lies in another file" in refused(folder)
    with hdf5(folder) as file:
        file.create_group("a")
    assert "is not a dataset" in refused(folder)


def test_hdf5_sizes(tmp_path: Path) -> None:
    folder = numbers(tmp_path / "d", "hdf5")
    with hdf5(folder) as file:
        file.create_dataset("a", (ROWS,), np.int64, chunks=(1024,))
    assert "number of rows is 1125899906842624" in refused_by_verify(folder)
    with hdf5(folder) as file:
        file.create_dataset("a", (2**40,), np.int64, chunks=(2**28,), compression="gzip")
    assert "too large" in refused(folder)
    with hdf5(folder) as file:
        file.create_dataset("a", (1, ROWS), np.int64, chunks=(1, 1024))
    assert "too large" in refused(folder)
    with hdf5(folder) as file:
        file["a"] = np.arange(100)
        file["b"] = np.arange(100)
    assert 'the dataset "b" is of no column' in refused_by_verify(folder)


def refused_by_verify(folder: Path) -> str:
    sign_again(folder)
    name = shard(folder).name
    return "; ".join(str(f) for f in verify(folder).findings if f.file == name)


def test_parquet_counts(tmp_path: Path) -> None:
    """The footer says other numbers of rows than there are."""
    from bigdata_cli.formats.parquet.thrift_compact import encode_struct, parse_struct
    from bigdata_cli.formats.parquet.write import MAGIC

    folder = numbers(tmp_path / "d", "parquet")
    path = shard(folder)
    data = path.read_bytes()
    size = int.from_bytes(data[-8:-4], "little")
    start = len(data) - 8 - size
    for file_rows, group_rows in ((ROWS, 100), (ROWS, ROWS), (-1, 100), (-1, -1), (50, 50)):
        footer = parse_struct(memoryview(data)[start:-8])
        footer[3] = file_rows
        footer[4].items[0][3] = group_rows
        encoded = encode_struct(footer)
        path.write_bytes(data[:start] + encoded + len(encoded).to_bytes(4, "little") + MAGIC)
        assert refused_by_verify(folder)


def test_memory_is_bounded(tmp_path: Path) -> None:
    """All of it with a few gigabytes of address space, where a size that is believed fails."""
    code = (
        "import resource, sys, pytest\n"
        "resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))\n"
        "sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', sys.argv[1], '-k',"
        " 'npy or claims or sizes or counts']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, __file__],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert "6 passed" in done.stdout


FORBIDDEN = {
    "eval", "exec", "compile", "__import__",
    "pickle.load", "pickle.loads", "marshal.loads", "shelve.open", "yaml.load",
    "os.system", "os.popen", "subprocess.run", "subprocess.Popen", "np.fromfile",
    "extract", "extractall", "unpack_archive", "read_pickle", "to_pickle",
}  # fmt: skip


def test_the_code_has_nothing_that_runs_data() -> None:
    """No eval, no pickle, no yaml.load, no extraction; np.load says allow_pickle=False."""
    n_loads = 0
    for path in sorted((ROOT / "bigdata_cli").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                modules = [name.name for name in node.names]
                unsafe = {"pickle", "marshal", "shelve", "yaml", "dill"}
                if path.parts[-2] == "engines":
                    unsafe -= {"pickle"}  # between a conversion and its own workers
                assert not unsafe & set(modules), path
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            if called == "subprocess.run" and path.parts[-2:] == ("native", "compile.py"):
                continue  # the compiler, with what the package's own sources say
            if called == "subprocess.Popen" and path.parts[-2:] == ("diagnosis", "devices.py"):
                continue  # Python, with three lines that are written there
            if called == "pickle.loads" and path.parts[-2:] == ("engines", "remote.py"):
                continue  # between a conversion and its own workers
            assert called not in FORBIDDEN, (path, called)
            if isinstance(node.func, ast.Attribute):
                # re.compile, and the compile of a Keras network, which is given an optimizer.
                is_known = called in ("re.compile", "network.compile")
                assert node.func.attr not in FORBIDDEN or is_known, (path, called)
            if called == "np.load":
                n_loads += 1
                keywords = {word.arg: ast.unparse(word.value) for word in node.keywords}
                assert keywords["allow_pickle"] == "False", path
    assert n_loads == 1
