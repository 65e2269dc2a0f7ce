"""Manifests: their text, older versions, and what a reader says of a damaged one."""

from __future__ import annotations

import hashlib
import json
import math
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from bigdata_cli import cat, convert, open_dataset
from bigdata_cli.checksum import FileEntry
from bigdata_cli.dataset.manifest import Manifest, ShardEntry, SourceEntry, make_manifest
from bigdata_cli.dataset.manifest_file import Seal, encode_manifest, load_manifest
from bigdata_cli.errors import DataError
from bigdata_cli.formats.base import StorageOptions
from bigdata_cli.io.local_store import LocalStore
from bigdata_cli.io.manifest_names import JSON_MANIFEST
from bigdata_cli.types.dtype import Column, Schema
from bigdata_cli.types.statistics import ColumnStatistics
from bigdata_cli.verification.options import VerifyOptions
from bigdata_cli.verification.run import run as verify
from tests.datasets import edited_manifest
from tests.manifest_files import read_document, rejected_csv, rejects_path

TEXT = (Path(__file__).parent / "version_3.json").read_text(encoding="utf-8")
"""As the reader by hand wrote it before there were typed records."""

SCHEMA = Schema(
    (
        Column(name="id", dtype="uint64"),
        Column(name="fare", dtype="float64"),
        Column(name="when", dtype="date"),
        Column(name="stadt", dtype="category", vocabulary=("Bern", "Zürich", "日本")),
        Column(name="flag", dtype="bool"),
    )
)
STATISTICS = {
    "id": ColumnStatistics(count=3, minimum=0, maximum=2**64 - 1, mean=1e16, m2=0.1),
    "fare": ColumnStatistics(
        count=3, nulls=1, minimum=-0.0, maximum=1e-7, mean=math.inf, m2=math.nan, infinite=1,
        float32_error=math.inf,
    ),
    "when": ColumnStatistics(count=3, minimum="2020-01-01", maximum="2020-02-01"),
    "stadt": ColumnStatistics(count=3, text_bytes=17, max_text_bytes=7),
}  # fmt: skip


def example() -> Manifest:
    """A manifest with a value of each kind, also of those that JSON cannot hold."""
    return make_manifest(
        tool_version="0.1.0",
        name="trips",
        format="parquet",
        storage=StorageOptions(
            layout="rows", label="flag", compression="zstd:9", matrix_dtype="float64"
        ),
        sources=(SourceEntry(name="caf\udce9.csv", bytes=123, mtime_ns=-5, digest="ab"),),
        dialect={"delimiter": ",", "names": None, "column_null_tokens": {"id": ["-"]}},
        options={"shards": 2, "types": {"id": "uint64"}, "table_bytes": None, "drop": ()},
        schema=SCHEMA,
        statistics=STATISTICS,
        shards=(
            ShardEntry(
                files=(
                    FileEntry(
                        name="trips-00000-of-00002.parquet",
                        bytes=10,
                        checksum=f"xxh3-128-pieces:{32 * '0'}",
                    ),
                ),
                rows=2,
                source_ranges=((0, 0, 50), (0, 60, 70)),
            ),
            ShardEntry(
                files=(
                    FileEntry(
                        name="trips-00001-of-00002.parquet",
                        bytes=11,
                        checksum=f"sha256:{64 * '1'}",
                    ),
                ),
                rows=1,
                source_ranges=(),
            ),
        ),
        rejected_rows=4,
        order="within shards",
        sidecars=(FileEntry(name="rejects.csv", bytes=5, checksum=f"xxh3-128-pieces:{32 * 'f'}"),),
    )


def test_the_text_of_a_manifest_is_the_same_for_good() -> None:
    assert encode_manifest(example(), JSON_MANIFEST)[1].decode() == TEXT


def test_a_manifest_reads_back_but_for_what_json_cannot_hold() -> None:
    manifest, seal = load_manifest(LocalStore(Path("d")), JSON_MANIFEST, TEXT.encode())
    assert seal is Seal.INTACT
    assert manifest == structs.replace(example(), options={**example().options, "drop": []})
    assert manifest.schema == SCHEMA
    assert manifest.storage == example().storage
    assert manifest.sources[0].name == "caf?.csv"
    fare = structs.replace(STATISTICS["fare"], mean=None, m2=None)
    assert manifest.statistics == {**STATISTICS, "fare": fare}
    assert encode_manifest(manifest, JSON_MANIFEST)[1].decode() == TEXT


def edited(change: Callable[[dict[str, Any]], object]) -> bytes:
    document = json.loads(TEXT)
    del document["sha256"]
    change(document)
    return json.dumps(document).encode()


