"""One .npy file: written piece by piece, and opened as a memory map that is sure to be whole."""

from __future__ import annotations

import errno
import functools
import mmap
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from bigdata_cli.checksum import FileEntry
from bigdata_cli.errors import UsageError, VerificationError
from bigdata_cli.io.store import ByteSink, Store, StoredFile, partial_name

if TYPE_CHECKING:
    from collections.abc import Buffer

_MAGIC = b"\x93NUMPY\x01\x00"
_MAX_JOINED_BYTES = 1 << 16
"""Of what is copied together, to be written by one call."""
_LARGEST = 10**19
Opened = TypeVar("Opened")


def npy_header(dtype: np.dtype, shape: tuple[int, ...]) -> bytes:
    """The header of a .npy file, version 1.0: of one length for any number of rows.

    >>> len(npy_header(np.dtype("float32"), (3,))), len(npy_header(np.dtype("bool"), (10**12, 9)))
    (128, 128)
    """
    return _header(dtype, shape) if len(shape) != 1 else _vector_header(dtype, shape[0])


@functools.lru_cache(256)
def _vector_header(dtype: np.dtype, rows: int) -> bytes:
    """Of thousands of columns few are different."""
    return _header(dtype, (rows,))


def _header(dtype: np.dtype, shape: tuple[int, ...]) -> bytes:
    room = 1 + max(
        len(_description(dtype, (_LARGEST, *shape[1:]))), len(_description(dtype, shape))
    )
    total = max(128, -(-(len(_MAGIC) + 2 + room) // 64) * 64)
    text = _description(dtype, shape).ljust(total - len(_MAGIC) - 3) + b"\n"
    return _MAGIC + len(text).to_bytes(2, "little") + text


def _description(dtype: np.dtype, shape: tuple[int, ...]) -> bytes:
    descr = np.lib.format.dtype_to_descr(dtype)
    return f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}, }}".encode("latin1")


class NpyFile:
    """A .npy file that grows row by row, and is a valid one once it is closed.

    `row_shape` is () for a vector, (f,) for a matrix. The first rows are held until more come, so
    that a small file is written at once, with its number of rows. What is given must not change
    until then.
    """

    def __init__(
        self, store: Store, name: str, dtype: np.dtype, row_shape: tuple[int, ...] = ()
    ) -> None:
        self._store = store
        self._name = name
        self.rows = 0
        self._dtype = dtype
        self._row_shape = row_shape
        self._held: list[Buffer] = []
        self._file: ByteSink | None = None

    def write(self, rows: int, *parts: Buffer) -> None:
        """Append rows, in one or several contiguous pieces of memory."""
        if self._file is None and not self.rows:
            self._held = list(parts)
        else:
            if self._file is None:
                self._open(0)
            for part in parts:
                self._file.write(part)  # type: ignore[union-attr]
        self.rows += rows

    def _open(self, rows: int) -> None:
        """Open the file; write a header for so many rows, and what is held."""
        self._file = with_open_files(lambda: self._store.create(partial_name(self._name)))
        header = npy_header(self._dtype, (rows, *self._row_shape))
        held, self._held = self._held, []
        if sum(memoryview(part).nbytes for part in held) <= _MAX_JOINED_BYTES:
            held, header = [], b"".join([header, *(memoryview(p).cast("B") for p in held)])
        for part in (header, *held):
            self._file.write(part)

    def set_dtype(self, dtype: np.dtype) -> None:
        """Have the values be of another dtype whose bytes are the same."""
        assert dtype.itemsize == self._dtype.itemsize
        self._dtype = dtype

    def close(self) -> FileEntry:
        """Write the number of rows into the header; returns the entry of the file."""
        if self._file is None:
            self._open(self.rows)
        else:
            header = npy_header(self._dtype, (self.rows, *self._row_shape))
            self._file.write_over_start(header)
        assert self._file is not None
        return self._file.finish(self._name)

    def abort(self) -> None:
        """Close the file, if it is open, and remove it."""
        if self._file is not None:
            self._file.close()
        self._held = []
        self._store.remove([partial_name(self._name)])


