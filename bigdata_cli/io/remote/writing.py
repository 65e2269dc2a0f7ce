"""Objects put, copied and removed. All may be done twice, and raise OSError."""

from __future__ import annotations

import contextlib
import errno
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bigdata_cli.io.remote.faults import retried
from bigdata_cli.io.remote.files import look_at
from bigdata_cli.io.remote.filesystems import file_system
from bigdata_cli.url import Url

PART_BYTES = 8 << 20
_MAX_PARTS = 10_000
_PARTS_AT_ONCE = 4


def put(url: Url, data: bytes) -> None:
    """Put bytes, in place of those that are there."""
    retried(lambda: file_system(url).pipe_file(url.address, data), url)


def put_new(url: Url, data: bytes) -> bool:
    """Put bytes where nothing is; whether it was so. Of several writers, one gets True.

    A put whose answer was lost, and that is tried again, says that something is there.
    """

    def put_it() -> bool:
        try:
            file_system(url).pipe_file(url.address, data, mode="create")
        except FileExistsError:
            return False
        return True

    return retried(put_it, url)


def upload(path: Path, url: Url) -> None:
    """Send a file of this machine; one of several parts by a multipart upload."""
    n_bytes = path.stat().st_size
    if url.scheme == "s3" and n_bytes > PART_BYTES:
        _upload_parts(path, url, n_bytes)
        return
    retried(lambda: file_system(url).put_file(str(path), url.address), url)


def _upload_parts(path: Path, url: Url, n_bytes: int) -> None:
    """Send the parts of a file, each again where that fails, some at a time."""
    n_parts = -(-n_bytes // PART_BYTES)
    if n_parts > _MAX_PARTS:
        raise OSError(
            errno.EFBIG, f"an upload has {_MAX_PARTS:,} parts of {PART_BYTES:,} bytes at the most"
        )
    begun = _call(url, "create_multipart_upload")
    about = {"UploadId": begun["UploadId"]}

    def send(number: int) -> dict[str, Any]:
        with path.open("rb") as file:
            file.seek((number - 1) * PART_BYTES)
            body = file.read(PART_BYTES)
        sent = _call(url, "upload_part", PartNumber=number, Body=body, **about)
        return {"PartNumber": number, "ETag": sent["ETag"]}

    try:
        with ThreadPoolExecutor(_PARTS_AT_ONCE, thread_name_prefix="upload") as pool:
            parts = list(pool.map(send, range(1, n_parts + 1)))
        _complete(url, n_bytes, MultipartUpload={"Parts": parts}, **about)
    except BaseException:
        with contextlib.suppress(OSError):  # `abort_uploads` does it later
            _call(url, "abort_multipart_upload", **about)
        raise


def _complete(url: Url, n_bytes: int, **arguments: Any) -> None:
    """Make an object of the parts; where the answer was lost, it is one already."""
    try:
        _call(url, "complete_multipart_upload", **arguments)
    except FileNotFoundError:
        if look_at(url).bytes != n_bytes:
            raise


def _call(url: Url, method: str, **arguments: Any) -> dict[str, Any]:
    """Call S3 for an object."""
    bucket, _, key = url.address.partition("://")[2].partition("/")

    def call() -> dict[str, Any]:
        return file_system(url).call_s3(method, Bucket=bucket, Key=key, **arguments)

    return retried(call, url)


def copy(source: Url, target: Url) -> None:
    """Copy an object within its service; FileNotFoundError where it is not there."""
    retried(lambda: file_system(source).cp_file(source.address, target.address), source)


def remove(url: Url) -> None:
    """Remove an object, if it is there."""

    def remove_it() -> None:
        with contextlib.suppress(FileNotFoundError):
            file_system(url).rm_file(url.address)

    retried(remove_it, url)


def unfinished_uploads(folder: Url) -> list[tuple[str, str]]:
    """The multipart uploads below an address that nobody has finished: their keys and numbers.

    Other services than S3 keep none, or do not show them.
    """
    if folder.scheme != "s3":
        return []
    bucket, prefix = _bucket_and_prefix(folder)

    def find() -> list[tuple[str, str]]:
        system = file_system(folder)
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

    return retried(find, folder)


def abort_uploads(folder: Url) -> None:
    """Abort the multipart uploads below an address that nobody has finished."""
    bucket, _ = _bucket_and_prefix(folder)
    for key, upload in unfinished_uploads(folder):

        def abort(key: str = key, upload: str = upload) -> None:
            with contextlib.suppress(FileNotFoundError):  # it has just been finished, or aborted
                file_system(folder).call_s3(
                    "abort_multipart_upload", Bucket=bucket, Key=key, UploadId=upload
                )

        retried(abort, folder)


def _bucket_and_prefix(folder: Url) -> tuple[str, str]:
    bucket, _, prefix = folder.address.partition("://")[2].partition("/")
    return bucket, f"{prefix.rstrip('/')}/" if prefix else ""
