"""Datasets at addresses: written, read, verified, kept in a cache."""

from __future__ import annotations

import os
import pickle
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from bigdata_cli import cat, convert, head, inspect, open_dataset, verify
from bigdata_cli.dataset import Dataset
from bigdata_cli.errors import DataError, UsageError, VerificationError
from bigdata_cli.formats.registry import FORMATS
from tests.remote.servers import WebServer

N_ROWS = 6_000
NEEDS_CACHE = ("npy",)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "trips.csv"
    lines = (f"{i},text {i % 300},{i / 4},{i % 2}\n" for i in range(N_ROWS))
    path.write_text("id,text,value,label\n" + "".join(lines))
    return path


def sha(folder: Path | str) -> list[tuple[str, str]]:
    """The checksums of all files of a dataset."""
    dataset = open_dataset(folder)
    return [(file.name, file.checksum) for shard in dataset.shards for file in shard.files]


def table(dataset: Dataset) -> pa.Table:
    return pa.Table.from_batches(list(dataset.read()))


@pytest.mark.parametrize("name", FORMATS)
def test_a_dataset_in_s3_is_that_of_a_folder(
    s3: str, source: Path, tmp_path: Path, name: str
) -> None:
    here, there = tmp_path / "here", f"{s3}/there"
    convert(source, to=name, output=here, shards=2, label="label")
    report = convert(source, to=name, output=there, shards=2, label="label")
    assert str(report.output) == there
    if name != "hdf5":
        assert sha(there) == sha(here)
    cache = tmp_path / "cache" if name in NEEDS_CACHE else None
    dataset = open_dataset(there, cache=cache)
    assert table(dataset).equals(table(open_dataset(here)))
    assert table(pickle.loads(pickle.dumps(dataset))).num_rows == N_ROWS
    report = verify(there, source=source, cache=cache)
    assert (report.findings, report.compared_rows) == ((), N_ROWS)
    for shuffle in (False, True):
        batches = list(dataset.to_numpy_batches(512, columns=["id", "value"], shuffle=shuffle))
        ids = np.sort(np.concatenate([X[:, 0] for X, _ in batches]))
        assert (ids == np.arange(N_ROWS)).all()
    assert inspect(there, cache=cache).to_json()["path"] == there
    out = tmp_path / "out.csv"
    cat(there, output=out, cache=cache, columns=["id", "text"])
    assert out.read_text().count("\n") == N_ROWS + 1
    assert head(there, cache=cache).num_rows == 10
    convert(there, to="parquet", output=tmp_path / "again", **({"cache": cache} if cache else {}))
    assert table(open_dataset(tmp_path / "again")).num_rows == N_ROWS


def test_npy_at_an_address_needs_a_cache(s3: str, source: Path) -> None:
    convert(source, to="npy", output=f"{s3}/npy", label="label")
    with pytest.raises(UsageError, match="mapped into memory") as caught:
        next(open_dataset(f"{s3}/npy").batches(10))
    assert "cache=DIR" in str(caught.value) or "--cache DIR" in str(caught.value)


def kept(cache: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in cache.glob("*.cached")}