def with_open_files(opening: Callable[[], Opened]) -> Opened:
    """What `opening` opens; raises UsageError where too many files are open."""
    try:
        return opening()
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise
        raise UsageError(
            "this dataset has more files open at a time than this system allows a program",
            hint="--layout matrix needs two files only; or ulimit -n 65536, or fewer --jobs",
        ) from error


def copied_rows(array: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Rows of a map that `open_npy` gave; what was read of it does not stay in this process."""
    start, stop, _ = slice(start, stop).indices(len(array))  # of damaged offsets, too
    rows = np.array(array[start:stop])
    pages = getattr(array, "_mmap", None)
    if pages is not None:
        first = array.offset % mmap.ALLOCATIONGRANULARITY  # type: ignore[attr-defined]
        forget_bytes(pages, first + start * array.strides[0], first + stop * array.strides[0])
    return rows


def copied_ranges(array: np.ndarray, ranges: Sequence[range]) -> np.ndarray:
    """Rows of some ranges of a map, one after the other; see `copied_rows`."""
    whole = array.view(np.ndarray)  # slices of a map cost more
    rows = np.concatenate([whole[part.start : part.stop] for part in ranges])
    pages = getattr(array, "_mmap", None)
    if pages is not None and hasattr(mmap, "MADV_DONTNEED"):
        pages.madvise(mmap.MADV_DONTNEED)
    return rows


def forget_bytes(pages: mmap.mmap, start: int, stop: int) -> None:
    """Let pages of a file that is mapped to be read go; they stay in the system's cache.

    Else all that was ever read of a map counts as this process's memory.
    """
    if not hasattr(mmap, "MADV_DONTNEED"):
        return
    first = start // mmap.PAGESIZE * mmap.PAGESIZE
    if first < stop:
        pages.madvise(mmap.MADV_DONTNEED, first, stop - first)


_header_lock = threading.Lock()
"""NumPy parses headers by `ast`, which before Python 3.11.8 fails when several threads use it at
the same time (python/cpython issue 106905): a sound file would be reported as damaged."""


def _mapped(path: StoredFile) -> np.memmap:
    local = path.local_path()
    if local is None:
        raise UsageError(
            f"{path}: npy files are mapped into memory, and that needs them on this machine",
            hint="--cache DIR keeps them in a folder here",
        )
    with _header_lock:
        return np.load(local, mmap_mode="r", allow_pickle=False)


def open_npy(path: StoredFile, *, dtype: np.dtype | None = None, ndim: int = 1) -> np.memmap:
    """The array in a .npy file as a memory map, read-only.

    Raises VerificationError where the file is missing, is not a whole .npy file, or holds
    another dtype or number of dimensions.
    """
    try:
        with np.errstate(over="ignore"):  # of a shape that cannot be
            array = with_open_files(lambda: _mapped(path))
    except FileNotFoundError as error:
        raise VerificationError(f"{path} is missing") from error
    except UsageError:
        raise
    except Exception as error:  # a damaged header makes numpy stumble in many ways
        raise VerificationError(f"{path} is damaged: {error}") from error
    if not isinstance(array, np.memmap):
        raise VerificationError(f"{path} is damaged: it is not a .npy file")
    n_bytes = path.stat().bytes
    if array.offset + array.nbytes != n_bytes:
        raise VerificationError(
            f"{path} is damaged: its header promises {array.offset + array.nbytes:,} bytes, "
            f"and it has {n_bytes:,}"
        )
    if array.ndim != ndim or not array.flags.c_contiguous or array.dtype.hasobject:
        raise VerificationError(f"{path} is damaged: its shape is {array.shape}")
    if dtype is not None and array.dtype != dtype:
        raise VerificationError(f"{path} holds {array.dtype}, and should hold {dtype}")
    return array
