"""Checksums of files: how they are made, and those of older datasets."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import xxhash
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli.checksum import (
    PIECE_BYTES,
    Checksum,
    FileEntry,
    entry_of_bytes,
    read_checksum,
)
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.run import run
from bigdata_cli.dataset.manifest import PLAIN_VERSION
from bigdata_cli.dataset.manifest_file import read_manifest
from bigdata_cli.io.local_store import LocalStore
from bigdata_cli.io.written_file import WrittenFile
from bigdata_cli.strict_json import JsonError, convert
from tests.datasets import edited_manifest, entry_of_file
from tests.docs.blocks import ROOT
from tests.examples import examples
from tests.manifest_files import read_document
from tests.manifests.test_manifest import changes, make_old


def by_definition(data: bytes) -> str:
    pieces = [data[i : i + PIECE_BYTES] for i in range(0, len(data), PIECE_BYTES)]
    digests = b"".join(map(xxhash.xxh3_128_digest, pieces))
    return f"xxh3-128-pieces:{xxhash.xxh3_128_hexdigest(digests)}"


SIZES = st.one_of(
    st.integers(0, 300), st.integers(PIECE_BYTES - 2, PIECE_BYTES + 2), st.integers(0, 200_000)
)


@given(st.lists(SIZES, max_size=6))
@examples(60)
def test_a_checksum_does_not_depend_on_how_the_bytes_come(sizes: list[int]) -> None:
    data = np.random.default_rng(sum(sizes)).bytes(sum(sizes))
    checksum, at = Checksum(), 0
    for size in sizes:
        checksum.update(memoryview(data)[at : at + size])
        at += size
    assert checksum.text() == by_definition(data)
    assert entry_of_bytes("a", data).checksum == checksum.text()


@pytest.mark.parametrize("n_bytes", [128, 129, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES + 5])
def test_a_header_that_is_written_last_is_in_the_checksum(n_bytes: int, tmp_path: Path) -> None:
    data = np.random.default_rng(0).bytes(n_bytes)
    file = WrittenFile(tmp_path / "a")
    for start in range(0, n_bytes, 50_000):
        file.write(data[start : start + 50_000])
    file.write_over_start(b"h" * 128)
    entry = file.finish("a")
    assert (tmp_path / "a").read_bytes() == b"h" * 128 + data[128:]
    assert entry == entry_of_file(tmp_path / "a", "a")
    assert entry.checksum == by_definition(b"h" * 128 + data[128:])


def test_the_page_on_the_format_computes_the_same(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "format.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    [block] = [code for code in blocks if "def checksum" in code]
    names: dict = {}
    exec(block, names)
    for n_bytes in (0, 1, PIECE_BYTES, 5 * PIECE_BYTES + 3):
        path = tmp_path / str(n_bytes)
        path.write_bytes(np.random.default_rng(n_bytes).bytes(n_bytes))
        assert names["checksum"](path) == entry_of_file(path, "a").checksum


@pytest.mark.parametrize(
    "text",
    ["", "00", "sha256:", f"xxh3-128-pieces:{31 * '0'}", f"md5:{32 * '0'}", f"sha256:{64 * 'G'}"],
)
def test_what_is_no_checksum(text: str) -> None:
    entry = {"name": "a", "bytes": 0, "checksum": text}
    with pytest.raises(JsonError, match="checksum: Expected `str` matching"):
        convert(entry, FileEntry)


# Datasets of version 2 of the manifest, whose files have SHA-256.


@pytest.mark.parametrize("to", ["parquet", "npy", "hdf5", "tfrecord"])
def test_an_older_dataset_is_verified_and_repaired(to: str, tmp_path: Path) -> None:
    source, output = tmp_path / "a.csv", tmp_path / "out"
    source.write_text("a,b\n" + "".join(f"{i},{i / 8}\n" for i in range(3_000)))
    options = ConvertOptions(to=to, output=output, shards=3)
    run([source], options)
    make_old(output, 2)
    old = read_manifest(LocalStore(output))
    assert all(f.checksum.startswith("sha256:") for s in old.shards for f in s.files)
    assert changes(output) == []
    damaged = output / old.shards[1].files[0].name
    data = bytearray(damaged.read_bytes())
    data[len(data) // 2] ^= 1
    damaged.write_bytes(data)
    assert any("checksum (SHA-256)" in one for one in changes(output))
    run([source], ConvertOptions(to=to, output=output, shards=3, repair=True))
    assert changes(output) == []
    repaired = read_manifest(LocalStore(output))
    assert [s.files for s in repaired.shards[::2]] == [s.files for s in old.shards[::2]]
    if to != "hdf5":  # the same bytes, and the checksum that says so
        assert repaired.shards == old.shards
    else:
        assert repaired.shards[1].files[0].checksum.startswith("xxh3-128-pieces:")
    # The manifest is written anew where it says something else: of new bytes, or new sidecars.
    assert (repaired == old) == (to in ("parquet", "npy"))
    written = read_document(output)
    assert written["manifest_version"] == (2 if repaired == old else PLAIN_VERSION)


def test_a_shard_that_comes_out_otherwise_is_not_taken_for_the_old_one(tmp_path: Path) -> None:
    source, output = tmp_path / "a.csv", tmp_path / "out"
    source.write_text("a\n" + "".join(f"{i}\n" for i in range(3_000)))
    run([source], ConvertOptions(to="npy", output=output, shards=2))
    make_old(output, 2)
    name = read_manifest(LocalStore(output)).shards[0].files[0].name
    with edited_manifest(output) as manifest:
        manifest["shards"][0]["files"][0]["sha256"] = "0" * 64
    with pytest.raises(Exception, match="came out otherwise"):
        run([source], ConvertOptions(to="npy", output=output, shards=2, repair=True))
    with (output / name).open("rb", buffering=0) as file:
        assert read_checksum(file, "sha256:").startswith("sha256:")
