"""One version, in one place; and what datasets of other versions are."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from packaging.version import Version

import bigdata_cli
from bigdata_cli import VerificationError, convert, open_dataset, verify
from tests.datasets import edited_manifest

ROOT = Path(__file__).parents[2]


def test_the_changelog_begins_with_this_version() -> None:
    versions = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert versions[0] == bigdata_cli.__version__
    assert sorted(versions, key=Version, reverse=True) == versions


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n" + "".join(f"{i},{i / 8}\n" for i in range(900)))
    return path


def test_a_later_version_mends_shards_with_the_same_bytes(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    convert(source, to="parquet", output=tmp_path / "d", shards=3)
    shard = tmp_path / "d" / open_dataset(tmp_path / "d").shards[1].file_names[0]
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-9])
    monkeypatch.setattr(bigdata_cli, "__version__", "99.0.0")
    convert(source, to="parquet", output=tmp_path / "d", shards=3, repair=True)
    assert shard.read_bytes() == whole
    assert verify(tmp_path / "d", source=source).passed
    name, version = pq.read_metadata(shard).created_by.split(" version ")
    assert name == bigdata_cli.DISTRIBUTION
    assert Version(version) <= Version(open_dataset(tmp_path / "d").manifest.tool_version)


def test_a_shard_that_another_version_wrote_otherwise_is_not_mended(
    source: Path, tmp_path: Path
) -> None:
    convert(source, to="parquet", output=tmp_path / "d", shards=3)
    with edited_manifest(tmp_path / "d") as manifest:
        manifest["tool_version"] = "0.1.0"
        manifest["shards"][1]["files"][0]["checksum"] = "xxh3-128-pieces:" + 32 * "0"
    with pytest.raises(VerificationError, match=r"was made by bigdata 0\.1\.0, and this is ") as e:
        convert(source, to="parquet", output=tmp_path / "d", shards=3, repair=True)
    assert "force=True in place of repair=True" in str(e.value.hint)
