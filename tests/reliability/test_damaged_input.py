"""Inputs that are cut off or damaged: a located error, and nothing that looks finished."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import random
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from bigdata_cli import convert, open_dataset, verify
from bigdata_cli.cli import main
from bigdata_cli.errors import BigdataError, DataError, VerificationError
from bigdata_cli.io.manifest_names import MANIFEST_NAMES
from tests.datasets import LAYOUTS, sign_again

try:
    from compression import zstd
except ImportError:
    from backports import zstd

N_ROWS = 4000


def csv_bytes() -> bytes:
    numbers = random.Random(0)
    rows = (f"{i},{numbers.random()},{numbers.randrange(10**9)}\n" for i in range(N_ROWS))
    return ("a,b,c\n" + "".join(rows)).encode()


def zip_bytes(data: bytes, method: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("a.csv", data)
    return buffer.getvalue()


def parquet_bytes() -> bytes:
    buffer = io.BytesIO()
    numbers = random.Random(1)
    table = pa.table({"a": range(N_ROWS), "b": [numbers.random() for _ in range(N_ROWS)]})
    pq.write_table(table, buffer, row_group_size=1000, write_page_checksum=True)
    return buffer.getvalue()


KINDS = {
    "gz": lambda: gzip.compress(csv_bytes()),
    "bz2": lambda: bz2.compress(csv_bytes()),
    "xz": lambda: lzma.compress(csv_bytes()),
    "zst": lambda: zstd.compress(csv_bytes(), options={zstd.CompressionParameter.checksum_flag: 1}),
    "stored.zip": lambda: zip_bytes(csv_bytes(), zipfile.ZIP_STORED),
    "deflated.zip": lambda: zip_bytes(csv_bytes(), zipfile.ZIP_DEFLATED),
    "lzma.zip": lambda: zip_bytes(csv_bytes(), zipfile.ZIP_LZMA),
    "bzip2.zip": lambda: zip_bytes(csv_bytes(), zipfile.ZIP_BZIP2),
    "parquet": parquet_bytes,
}


@pytest.fixture(scope="module", params=KINDS)
def whole(request: pytest.FixtureRequest) -> tuple[str, bytes]:
    return request.param, KINDS[request.param]()


def refused(path: Path, output: Path) -> str:
    """The message of a conversion that must fail, and leave nothing."""
    with pytest.raises(DataError) as caught:
        convert(path, to="parquet", output=output, shards=2)
    assert not output.exists()
    assert path.name in caught.value.message
    return caught.value.message


def test_a_whole_input_is_read(whole: tuple[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / f"a.{whole[0]}"
    path.write_bytes(whole[1])
    assert convert(path, to="parquet", output=tmp_path / "out").rows == N_ROWS


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 0.999])
def test_a_cut_input(whole: tuple[str, bytes], tmp_path: Path, share: float) -> None:
    path = tmp_path / f"a.{whole[0]}"
    path.write_bytes(whole[1][: int(share * len(whole[1]))])
    assert refused(path, tmp_path / "out")


def test_a_damaged_input(whole: tuple[str, bytes], tmp_path: Path) -> None:
    """Bytes in the middle, which each of these has a checksum of."""
    numbers = random.Random(2)
    kind, data = whole
    path = tmp_path / f"a.{kind}"
    for place in (0.2, 0.5, 0.8):
        damaged = bytearray(data)
        start = int(place * len(data))
        damaged[start : start + 8] = numbers.randbytes(8)
        path.write_bytes(damaged)
        assert refused(path, tmp_path / "out")


def test_the_command_says_where(whole: tuple[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / f"a.{whole[0]}"
    path.write_bytes(whole[1][: int(0.9 * len(whole[1]))])
    command = ["convert", str(path), "--to", "npy", "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 3
    assert result.stderr.startswith(f"Error: {path}")
    assert "Hint: " in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("layout", LAYOUTS, ids="-".join)
def test_a_dataset_that_is_cut_or_damaged(tmp_path: Path, layout: tuple[str, str]) -> None:
    """Read by `open_dataset`, verified, and as a source: with the checksums of the damage too."""
    (tmp_path / "a.csv").write_bytes(csv_bytes())
    folder = tmp_path / "d"
    convert(tmp_path / "a.csv", to=layout[0], layout=layout[1], output=folder, shards=2, label="c")
    files = sorted(path for path in folder.iterdir() if "-of-" in path.name)
    for path in files:
        data = path.read_bytes()
        for share in (0.0, 0.1, 0.5, 0.99):
            path.write_bytes(data[: int(share * len(data))])
            with pytest.raises(VerificationError, match="bytes, and the manifest says"):
                list(open_dataset(folder).read())
            assert {f.file for f in verify(folder).findings} == {path.name}
            refused_dataset(folder, tmp_path / "out")
        path.write_bytes(data)


def refused_dataset(folder: Path, output: Path) -> None:
    with pytest.raises(BigdataError):
        convert(folder, to="parquet", output=output)
    assert not output.exists()


@pytest.mark.parametrize("layout", LAYOUTS, ids="-".join)
def test_damage_that_the_manifest_agrees_with(tmp_path: Path, layout: tuple[str, str]) -> None:
    """What is wrong in the files themselves is said with the file, and never as a traceback."""
    (tmp_path / "a.csv").write_bytes(csv_bytes())
    folder = tmp_path / "d"
    convert(tmp_path / "a.csv", to=layout[0], layout=layout[1], output=folder, label="c")
    numbers = random.Random(4)
    for path in sorted(path for path in folder.iterdir() if "-of-" in path.name):
        data = path.read_bytes()
        for share in (0.0, 0.001, 0.3, 0.7, 0.99):
            path.write_bytes(data[: int(share * len(data))])
            sign_again(folder)
            with pytest.raises(VerificationError) as caught:
                list(open_dataset(folder).read())
            assert str(folder) in caught.value.message
            findings = [f for f in verify(folder).findings if f.file not in MANIFEST_NAMES]
            assert len(findings) == 1
            refused_dataset(folder, tmp_path / "out")
        for _ in range(3):
            damaged = bytearray(data)
            start = numbers.randrange(min(len(data), 400))
            damaged[start : start + 4] = numbers.randbytes(4)
            path.write_bytes(damaged)
            sign_again(folder)
            with contextlib.suppress(VerificationError):
                list(open_dataset(folder).read())
            verify(folder)
        path.write_bytes(data)
