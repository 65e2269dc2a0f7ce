"""What verification finds, and that damage of any kind is a finding and never a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import bigdata_cli
from bigdata_cli import verify
from bigdata_cli.errors import UsageError, VerificationError
from bigdata_cli.io.manifest_names import JSON_MANIFEST
from bigdata_cli.verification.report import VerifyProgress, VerifyReport
from tests.datasets import LAYOUTS, edited_manifest, write_dataset
from tests.manifest_files import manifest_path, read_document

NO_CHECKSUM = f"xxh3-128-pieces:{'0' * 32}"


def example_table() -> pa.Table:
    random = np.random.default_rng(0)
    return pa.table(
        {
            "a": random.normal(size=300).astype(np.float32),
            "b": pa.array(random.integers(0, 100, 300).astype(np.int8), mask=np.arange(300) == 7),
            "c": pa.array([f"v{i % 3}" for i in range(300)]).dictionary_encode(),
            "label": random.integers(0, 2, 300).astype(np.int8),
        }
    )


@pytest.fixture(params=LAYOUTS, ids="-".join)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    format_name, layout = request.param
    return write_dataset(tmp_path / "d", example_table(), format_name, layout, 3, "label")


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "d", example_table(), "parquet", None, 3)


def shard_files(folder: Path) -> list[Path]:
    manifest = read_document(folder)
    return [folder / file["name"] for shard in manifest["shards"] for file in shard["files"]]


def whats(report: VerifyReport, file: Path) -> list[str]:
    return [finding.what for finding in report.findings if finding.file == file.name]


def test_a_whole_dataset_passes(folder: Path) -> None:
    report = verify(folder)
    assert report.passed
    assert report.findings == ()
    assert (report.rows, report.n_shards) == (300, 3)
    assert report.n_files == len(shard_files(folder))
    assert report.bytes == sum(path.stat().st_size for path in shard_files(folder))
    assert json.loads(json.dumps(report.to_json()))["passed"] is True


def test_a_flipped_byte_is_found(folder: Path) -> None:
    path = max(shard_files(folder), key=lambda p: p.stat().st_size)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x10
    path.write_bytes(data)
    report = verify(folder)
    assert not report.passed
    assert "checksum (XXH3)" in whats(report, path)
    assert "size" not in whats(report, path)


@pytest.mark.parametrize("damage", ["empty", "half", "garbage", "longer", "zeros"])
def test_damage_is_a_finding(folder: Path, damage: str) -> None:
    path = shard_files(folder)[0]
    data = path.read_bytes()
    random = np.random.default_rng(1)
    path.write_bytes(
        {
            "empty": b"",
            "half": data[: len(data) // 2],
            "garbage": random.bytes(len(data)),
            "longer": data + b"more",
            "zeros": bytes(len(data)),
        }[damage]
    )
    report = verify(folder)
    assert "checksum (XXH3)" in whats(report, path)
    assert ("size" in whats(report, path)) == (damage in ("empty", "half", "longer"))


def test_damage_anywhere_is_never_a_traceback(folder: Path) -> None:
    path = shard_files(folder)[-1]
    data = path.read_bytes()
    random = np.random.default_rng(2)
    for _ in range(25):
        damaged = bytearray(data)
        start = int(random.integers(len(data)))
        damaged[start : start + 4] = random.bytes(len(damaged[start : start + 4]))
        path.write_bytes(damaged)
        report = verify(folder)
        assert report.passed == (bytes(damaged) == data)


def test_a_missing_file_is_found(folder: Path) -> None:
    path = shard_files(folder)[-1]
    path.unlink()
    report = verify(folder)
    assert whats(report, path) == ["the file is missing"]
    path.mkdir()
    assert whats(verify(folder), path) == ["is not a file"]


def test_all_differences_are_reported(parquet: Path) -> None:
    first, second, third = shard_files(parquet)
    first.unlink()
    second.write_bytes(second.read_bytes()[:-1])
    third.write_bytes(bytes([third.read_bytes()[0] ^ 1]) + third.read_bytes()[1:])
    (parquet / "data-00007-of-00008.parquet").write_bytes(b"x")
    report = verify(parquet)
    assert {finding.file for finding in report.findings} == {
        first.name,
        second.name,
        third.name,
        "data-00007-of-00008.parquet",
    }


def test_a_wrong_row_count_is_found(folder: Path) -> None:
    with edited_manifest(folder) as manifest:
        manifest["shards"][1]["rows"] += 1
    report = verify(folder)
    (finding,) = [f for f in report.findings if f.what == "number of rows"]
    assert (finding.expected, finding.found) == (101, 100)
    assert "the sum of the shards' rows" in whats(report, manifest_path(folder))


def test_files_that_are_not_in_the_manifest_are_found(folder: Path) -> None:
    listed = shard_files(folder)[0].name
    strangers = [
        listed.replace("-00000-of-00003", "-00000-of-00009"),
        listed + ".partial",
        "other-00000-of-00001.parquet.partial",
    ]
    for name in [*strangers, "notes.txt", "other-00000-of-00001.parquet", "dataset.md"]:
        (folder / name).write_bytes(b"x")
    report = verify(folder)
    assert sorted(finding.file for finding in report.findings) == sorted(strangers)
    assert report.other_files == ("dataset.md", "notes.txt", "other-00000-of-00001.parquet")


def test_missing_sidecars_and_repeated_files_are_found(parquet: Path) -> None:
    with edited_manifest(parquet) as manifest:
        manifest["sidecars"] = [{"name": "features.json", "bytes": 0, "checksum": NO_CHECKSUM}]
        manifest["shards"][1] = manifest["shards"][0]
    report = verify(parquet)
    assert whats(report, parquet / "features.json") == ["the file is missing"]
    repeated = parquet / manifest["shards"][0]["files"][0]["name"]
    assert "is listed 2 times in the manifest" in whats(report, repeated)


def test_statistics_of_other_rows_are_found(parquet: Path) -> None:
    with edited_manifest(parquet) as manifest:
        manifest["columns"][0]["statistics"]["count"] = 299
    seal, finding = verify(parquet).findings
    assert str(seal) == f"{JSON_MANIFEST}: was changed: it has no SHA-256 of itself"
    assert str(finding) == (
        f'{JSON_MANIFEST}: the number of rows in the statistics of "a" is 299, '
        "the manifest says 300"
    )


def test_what_is_no_dataset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        verify(tmp_path)
    (tmp_path / JSON_MANIFEST).write_text("[]")
    with pytest.raises(VerificationError):
        verify(tmp_path)


def test_progress_reaches_its_end(parquet: Path) -> None:
    seen: list[VerifyProgress] = []
    verify(parquet, progress=seen.append)
    assert len(seen) == 3
    assert seen[-1].bytes_done == seen[-1].bytes_total > 0
    assert seen[-1].rows == 300


def test_is_callable_by_its_public_name_whatever_was_imported(parquet: Path) -> None:
    assert bigdata_cli.verify(parquet).passed
