"""Stores at addresses: the contract of all stores, and what only these have to do."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bigdata_cli import convert, open_dataset
from bigdata_cli.errors import UsageError
from bigdata_cli.io import object_lock
from bigdata_cli.io.object_store import ObjectStore
from bigdata_cli.io.remote import multipart
from bigdata_cli.io.store import Store
from bigdata_cli.url import Url
from tests.io.store_contract import LARGE, StoreContract

PART_BYTES = 5 << 20
"""The least that S3 takes."""
N_ROWS = 600_000


class TestS3(StoreContract):
    @pytest.fixture(autouse=True)
    def _bucket(self, s3: str) -> None:
        self.url = Url(f"{s3}/a b/c")

    def new_store(self, folder: Path) -> Store:
        return ObjectStore(self.url)


class TestMemory(StoreContract):
    def new_store(self, folder: Path) -> Store:
        return ObjectStore(Url(f"memory://{folder}"))


def test_a_large_file_is_sent_in_parts(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import s3fs

    monkeypatch.setattr(multipart, "PART_BYTES", 5 << 20)
    calls = []
    call = s3fs.S3FileSystem.call_s3

    def counted(self, method, *args, **kwargs):
        calls.append(method)
        return call(self, method, *args, **kwargs)

    monkeypatch.setattr(s3fs.S3FileSystem, "call_s3", counted)
    store = ObjectStore(Url(f"{s3}/x"))
    sink = store.create("large")
    for _ in range(12 * 4):
        sink.write(LARGE)
    entry = sink.finish("large")
    assert store.stat("large").bytes == entry.bytes == 12 << 20
    assert calls.count("upload_part") == 3
    assert "complete_multipart_upload" in calls
    with store.open("large") as file:
        assert file.read() == LARGE * 48


def test_uploads_that_nobody_finished_are_discarded(s3: str) -> None:
    import s3fs

    system = s3fs.S3FileSystem()
    bucket = s3.removeprefix("s3://")
    for key in ("out/a", "out/b", "other/c"):
        system.call_s3("create_multipart_upload", Bucket=bucket, Key=key)
    ObjectStore(Url(f"{s3}/out")).discard_unfinished()
    left = system.call_s3("list_multipart_uploads", Bucket=bucket)
    assert [one["Key"] for one in left["Uploads"]] == ["other/c"]


def test_of_many_writers_one_publishes(s3: str) -> None:
    store = ObjectStore(Url(f"{s3}/out"))
    for index in range(6):
        store.put(f"m{index}", b"%d" % index)
    won = []

    def publish(index: int) -> None:
        if ObjectStore(store.url).publish(f"m{index}", "_manifest.json"):
            won.append(index)

    threads = [threading.Thread(target=publish, args=(index,)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = won
    with store.open("_manifest.json") as file:
        assert file.read() == b"%d" % winner


def test_a_put_whose_answer_was_lost_is_ours(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ObjectStore(Url(f"{s3}/out"))
    store.put("m", b"mine")
    import s3fs

    call = s3fs.S3FileSystem._call_s3
    n_calls = []

    async def lost(self, method, *args, **kwargs):
        if method == "put_object" and not n_calls:
            n_calls.append(method)
            await call(self, method, *args, **kwargs)
            raise ConnectionResetError("the answer is lost")
        if method == "put_object":
            n_calls.append(method)
        return await call(self, method, *args, **kwargs)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", lost)
    assert store.publish("m", "_manifest.json")
    assert len(n_calls) == 2


def test_a_lease_of_a_process_that_has_ended_is_taken_over(s3: str) -> None:
    store = ObjectStore(Url(f"{s3}/out"))
    first = store.lock()
    first.acquire()
    with pytest.raises(UsageError, match="is writing into"):
        store.lock().acquire()
    data = store.open("_lock").read()
    import os

    store.put("_lock", data.replace(b'"pid":%d' % os.getpid(), b'"pid":%d' % (2**22 + 1)))
    second = store.lock()
    second.acquire()
    with pytest.raises(UsageError, match="is writing into"):
        first.confirm()
    first.release()  # it is not ours any more
    second.confirm()
    second.release()
    assert store.names() == []


def test_a_lease_that_nobody_refreshed_is_taken_over(
    s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ObjectStore(Url(f"{s3}/out"))
    store.lock().acquire()
    data = store.open("_lock").read()
    store.put("_lock", data.replace(b'"host":"', b'"host":"another-'))
    with pytest.raises(UsageError, match="on another-"):
        store.lock().acquire()
    monkeypatch.setattr(object_lock, "EXPIRY_SECONDS", -1.0)
    lock = store.lock()
    lock.acquire()
    lock.release()


def test_a_bucket_that_is_not_there_and_a_server_that_is_not_there(
    s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ObjectStore(Url("s3://no-such-bucket-anywhere/x"))
    with pytest.raises(FileNotFoundError, match="no such bucket"):
        store.put("a", b"1")
    assert store.names() == []


def test_parts_are_sent_again_one_by_one(
    s3: str, s3_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the answer to the last call is lost."""
    import s3fs

    from tests.remote.servers import FaultProxy, Faults

    monkeypatch.setattr(multipart, "PART_BYTES", 5 << 20)
    with FaultProxy(s3_server, Faults(0.5, ("500", "lost", "reset"))).running() as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        s3fs.S3FileSystem.clear_instance_cache()
        store = ObjectStore(Url(f"{s3}/x"))
        sink = store.create("large")
        for _ in range(12 * 4):
            sink.write(LARGE)
        entry = sink.finish("large")
        assert store.stat("large").bytes == entry.bytes
    s3fs.S3FileSystem.clear_instance_cache()
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    with store.open("large") as file:
        assert file.read() == LARGE * 48
    assert ObjectStore(Url(s3)).n_unfinished() == 0


