"""One conversion at a time writes into a folder."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bigdata_cli.errors import UsageError

LOCK_NAME = "_lock"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_MOST_BYTES = 4096
_ATTEMPTS = 20
_SECONDS_BETWEEN = 0.05
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


class FolderLock:
    """A lock that the kernel drops when its holder dies, and a file that says who that is.

    `flock` decides wherever it works. Where it does not, and for a holder on another machine, which
    it may not see, what the file says counts: a holder is gone where this machine has been started
    anew since, or has no process of that number.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / LOCK_NAME
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Raise UsageError, with who holds it, where that is another conversion."""
        for _ in range(_ATTEMPTS):
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
            try:
                is_ours = self._take(descriptor)
            except BaseException:
                os.close(descriptor)
                raise
            if is_ours:
                self._descriptor = descriptor
                return
            os.close(descriptor)
            time.sleep(_SECONDS_BETWEEN)
        raise UsageError(f"{self.path.parent} is being written into by others all the time")

    def release(self) -> None:
        """Give it back; safe to call twice."""
        if self._descriptor is not None:
            self.path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None

    def _take(self, descriptor: int) -> bool:
        """Whether the lock is ours now; False where its holder has just removed it."""
        by_kernel = True
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise self._held(_read(descriptor)) from None
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            by_kernel = False
        try:
            if not os.path.samestat(os.fstat(descriptor), os.stat(self.path)):
                return False
        except FileNotFoundError:
            return False
        holder = _read(descriptor)
        if holder is not None and _may_live(holder, by_kernel=by_kernel):
            raise self._held(holder)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(_ourselves()).encode(), 0)
        return True

    def _held(self, holder: dict[str, Any] | None) -> UsageError:
        who = "another conversion"
        if holder is not None:
            who = f"process {holder['pid']} on {holder['host']}, since {holder['started']},"
        told = f"{who} is writing into {self.path.parent}"
        hint = "wait for it, or -o OTHER"
        if holder is not None and holder["host"] != os.uname().nodename:
            hint = f"wait for it, or rm {self.path} where that process is gone"
        return UsageError(told, hint=hint)


def _ourselves() -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "host": os.uname().nodename,
        "boot": _boot_id(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _boot_id() -> str:
    """What the kernel calls the time since it was started; "" where it does not say."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _read(descriptor: int) -> dict[str, Any] | None:
    """Who a lock file names; None for nobody, as of one that is being written."""
    try:
        holder = json.loads(os.pread(descriptor, _MOST_BYTES, 0))
        return {
            "pid": int(holder["pid"]),
            "host": str(holder["host"]),
            "boot": str(holder["boot"]),
            "started": str(holder["started"]),
        }
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _may_live(holder: dict[str, Any], *, by_kernel: bool) -> bool:
    """Whether the holder may still be at work, although the kernel gave us the lock (or has none).

    The same boot is the same kernel, whatever a container calls its host.
    """
    boot = _boot_id()
    if boot and holder["boot"] == boot:
        return not by_kernel and _is_alive(holder["pid"])
    if holder["host"] != os.uname().nodename:
        return True
    return not boot and not by_kernel and _is_alive(holder["pid"])


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return pid > 0