def test_the_cache_is_used_and_bounded(s3: str, source: Path, tmp_path: Path) -> None:
    there, cache = f"{s3}/npy", tmp_path / "cache"
    convert(source, to="npy", output=there, shards=4)
    size = open_dataset(there).manifest.bytes
    first = table(open_dataset(there, cache=cache))
    assert sum(kept(cache).values()) >= size
    before = kept(cache)
    assert table(open_dataset(there, cache=cache)).equals(first)
    assert kept(cache) == before
    for path in cache.glob("*.cached"):
        os.utime(path, (time.time() - 1000,) * 2)
    assert table(open_dataset(there, cache=cache, cache_size=size // 3)).equals(first)
    recent = [path for path in cache.glob("*.cached") if path.stat().st_mtime > time.time() - 500]
    assert recent  # what was just used stays
    for path in cache.glob("*.cached"):
        os.utime(path, (time.time() - 1000,) * 2)
    next(open_dataset(there, cache=cache, cache_size=size // 3).batches(10, columns=["id"]))
    used_before = [p for p in cache.glob("*.cached") if p.stat().st_mtime < time.time() - 500]
    assert sum(kept(cache).values()) <= size // 3 or not used_before


def test_a_file_of_the_cache_that_was_damaged_is_fetched_again(
    s3: str, source: Path, tmp_path: Path
) -> None:
    there, cache = f"{s3}/npy", tmp_path / "cache"
    convert(source, to="npy", output=there)
    first = table(open_dataset(there, cache=cache))
    for path in cache.glob("*.cached"):
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.unlink()  # another process: its inode is another one
        path.write_bytes(data)
    assert table(open_dataset(there, cache=cache)).equals(first)


def test_another_file_at_the_address_is_not_taken_for_it(
    s3: str, source: Path, tmp_path: Path
) -> None:
    there, cache = f"{s3}/npy", tmp_path / "cache"
    convert(source, to="npy", output=there)
    table(open_dataset(there, cache=cache))
    convert(source, to="npy", output=there, force=True, where="id < 100")
    assert table(open_dataset(there, cache=cache)).num_rows == 100


def test_a_dataset_on_a_web_server(web: WebServer, source: Path, tmp_path: Path) -> None:
    convert(source, to="parquet", output=web.folder / "d", shards=2, label="label")
    address = f"{web.url}/d"
    assert table(open_dataset(address)).equals(table(open_dataset(web.folder / "d")))
    assert verify(address).findings == ()
    assert open_dataset(f"{address}/_manifest.parquet").rows == N_ROWS
    with pytest.raises(UsageError, match="is not a dataset"):
        open_dataset(f"{web.url}/other")
    with pytest.raises(UsageError, match="cannot be written"):
        convert(source, to="parquet", output=f"{web.url}/new")


def test_damage_is_found(s3: str, source: Path) -> None:
    import s3fs

    there = f"{s3}/d"
    convert(source, to="parquet", output=there, shards=2)
    system = s3fs.S3FileSystem()
    names = [file.name for shard in open_dataset(there).shards for file in shard.files]
    data = bytearray(system.cat_file(f"{there}/{names[0]}"))
    data[len(data) // 2] ^= 1
    system.pipe_file(f"{there}/{names[0]}", bytes(data))
    system.rm_file(f"{there}/{names[1]}")
    found = {(finding.file, finding.what) for finding in verify(there).findings}
    assert {file for file, _ in found} == set(names)
    with pytest.raises(VerificationError):
        table(open_dataset(there))


def test_what_is_there_is_not_overwritten(s3: str, source: Path) -> None:
    import s3fs

    there = f"{s3}/d"
    convert(source, to="parquet", output=there)
    with pytest.raises(UsageError, match="already holds a dataset"):
        convert(source, to="parquet", output=there)
    report = convert(source, to="arrow", output=there, force=True)
    names = {path.rpartition("/")[2] for path in s3fs.S3FileSystem().ls(there)}
    assert names == {"_manifest.arrow", report.manifest.shards[0].file_names[0]}
    s3fs.S3FileSystem().pipe(f"{s3}/mine/notes.txt", b"x")
    with pytest.raises(UsageError, match="is not a dataset of ours"):
        convert(source, to="parquet", output=f"{s3}/mine")


def test_no_bucket_and_no_rights(s3: str, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"cannot be written: there is no such bucket"):
        convert(source, to="parquet", output="s3://there-is-no-such-bucket/x")
    import s3fs
    from botocore.exceptions import ClientError

    call = s3fs.S3FileSystem._call_s3

    async def refused(self, method, *args, **kwargs):
        if method == "put_object":
            answer = {"Error": {"Code": "AccessDenied", "Message": "no"}}
            raise s3fs.errors.translate_boto_error(ClientError(answer, "PutObject"))
        return await call(self, method, *args, **kwargs)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", refused)
    with pytest.raises(UsageError, match=r"cannot be written: the server does not allow it"):
        convert(source, to="parquet", output=f"{s3}/x")


def test_credentials_that_expire_can_be_renewed(
    s3: str, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import s3fs
    from botocore.exceptions import ClientError

    there = f"{s3}/d"
    call = s3fs.S3FileSystem._call_s3
    n_shards = [0]

    async def expired(self, method, *args, **kwargs):
        if method == "put_object" and ".parquet" in kwargs["Key"]:
            n_shards[0] += 1
            if n_shards[0] > 2:
                answer = {"Error": {"Code": "ExpiredToken", "Message": "a-secret-token"}}
                raise s3fs.errors.translate_boto_error(ClientError(answer, "PutObject"))
        return await call(self, method, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(s3fs.S3FileSystem, "_call_s3", expired)
        with pytest.raises(DataError, match="the credentials have expired") as caught:
            convert(source, to="parquet", output=there, shards=4, jobs=1)
        assert "the same call goes on" in "".join(caught.value.__notes__) or caught.value.__notes__
    report = convert(source, to="parquet", output=there, shards=4, jobs=1)
    assert report.resumed_shards == 2
    convert(source, to="parquet", output=tmp_path / "here", shards=4)
    assert sha(there) == sha(tmp_path / "here")


def test_the_loser_of_two_writers_is_told(
    s3: str, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease of the first has run out while it slept; the second has written a dataset."""
    from bigdata_cli.io.object_lock import ObjectLock

    there = f"{s3}/d"
    monkeypatch.setattr(ObjectLock, "confirm", lambda self: None)
    from bigdata_cli.conversion.commit import OutputFolder

    commit = OutputFolder.commit
    is_first = [True]

    def sleeping(self, *args):
        if is_first[0]:
            is_first[0] = False
            self._lock.release()
            convert(source, to="parquet", output=there, force=True, where="id < 7")
        return commit(self, *args)

    monkeypatch.setattr(OutputFolder, "commit", sleeping)
    with pytest.raises((UsageError, DataError)) as caught:
        convert(source, to="parquet", output=there)
    assert "another conversion" in str(caught.value)
    monkeypatch.undo()
