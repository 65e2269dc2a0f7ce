"""Objects of S3 that are sent in parts, each when it is known; parts that are there are used.

The parts of an upload that nobody has finished stay in the bucket. Who sends an object of that name
again finds them, and sends only those that are not there or not the same. The server says of each
part its size and its MD5; where it encrypts with keys of its own it says something else, and then
all parts are sent.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from bigdata_cli.io.remote.faults import retried
from bigdata_cli.io.remote.files import look_at_object
from bigdata_cli.io.remote.filesystems import file_system
from bigdata_cli.url import Url

PART_BYTES = 8 << 20
_MAX_PARTS = 10_000
_PARTS_AT_ONCE = 4


class _Part(NamedTuple):
    """A part that is there: its size, and the MD5 of its bytes as far as the server says it."""

    n_bytes: int
    etag: str


class PartsUpload:
    """A file of this machine that becomes an object, sent part by part; used by one thread.

    `send` says which parts will not change any more. `finish` makes the object of them. `close`
    leaves what was sent for the next one that sends this object.
    """

    def __init__(self, path: Path, url: Url, *, uses_parts: bool = True) -> None:
        """uses_parts: those that are there are not sent again."""
        self._path = path
        self._url = url
        self._uses_parts = uses_parts
        self._pool = ThreadPoolExecutor(_PARTS_AT_ONCE, thread_name_prefix="upload")
        self._begun: Future[tuple[str, dict[int, _Part]]] = self._pool.submit(self._begin)
        self._sent: dict[int, Future[str]] = {}
        self._running: deque[Future[str]] = deque()

    def send(self, number: int) -> None:
        """Send a part, counted from 1, in a thread; waits where too many are under way."""
        while len(self._running) >= 2 * _PARTS_AT_ONCE:
            self._running.popleft().result()
        future = self._pool.submit(self._send, number)
        self._sent[number] = future
        self._running.append(future)

    def finish(self, n_bytes: int) -> None:
        """Make an object of so many bytes; parts that were not sent are sent before."""
        n_parts = -(-n_bytes // PART_BYTES)
        if n_parts > _MAX_PARTS:
            raise OSError(
                errno.EFBIG,
                f"an upload has {_MAX_PARTS:,} parts of {PART_BYTES:,} bytes at the most",
            )
        numbers = range(1, n_parts + 1)
        for number in numbers:
            if number not in self._sent:
                self.send(number)
        parts = [{"PartNumber": k, "ETag": self._sent[k].result()} for k in numbers]
        upload, _ = self._begun.result()
        try:
            _call(
                self._url,
                "complete_multipart_upload",
                UploadId=upload,
                MultipartUpload={"Parts": parts},
            )
        except FileNotFoundError:  # the answer was lost, or another one has finished it
            if look_at_object(self._url).bytes != n_bytes:
                raise
        self.close()

    def close(self) -> None:
        """End the threads; safe to call twice."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _begin(self) -> tuple[str, dict[int, _Part]]:
        """The number of the upload, and the parts of it that are there."""
        bucket, key = _bucket_and_key(self._url)
        if self._uses_parts:
            for found, upload in reversed(uploads_below(self._url, bucket, key)):
                if found == key:
                    with contextlib.suppress(FileNotFoundError):  # it was finished, or aborted
                        return upload, self._parts(upload)
        return _call(self._url, "create_multipart_upload")["UploadId"], {}

    def _parts(self, upload: str) -> dict[int, _Part]:
        parts: dict[int, _Part] = {}
        marker: dict[str, Any] = {}
        while True:
            found = _call(self._url, "list_parts", UploadId=upload, **marker)
            for one in found.get("Parts", ()):
                parts[one["PartNumber"]] = _Part(one["Size"], one["ETag"])
            if not found.get("IsTruncated"):
                return parts
            marker = {"PartNumberMarker": found["NextPartNumberMarker"]}

    def _send(self, number: int) -> str:
        """Send a part, if it is not there; returns its ETag."""
        upload, there = self._begun.result()
        with self._path.open("rb") as file:
            file.seek((number - 1) * PART_BYTES)
            body = file.read(PART_BYTES)
        known = there.get(number)
        if known is not None and known.n_bytes == len(body):
            digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
            if known.etag.strip('"') == digest:
                return known.etag
        sent = _call(self._url, "upload_part", UploadId=upload, PartNumber=number, Body=body)
        etag: str = sent["ETag"]
        return etag


def is_sent_in_parts(url: Url, n_bytes: int) -> bool:
    """Whether an object of so many bytes is."""
    return url.scheme == "s3" and n_bytes > PART_BYTES


def finish_parts(upload: PartsUpload | None, path: Path, url: Url) -> None:
    """Make an object of a file, by the upload that was begun, or else by a new one.

    Where another process has sent an object of that name meanwhile, the upload may be gone, or may
    have parts of another file: then all is sent once more.
    """
    n_bytes = path.stat().st_size
    begun = upload or PartsUpload(path, url)
    try:
        begun.finish(n_bytes)
        return
    except (FileNotFoundError, OSError) as error:
        if not (isinstance(error, FileNotFoundError) or "InvalidPart" in str(error)):
            raise
    finally:
        begun.close()
    again = PartsUpload(path, url, uses_parts=False)
    try:
        again.finish(n_bytes)
    finally:
        again.close()


def unfinished_uploads(folder: Url) -> list[tuple[str, str]]:
    """The uploads below an address that nobody has finished: their keys and numbers.

    Other services than S3 keep none, or do not show them.
    """
    if folder.scheme != "s3":
        return []
    bucket, key = _bucket_and_key(folder)
    return uploads_below(folder, bucket, f"{key.rstrip('/')}/" if key else "")


def uploads_below(url: Url, bucket: str, prefix: str) -> list[tuple[str, str]]:
    """The keys and numbers of the unfinished uploads whose keys begin in that way."""

    def find() -> list[tuple[str, str]]:
        system = file_system(url)
        uploads: list[tuple[str, str]] = []
        marker: dict[str, str] = {}
        while True:
            found = system.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=prefix, **marker)
            uploads += [(one["Key"], one["UploadId"]) for one in found.get("Uploads", ())]
            if not found.get("IsTruncated"):
                return uploads
            marker = {
                "KeyMarker": found["NextKeyMarker"],
                "UploadIdMarker": found["NextUploadIdMarker"],
            }

    return retried(find, url)


def abort_uploads(folder: Url) -> None:
    """Abort the uploads below an address that nobody has finished."""
    bucket, _ = _bucket_and_key(folder)
    for key, upload in unfinished_uploads(folder):

        def abort(key: str = key, upload: str = upload) -> None:
            with contextlib.suppress(FileNotFoundError):  # it has just been finished, or aborted
                file_system(folder).call_s3(
                    "abort_multipart_upload", Bucket=bucket, Key=key, UploadId=upload
                )

        retried(abort, folder)


def _call(url: Url, method: str, **arguments: Any) -> dict[str, Any]:
    """Call S3 for an object."""
    bucket, key = _bucket_and_key(url)

    def call() -> dict[str, Any]:
        return file_system(url).call_s3(method, Bucket=bucket, Key=key, **arguments)

    return retried(call, url)


def _bucket_and_key(url: Url) -> tuple[str, str]:
    bucket, _, key = url.address.partition("://")[2].partition("/")
    return bucket, key
