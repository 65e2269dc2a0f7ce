"""One conversion at a time writes below an address: a lease, as there is no lock.

A lease is an object that is put where there is none, which one of several writers can. Its holder
puts it again and again; where nobody has for a while, or the holder was a process of this machine
that has ended, another one may take it over. `confirm` says whether it is still ours: a commit
asks before its first step.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid

import msgspec

from bigdata_cli.errors import UsageError
from bigdata_cli.io.lock import LOCK_NAME, Holder, is_gone, this_process
from bigdata_cli.io.places import look_at, open_file
from bigdata_cli.io.remote import writing
from bigdata_cli.url import Url

REFRESH_SECONDS = 60.0
EXPIRY_SECONDS = 900.0
_ATTEMPTS = 3


class _Lease(msgspec.Struct, frozen=True, kw_only=True):
    """What the object holds. put: the time there of the last put, by the clock of the holder."""

    id: str
    holder: Holder
    put: float


class ObjectLock:
    """The right to write below an address."""

    def __init__(self, store: Url) -> None:
        self._store = store
        self._place = store / LOCK_NAME
        self._id = uuid.uuid4().hex
        self._stop: threading.Event | None = None
        self._thread: threading.Thread | None = None

    def acquire(self) -> None:
        """Raise UsageError, with who holds it, where that is another conversion."""
        for _ in range(_ATTEMPTS):
            if writing.put_new(self._place, self._lease()) or self._is_ours():
                self._stop = threading.Event()
                self._thread = threading.Thread(target=self._refresh, name="lease", daemon=True)
                self._thread.start()
                return
            lease = _read(self._place)
            if lease is not None and not self._has_ended(lease):
                raise self._held(lease)
            writing.remove(self._place)
        raise UsageError(f"other conversions are writing into {self._store} in turns")

    def confirm(self) -> None:
        """Raise UsageError where another conversion has taken it over."""
        if not self._is_ours():
            lease = _read(self._place)
            raise self._held(lease)

    def release(self) -> None:
        """Give it back; safe to call twice."""
        if self._stop is None or self._thread is None:
            return
        self._stop.set()
        self._thread.join()
        self._stop = None
        with contextlib.suppress(OSError):  # it expires
            if self._is_ours():
                writing.remove(self._place)

    def _lease(self) -> bytes:
        return msgspec.json.encode(_Lease(id=self._id, holder=this_process(), put=time.time()))

    def _is_ours(self) -> bool:
        lease = _read(self._place)
        return lease is not None and lease.id == self._id

    def _has_ended(self, lease: _Lease) -> bool:
        """Whether its holder has ended, or has not put it for long by the clock of the server."""
        if is_gone(lease.holder):
            return True
        with contextlib.suppress(FileNotFoundError):
            written = look_at(self._place).mtime_ns / 1e9
            return time.time() - max(written, lease.put) > EXPIRY_SECONDS
        return True

    def _refresh(self) -> None:
        stop = self._stop
        assert stop is not None
        while not stop.wait(REFRESH_SECONDS):
            with contextlib.suppress(OSError):  # the next time
                if self._is_ours():
                    writing.put(self._place, self._lease())

    def _held(self, lease: _Lease | None) -> UsageError:
        if lease is None:
            return UsageError(
                f"another conversion has taken over {self._store}", hint="wait for it, or -o OTHER"
            )
        holder = lease.holder
        return UsageError(
            f"process {holder.pid} on {holder.host}, since {holder.started}, is writing into "
            f"{self._store}",
            hint=f"wait for it, or -o OTHER; where it has ended, its lease does after "
            f"{EXPIRY_SECONDS / 60:.0f} minutes",
        )


def _read(place: Url) -> _Lease | None:
    """The lease at a place; None where there is none, or something else."""
    try:
        with open_file(place) as file:
            return msgspec.json.decode(file.read(), type=_Lease)
    except (FileNotFoundError, ValueError):
        return None
