"""One conversion at a time writes into a folder."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from bigdata_cli.errors import UsageError

LOCK_NAME = "_lock"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_MAX_BYTES = 4096
_ATTEMPTS = 20
_SECONDS_BETWEEN = 0.05
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


class Holder(msgspec.Struct, frozen=True, kw_only=True):
    """The process that holds a lock, as its file has it. boot: see `_boot_id`."""

    pid: int
    host: str
    boot: str
    started: str


class FolderLock:
    """A lock that the kernel drops when its holder dies, and a file that names the holder.

    `flock` decides wherever it works. Where it does not, and for a holder on another machine, which
    it may not see, the file decides: a holder is gone where this machine was restarted since, or
    has no process of that number.
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
        raise UsageError(f"other conversions are writing into {self.path.parent} in turns")

    def release(self) -> None:
        """Give it back; safe to call twice."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):  # the kernel's lock ends; a file alone holds none
                self.path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None

    def confirm(self) -> None:
        """The kernel keeps it for us."""

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
        os.pwrite(descriptor, msgspec.json.encode(this_process()), 0)
        return True

    def _held(self, holder: Holder | None) -> UsageError:
        who, hint = "another conversion", "wait for it, or -o OTHER"
        if holder is not None:
            who = f"process {holder.pid} on {holder.host}, since {holder.started},"
            if holder.host != os.uname().nodename:
                hint = f"wait for it, or rm {self.path} where that process is gone"
        return UsageError(f"{who} is writing into {self.path.parent}", hint=hint)


def this_process() -> Holder:
    """This process as a holder of a lock."""
    return Holder(
        pid=os.getpid(),
        host=os.uname().nodename,
        boot=_boot_id(),
        started=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def is_gone(holder: Holder) -> bool:
    """Whether a holder was a process of this machine, and has ended.

    Of one on another machine, or before the last restart of this one, nothing is known.
    """
    boot = _boot_id()
    is_here = bool(boot) and (holder.boot, holder.host) == (boot, os.uname().nodename)
    return is_here and not _is_alive(holder.pid)


def _boot_id() -> str:
    """The kernel's name of this boot; "" where it has none."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _read(descriptor: int) -> Holder | None:
    """The holder in a lock file; None where there is none, as in one that is being written."""
    try:
        return msgspec.json.decode(os.pread(descriptor, _MAX_BYTES, 0), type=Holder)
    except (ValueError, RecursionError):
        return None


def _may_live(holder: Holder, *, by_kernel: bool) -> bool:
    """Whether the holder may still be running, although the kernel gave us the lock (or has none).

    The same boot is the same kernel, whatever a container calls its host.
    """
    boot = _boot_id()
    if boot and holder.boot == boot:
        return not by_kernel and _is_alive(holder.pid)
    if holder.host != os.uname().nodename:
        return True
    return not boot and not by_kernel and _is_alive(holder.pid)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return pid > 0