def test_the_parts_of_a_killed_run_are_used(
    s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that sends them is killed when some are there; the dataset is that of a folder.

    Parts of the same number that are not the same are sent again.
    """
    import s3fs

    monkeypatch.setattr(multipart, "PART_BYTES", PART_BYTES)
    source = tmp_path / "rows.csv"
    rows = (f"{i},{hashlib.sha256(b'%d' % i).hexdigest()}\n" for i in range(N_ROWS))
    source.write_text("id,text\n" + "".join(rows))
    out = f"{s3}/out"
    code = f"""
import os, s3fs
from bigdata_cli import convert
from bigdata_cli.io.remote import multipart
multipart.PART_BYTES = {PART_BYTES}
call, sent = s3fs.S3FileSystem.call_s3, []
def killed(self, method, *args, **kwargs):
    done = call(self, method, *args, **kwargs)
    if method == "upload_part":
        sent.append(kwargs["PartNumber"])
        if len(sent) == 2:
            os.kill(os.getpid(), 9)
    return done
s3fs.S3FileSystem.call_s3 = killed
convert({str(source)!r}, to="npy", shards=2, output={out!r}, jobs=1)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL
    ((key, upload),) = multipart.unfinished_uploads(Url(out))
    system, bucket = s3fs.S3FileSystem(), s3.removeprefix("s3://")
    call, calls = s3fs.S3FileSystem.call_s3, []
    parts = system.call_s3("list_parts", Bucket=bucket, Key=key, UploadId=upload)["Parts"]
    there = [part["PartNumber"] for part in parts]
    assert len(there) >= 2
    # One of them is of another file.
    about = {"Bucket": bucket, "Key": key, "UploadId": upload, "PartNumber": there[-1]}
    system.call_s3("upload_part", Body=b"x" * PART_BYTES, **about)

    def counted(self, method, *args, **kwargs):
        if method == "upload_part" and kwargs["Key"] == key:
            calls.append(kwargs["PartNumber"])
        return call(self, method, *args, **kwargs)

    monkeypatch.setattr(s3fs.S3FileSystem, "call_s3", counted)
    convert(source, to="npy", shards=2, output=out, jobs=1)
    assert set(there[:-1]) & set(calls) == set()
    assert there[-1] in calls
    assert multipart.unfinished_uploads(Url(out)) == []
    here = tmp_path / "here"
    convert(source, to="npy", shards=2, output=here)
    assert sums(out) == sums(here)


def sums(place: str | Path) -> list[str]:
    shards = open_dataset(place).shards
    return [file.checksum for shard in shards for file in shard.files]
