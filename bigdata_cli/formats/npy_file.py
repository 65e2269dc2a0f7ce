"""One .npy file: written piece by piece, and opened as a memory map that is sure to be whole."""

from __future__ import annotations

import errno
import mmap
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, TypeVar

import numpy as np

from bigdata_cli.errors import UsageError, VerificationError

_MAGIC = b"\x93NUMPY\x01\x00"
_FILL_ROWS = 1 << 20
_LARGEST = 10**19
Opened = TypeVar("Opened")


def npy_header(dtype: np.dtype, shape: tuple[int, ...]) -> bytes:
    """The header of a .npy file, version 1.0: of one length for any number of rows.

    >>> len(npy_header(np.dtype("float32"), (3,))), len(npy_header(np.dtype("bool"), (10**12, 9)))
    (128, 128)
    """
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

    `row_shape` is () for a vector, (f,) for a matrix.
    """

    def __init__(self, path: Path, dtype: np.dtype, row_shape: tuple[int, ...] = ()) -> None:
        self.path = path
        self.rows = 0
        self._dtype = dtype
        self._row_shape = row_shape
        self._file: BinaryIO = with_open_files(lambda: open(path, "wb"))  # noqa: SIM115
        self._file.write(npy_header(dtype, (0, *row_shape)))

    def write(self, values: np.ndarray) -> None:
        """Append rows: (rows, *row_shape) of the file's dtype, contiguous."""
        self._file.write(values.reshape(-1).view(np.uint8).data)
        self.rows += len(values)

    def fill(self, value: object, rows: int) -> None:
        """Append `rows` times the same value."""
        for start in range(0, rows, _FILL_ROWS):
            self.write(np.full(min(_FILL_ROWS, rows - start), value, self._dtype))

    def set_dtype(self, dtype: np.dtype) -> None:
        """Have the values be of another dtype whose bytes are the same."""
        assert dtype.itemsize == self._dtype.itemsize
        self._dtype = dtype

    def close(self) -> None:
        """Write the number of rows into the header."""
        self._file.seek(0)
        self._file.write(npy_header(self._dtype, (self.rows, *self._row_shape)))
        self._file.close()

    def abort(self) -> None:
        """Close the file, if it is open, and remove it."""
        self._file.close()
        self.path.unlink(missing_ok=True)


def with_open_files(opening: Callable[[], Opened]) -> Opened:
    """What `opening` opens, with the limit of open files raised where that is in the way.

    Raises UsageError where the limit cannot be raised further.
    """
    try:
        return opening()
    except OSError as error:
        if error.errno != errno.EMFILE:
            raise
        if _raise_file_limit():
            return with_open_files(opening)
        raise UsageError(
            "this dataset has more files open at a time than this system allows a program",
            hint="--layout matrix needs two files only; or ulimit -n 65536, or fewer --jobs",
        ) from error


def _raise_file_limit() -> bool:
    """Double the soft limit of open files, if the hard one allows."""
    try:
        import resource
    except ImportError:  # not a POSIX system
        return False
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = soft * 2 if hard == resource.RLIM_INFINITY else min(soft * 2, hard)
    if wanted <= soft:
        return False
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError):
        return False
    return True


def copied_rows(array: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Rows of a map that `open_npy` gave; what was read of it does not stay in this process."""
    start, stop, _ = slice(start, stop).indices(len(array))  # of damaged offsets, too
    rows = np.array(array[start:stop])
    pages = getattr(array, "_mmap", None)
    if pages is not None:
        first = array.offset % mmap.ALLOCATIONGRANULARITY  # type: ignore[attr-defined]
        forget_bytes(pages, first + start * array.strides[0], first + stop * array.strides[0])
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


def open_npy(path: Path, *, dtype: np.dtype | None = None, ndim: int = 1) -> np.memmap:
    """The array in a .npy file as a memory map, read-only.

    Raises VerificationError where the file is missing, is not a whole .npy file, or holds
    another dtype or number of dimensions.
    """
    try:
        with np.errstate(over="ignore"):  # of a shape that cannot be
            array = with_open_files(lambda: np.load(path, mmap_mode="r", allow_pickle=False))
    except FileNotFoundError as error:
        raise VerificationError(f"{path} is missing") from error
    except UsageError:
        raise
    except Exception as error:  # a damaged header makes numpy stumble in many ways
        raise VerificationError(f"{path} is damaged: {error}") from error
    if not isinstance(array, np.memmap):
        raise VerificationError(f"{path} is damaged: it is not a .npy file")
    n_bytes = path.stat().st_size
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
