"""Small inputs that decompress into much: memory stays what it is for any input."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bigdata_cli import convert, verify
from bigdata_cli.errors import DataError, UsageError
from tests.conftest import ROOT

try:
    from compression import zstd
except ImportError:
    from backports import zstd

MB = 1 << 20
ROW = b"1,aaaaaaaa\n"
MAX_BYTES = 700 * MB
"""Of address space that is really used; the program alone takes more than 200 MB."""


def pieces(n_bytes: int, *, line: bool) -> Iterator[bytes]:
    """A CSV of one endless line, or of many equal ones."""
    yield b"n,t\n"
    piece = b"a" * MB if line else ROW * (MB // len(ROW))
    for _ in range(n_bytes // MB):
        yield piece


def write(path: Path, n_bytes: int, *, line: bool) -> Path:
    if path.suffix == ".zip":
        with (
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open("a.csv", "w", force_zip64=True) as member,
        ):
            for piece in pieces(n_bytes, line=line):
                member.write(piece)
        return path
    opener = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open, ".zst": zstd.open}[path.suffix]
    options = {".gz": {"compresslevel": 1}, ".bz2": {"compresslevel": 1}, ".xz": {"preset": 0}}
    with opener(path, "wb", **options.get(path.suffix, {})) as file:
        for piece in pieces(n_bytes, line=line):
            file.write(piece)
    return path


def peak_bytes(path: Path, output: Path, *options: str) -> tuple[int, int, str]:
    """(exit status, peak memory, stderr) of a conversion in a process of its own."""
    code = (
        "import sys, json\n"
        "from bigdata_cli.cli import main\n"
        "from bigdata_cli.resources.memory import peak_memory_bytes\n"
        "try:\n"
        "    main(sys.argv[1:])\n"
        "except SystemExit as end:\n"
        "    print(json.dumps([end.code, peak_memory_bytes()]))\n"
    )
    command = [sys.executable, "-c", code, "convert", str(path), "--to", "parquet", "-q"]
    done = subprocess.run(
        [*command, "-o", str(output), *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    status, peak = json.loads(done.stdout.splitlines()[-1])
    return status or 0, peak, done.stderr


@pytest.mark.parametrize("suffix", ["gz", "bz2", "xz", "zst", "zip"])
def test_a_line_that_does_not_end(tmp_path: Path, suffix: str) -> None:
    path = write(tmp_path / f"a.csv.{suffix}", 64 * MB, line=True)
    assert path.stat().st_size < 2 * MB
    status, peak, stderr = peak_bytes(path, tmp_path / "out")
    assert status == 3, stderr
    assert "a record is longer than 16,000,000 bytes" in stderr
    assert "--max-line-size" in stderr
    assert peak < MAX_BYTES
    assert not (tmp_path / "out").exists()


def test_layers_upon_layers(tmp_path: Path) -> None:
    """gzip in gzip: 200 MB in a few kilobytes."""
    path = write(tmp_path / "a.csv.gz", 200 * MB, line=True)
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert path.stat().st_size < 20_000
    status, peak, stderr = peak_bytes(path, tmp_path / "out")
    assert (status, "longer than" in stderr) == (3, True)
    assert peak < MAX_BYTES


@pytest.mark.soak
def test_many_lines_are_bounded_by_the_disk_only(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv.gz", 4000 * MB, line=False)
    status, peak, stderr = peak_bytes(path, tmp_path / "out")
    assert status == 0, stderr
    assert peak < 2 * MAX_BYTES


def test_dictionaries_that_ask_for_memory(tmp_path: Path) -> None:
    """A window of gigabytes is refused with the command that decompresses it elsewhere."""
    data = b"n,t\n" + ROW * 100_000
    parameter = zstd.CompressionParameter
    long = zstd.ZstdCompressor(
        options={parameter.window_log: 30, parameter.enable_long_distance_matching: 1}
    )
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 30}]
    files = {
        "zst": long.compress(data[:10]) + long.compress(data[10:]) + long.flush(),
        "xz": lzma.compress(data, filters=filters),
    }
    for suffix, content in files.items():
        path = tmp_path / f"a.csv.{suffix}"
        path.write_bytes(content)
        with pytest.raises(DataError, match="need more memory than") as caught:
            convert(path, to="parquet", output=tmp_path / "out")
        assert "| bigdata convert - …" in str(caught.value.hint)
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.csv", data)
    path = tmp_path / "a.zip"
    content = bytearray(path.read_bytes())
    properties = content.index(b"a.csv") + len("a.csv") + 4
    content[properties + 1 : properties + 5] = (0xF0000000).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(DataError, match="need more memory than"):
        convert(path, to="parquet", output=tmp_path / "out")


def test_the_largest_ordinary_dictionaries_are_read(tmp_path: Path) -> None:
    data = b"n,t\n" + ROW * 1000
    (tmp_path / "a.csv.xz").write_bytes(lzma.compress(data, preset=9 | lzma.PRESET_EXTREME))
    (tmp_path / "b.csv.zst").write_bytes(zstd.compress(data, level=22))
    with zipfile.ZipFile(tmp_path / "c.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.csv", data)
    for name in ("a.csv.xz", "b.csv.zst", "c.zip"):
        assert convert(tmp_path / name, to="npy", output=tmp_path / name[0]).rows == 1000


def test_members_never_touch_the_file_system(tmp_path: Path) -> None:
    """Names that would lead out of a folder are names; what is in the archive stays there."""
    path = tmp_path / "in" / "a.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("../up.csv", "/tmp/bigdata-root.csv", "C:\\x.csv", "a/b.csv"):
            archive.writestr(name, "n\n1\n2\n")
    for number, name in enumerate(("/tmp/bigdata-root.csv", "C:\\x.csv", "a/b.csv")):
        output = tmp_path / str(number)
        assert convert(f"{path}::{name}", to="npy", output=output).rows == 2
        assert verify(output, source=f"{path}::{name}").passed
    with pytest.raises(UsageError, match="has no member"):
        convert(f"{path}::../up.csv", to="npy", output=tmp_path / "up")
    found = {entry.name for entry in tmp_path.rglob("*.csv")}
    assert found == set()
    assert not Path("/tmp/bigdata-root.csv").exists()
