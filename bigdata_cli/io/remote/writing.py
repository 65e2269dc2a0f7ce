"""Objects put, copied and removed. All may be done twice, and raise OSError."""

from __future__ import annotations

import contextlib
from pathlib import Path

from bigdata_cli.io.remote.faults import retried
from bigdata_cli.io.remote.filesystems import file_system
from bigdata_cli.io.remote.multipart import finish_parts, is_sent_in_parts
from bigdata_cli.url import Url


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
    """Send a file of this machine; a large one in parts, where the service takes these."""
    if is_sent_in_parts(url, path.stat().st_size):
        finish_parts(None, path, url)
    else:
        retried(lambda: file_system(url).put_file(str(path), url.address), url)


def copy(source: Url, target: Url) -> None:
    """Copy an object within its service; FileNotFoundError where it is not there."""
    retried(lambda: file_system(source).cp_file(source.address, target.address), source)


def remove(url: Url) -> None:
    """Remove an object, if it is there."""

    def remove_it() -> None:
        with contextlib.suppress(FileNotFoundError):
            file_system(url).rm_file(url.address)

    retried(remove_it, url)
