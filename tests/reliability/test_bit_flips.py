"""Every flipped bit is found, in every file of a dataset."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from bigdata_cli import convert, verify
from bigdata_cli.dataset.manifest_file import Seal, load_manifest
from bigdata_cli.errors import DataError, VerificationError
from bigdata_cli.io.local_store import LocalStore
from bigdata_cli.io.manifest_names import JSON_MANIFEST
from tests.datasets import LAYOUTS
from tests.manifest_files import as_json, manifest_path, rejects_path

ROWS = 400


def source_text() -> str:
    lines = ["id,price,kind,flag,label"]
    for i in range(ROWS):
        price = "" if i % 9 == 0 else i / 8
        lines.append(f"{i},{price},{'xyz'[i % 3]}y,{'true' if i % 2 else 'false'},{i % 2}")
    lines[50] = "a record with too few fields"
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module", params=LAYOUTS, ids="-".join)
def dataset(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flips")
    source = folder / "a.csv"
    source.write_text(source_text())
    to, layout = request.param
    convert(
        source, to=to, layout=layout, output=folder / "d", shards=2, label="label",
        on_bad_row="skip",
    )  # fmt: skip
    return folder / "d"


def is_found(folder: Path) -> bool:
    """Whether verification says that something is wrong; any other exception fails the test."""
    try:
        return not verify(folder, jobs=1).passed
    except VerificationError:  # the manifest cannot be read
        return True


def flip_bits(folder: Path, n_flips: int, seed: int) -> int:
    """Flip single bits at random places of each file in turn; returns how many were found."""
    numbers = random.Random(seed)
    files = sorted(path for path in folder.iterdir() if path.stat().st_size)
    assert manifest_path(folder) in files
    assert rejects_path(folder) in files
    found = 0
    for number in range(n_flips):
        path = files[number % len(files)]
        whole = path.read_bytes()
        flipped = bytearray(whole)
        flipped[numbers.randrange(len(whole))] ^= 1 << numbers.randrange(8)
        path.write_bytes(flipped)
        found += is_found(folder)
        path.write_bytes(whole)
    assert verify(folder).passed
    return found


def test_random_flips(dataset: Path) -> None:
    assert flip_bits(dataset, 100, seed=1) == 100


@pytest.mark.soak
def test_many_random_flips(dataset: Path) -> None:
    assert flip_bits(dataset, 3000, seed=2) == 3000


def is_intact(data: bytes) -> bool:
    try:
        return load_manifest(LocalStore(Path()), JSON_MANIFEST, data)[1] is Seal.INTACT
    except DataError:
        return False


@pytest.fixture(scope="module", params=["tfrecord", "parquet", "arrow"])
def manifest(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("manifest")
    (folder / "a.csv").write_text("é,b\n1,x\n2,\n")
    convert(folder / "a.csv", to=request.param, output=folder / "d", label="b")
    return manifest_path(folder / "d").read_bytes()


def test_flips_and_cuts_of_the_manifest(manifest: bytes) -> None:
    assert is_intact(manifest)
    numbers = random.Random(3)
    places = {numbers.randrange(8 * len(manifest)) for _ in range(1000)}
    checksum = manifest.rindex(b'"sha256": ')
    end = range(8 * checksum, 8 * (checksum + 76))
    for place in places.union(end):
        flipped = bytearray(manifest)
        flipped[place // 8] ^= 1 << place % 8
        assert not is_intact(bytes(flipped))
    for size in range(0, len(manifest), 7):
        assert not is_intact(manifest[:size])


@pytest.mark.soak
def test_every_flip_of_the_manifest(manifest: bytes) -> None:
    for place in range(8 * len(manifest)):
        flipped = bytearray(manifest)
        flipped[place // 8] ^= 1 << place % 8
        assert not is_intact(bytes(flipped))


def test_another_form_of_the_same_json_is_another_manifest(dataset: Path) -> None:
    manifest = as_json(dataset).read_bytes()
    assert is_intact(manifest)
    again = json.dumps(json.loads(manifest), ensure_ascii=False).encode()
    assert not is_intact(again)
    assert not is_intact(manifest + b" ")