WRONG: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "type": (
        lambda m: m["shards"][1].update(rows="7"),
        "shards[1].rows: Expected `int`, got `str`",
    ),
    "bool": (lambda m: m.update(rows=True), "rows: Expected `int`, got `bool`"),
    "negative": (
        lambda m: m["shards"][0]["files"][0].update(bytes=-1),
        "shards[0].files[0].bytes: Expected `int` >= 0",
    ),
    "large": (lambda m: m.update(rejected_rows=2**63), "rejected_rows: Expected `int` <= "),
    "sum": (
        lambda m: [s.update(rows=2**62) or s["files"][0].update(bytes=2**62) for s in m["shards"]],
        "shards: the sum of their rows or bytes is too large",
    ),
    "missing": (lambda m: m.pop("order"), "missing required field `order`"),
    "missing within": (
        lambda m: m["columns"][0]["statistics"].pop("nulls"),
        "columns[0].statistics: Object missing required field `nulls`",
    ),
    "choice": (lambda m: m.update(matrix_dtype="float16"), "matrix_dtype: Invalid enum value"),
    "checksum": (
        lambda m: m["sidecars"][0].update(checksum="md5:00"),
        "sidecars[0].checksum: Expected `str` matching regex",
    ),
    "checksum and more": (
        lambda m: m["sidecars"][0].update(checksum=f"sha256:{64 * '0'}\n"),
        "sidecars[0].checksum: Expected `str` matching regex",
    ),
    "old checksum": (
        lambda m: m["sidecars"][0].update(sha256=m["sidecars"][0].pop("checksum")),
        "sidecars[0]: Object missing required field `checksum`",
    ),
    "no shards": (lambda m: m.update(shards=[]), "shards: Expected `array` of length >= 1"),
    "no files": (
        lambda m: m["shards"][0].update(files=[]),
        "shards[0].files: Expected `array` of length >= 1",
    ),
    "other file": (
        lambda m: m["shards"][0]["files"][0].update(name="thesis.tex"),
        "shards[0]: 'thesis.tex' is not the name of a shard's file",
    ),
    "range": (
        lambda m: m["shards"][0].update(source_ranges=[[0, 1]]),
        "shards[0].source_ranges[0]: Expected `array` of length 3",
    ),
    "range backwards": (
        lambda m: m["shards"][0].update(source_ranges=[[0, 7, 1]]),
        "shards[0]: a piece of a source ends before it begins",
    ),
    "dtype": (lambda m: m["columns"][0].update(dtype="int7"), 'columns[0]: column "id": "int7"'),
    "names": (lambda m: m["columns"][0].update(name="fare"), "two columns have the same name"),
    "label": (lambda m: m.update(label="tip"), 'label: there is no column "tip"'),
    "vocabulary": (
        lambda m: m["columns"][3]["vocabulary"].reverse(),
        "columns[3]: the vocabulary is not sorted",
    ),
    "minimum": (
        lambda m: m["columns"][0]["statistics"].update(minimum=0.5),
        "columns[0]: the minimum or maximum is not a value of uint64",
    ),
    "maximum": (
        lambda m: m["columns"][2]["statistics"].update(maximum=7),
        "columns[2]: the minimum or maximum is not a value of date",
    ),
    "counts": (
        lambda m: m["columns"][1]["statistics"].update(nulls=3),
        "columns[1].statistics: there are more nulls and infinite values than rows",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_message_names_the_field_and_the_problem(kind: str) -> None:
    change, message = WRONG[kind]
    load_manifest(LocalStore(Path()), JSON_MANIFEST, edited(lambda m: None))
    with pytest.raises(DataError) as caught:
        load_manifest(LocalStore(Path()), JSON_MANIFEST, edited(change))
    assert message in caught.value.message


@pytest.mark.parametrize("key", ["name", "label", "order"])
def test_a_message_is_short_whatever_the_document_holds(key: str) -> None:
    data = edited(lambda m: m.update({key: 100_000 * "/"}))
    with pytest.raises(DataError) as caught:
        load_manifest(LocalStore(Path()), JSON_MANIFEST, data)
    assert len(caught.value.message) < 400


def test_a_key_may_not_be_there_twice_at_any_depth() -> None:
    for key in ('"order"', '"nulls"', '"delimiter"', '"bytes"'):
        place = TEXT.index(key)
        end = TEXT.index("\n", place)
        line = TEXT[place:end].rstrip(",")
        twice = TEXT[:place] + f"{line},\n" + TEXT[place:]
        with pytest.raises(DataError, match=f"the key {key} is there twice"):
            load_manifest(LocalStore(Path()), JSON_MANIFEST, twice.encode())


@pytest.mark.parametrize("beginning", ["", '{"manifest_version": 3, "shards": '])
def test_a_large_document_of_another_form_is_refused_before_it_is_in_memory(beginning: str) -> None:
    data = (beginning + "[" + "[],[7]," * 500_000 + "0]").encode()
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="damaged"):
            load_manifest(LocalStore(Path()), JSON_MANIFEST, data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < len(data)


# Older versions.


def make_old(folder: Path, version: int) -> None:
    """Make the manifest what an older version would have written, and its rejected records."""
    names = [entry["name"] for entry in read_document(folder)["sidecars"]]
    with_records = [i for i, name in enumerate(names) if "rejects" in name]
    if with_records:
        records = rejected_csv(folder)
        rejects_path(folder).unlink()
        (folder / "rejects.csv").write_bytes(records)
    with edited_manifest(folder) as manifest:
        manifest["manifest_version"] = version
        for i in with_records:
            manifest["sidecars"][i] |= {"name": "rejects.csv", "bytes": len(records)}
        files = [file for shard in manifest["shards"] for file in shard["files"]]
        for file in [*files, *manifest["sidecars"]]:
            del file["checksum"]
            file["sha256"] = hashlib.sha256((folder / file["name"]).read_bytes()).hexdigest()
        if version == 1:
            manifest["sidecars"] = [file["name"] for file in manifest["sidecars"]]


def cat_rejected(folder: Path) -> bytes:
    """What `cat` writes of the rejected records."""
    cat(folder, rejected=True, output=folder.parent / "rejected.csv")
    return (folder.parent / "rejected.csv").read_bytes()


def changes(folder: Path) -> list[str]:
    """What verification finds, but for the checksum that an edited manifest has not."""
    found = map(str, verify(folder, VerifyOptions()).findings)
    return [finding for finding in found if "it has no SHA-256 of itself" not in finding]


@pytest.fixture
def converted(tmp_path: Path) -> Path:
    source = tmp_path / "a.csv"
    source.write_text("a,b\n" + "".join(f"{i},{i / 8}\n" for i in range(300)) + "odd\n")
    convert(source, to="parquet", output=tmp_path / "d", shards=2, on_bad_row="skip")
    return tmp_path / "d"


@pytest.mark.parametrize("version", [1, 2])
def test_older_versions_are_read_and_replaced(version: int, converted: Path) -> None:
    make_old(converted, version)
    manifest = open_dataset(converted).manifest
    assert [file.name for file in manifest.sidecars] == ["rejects.csv"]
    assert cat_rejected(converted).count(b"\n") == 2
    checksums = [file.checksum for shard in manifest.shards for file in shard.files]
    assert all(checksum.startswith("sha256:") for checksum in checksums)
    assert changes(converted) == []
    shard = converted / manifest.shards[0].file_names[0]
    shard.write_bytes(shard.read_bytes()[:-1] + b"?")
    assert "checksum (SHA-256)" in changes(converted)[0]
    convert(converted.parent / "a.csv", to="npy", output=converted, force=True, on_bad_row="skip")
    assert open_dataset(converted).rows == 300
    assert not list(converted.glob("[!_]*.parquet"))


def test_a_sidecar_of_version_1_is_taken_as_it_is_there(converted: Path) -> None:
    make_old(converted, 1)
    (converted / "rejects.csv").unlink()
    assert "rejects.csv: the file is missing" in changes(converted)


OLD_WRONG: list[tuple[int, Callable[[dict[str, Any]], object], str]] = [
    (1, lambda m: m.update(sidecars=["../../etc/passwd"]), "'../../etc/passwd' is not a file"),
    (1, lambda m: m.update(sidecars=[JSON_MANIFEST]), "is the manifest itself"),
    (
        1,
        lambda m: m.update(sidecars=[{"name": "a", "bytes": 1, "sha256": 64 * "0"}]),
        "its files are not those of version 1",
    ),
    (
        2,
        lambda m: m.update(sidecars=["rejects.csv"]),
        "its files are not those of version 2",
    ),
    (
        2,
        lambda m: m["shards"][0]["files"][0].update(sha256="0"),
        "shards[0].files[0].checksum: Expected",
    ),
    (2, lambda m: m["shards"][0]["files"][0].update(name="x"), "name of a shard's file"),
    (2, lambda m: m["shards"][0].update(rows=-1), "shards[0].rows: Expected `int` >= 0"),
    (2, lambda m: m.pop("order"), "missing required field `order`"),
]


@pytest.mark.parametrize(("version", "change", "message"), OLD_WRONG)
def test_older_versions_are_checked_as_strictly(
    version: int, change: Callable[[dict[str, Any]], object], message: str, converted: Path
) -> None:
    make_old(converted, version)
    with edited_manifest(converted) as manifest:
        change(manifest)
    with pytest.raises(DataError) as caught:
        open_dataset(converted)
    assert message in caught.value.message


@pytest.mark.parametrize("to", ["parquet", "arrow", "npy", "hdf5", "tfrecord"])
def test_values_that_look_like_the_checksum_stay_as_they_are(tmp_path, to):
    """The checksum is put into the text of the manifest where 64 zeros stand for it."""
    zeros = "0" * 64
    values = [f"{zeros}{i % 3}" for i in range(30)] + ['"sha256": "' + zeros + '"'] * 2
    source = tmp_path / "rows.csv"
    lines = [f'"{value.replace(chr(34), chr(34) * 2)}",1\n' for value in values]
    source.write_text(f"n{zeros},y\n" + "".join(lines))
    output = tmp_path / "out"
    convert(source, to=to, output=output, label="y", layout="rows" if to == "tfrecord" else None)
    dataset = open_dataset(output)
    assert dataset.schema.names[0] == f"n{zeros}"
    found = [v for batch in dataset.read() for v in batch.column(0).to_pylist()]
    assert found == values
    assert verify(output, VerifyOptions()).passed
