"""The last value before each run of nulls of a column, by the places of rows, in a file."""

from __future__ import annotations

import hashlib
import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bigdata_cli.errors import DataError
from bigdata_cli.transforms.rows_of_columns import widened
from bigdata_cli.types.buffers import array_of, booleans_of, concat_batches, numbers_of, validity_of

_BLOCK_ROWS = 1 << 14
_PLACE, _VALUE = "place", "value"


class OtherTypeError(Exception):
    """The values of a column are of another type than those before."""


@dataclass(frozen=True)
class LastValues:
    """What a null of a column becomes by `--fill COL=ffill`, for each row of a source.

    Attributes:
        path: Of the file, with the place of the first null of each run, ascending, and the value
            before it. It stays as long as this, and what was made of it, is used.
        count: How many there are.
        filled, leading: The nulls that have a value before them, and those that have none.
        digest: Of all of them.
    """

    path: str
    count: int
    filled: int
    leading: int
    digest: str

    def at(self, places: np.ndarray, kind: pa.DataType) -> pa.Array:
        """The values for the nulls at some places, int64 (n,), ascending; null where there is none.

        Raises DataError where the file is gone: it is read on the machine that wrote it.
        """
        if not len(places) or not self.count:
            return pa.nulls(len(places), kind)
        known = _opened(self).between(int(places[0]), int(places[-1]))
        before = np.searchsorted(numbers_of(known.column(0)), places, side="right") - 1
        return known.column(1).take(array_of(before, before >= 0)).cast(kind)


class _Index:
    """An open file of last values, with the first place of each block in memory."""

    def __init__(self, values: LastValues) -> None:
        try:
            file = pa.OSFile(values.path)
        except OSError as error:
            raise DataError(
                f"{values.path}, the values of --fill COL=ffill, cannot be read: {error}",
                hint="all workers have to see the temporary folder of the first one: TMPDIR",
            ) from error
        self._reader = pa.ipc.open_file(file)
        self._lock = Lock()
        blocks = range(self._reader.num_record_batches)
        self._first = np.array([self._block(n).column(0)[0].as_py() for n in blocks], np.int64)

    def between(self, first: int, last: int) -> pa.RecordBatch:
        """The last values that count from one place to another, with some around them."""
        low = max(0, int(np.searchsorted(self._first, first, side="right")) - 1)
        high = max(low + 1, int(np.searchsorted(self._first, last, side="right")))
        return concat_batches([self._block(number) for number in range(low, high)])

    def _block(self, number: int) -> pa.RecordBatch:
        with self._lock:
            return self._reader.get_batch(number)


_indices: weakref.WeakKeyDictionary[LastValues, _Index] = weakref.WeakKeyDictionary()


def _opened(values: LastValues) -> _Index:
    index = _indices.get(values)
    if index is None:
        index = _indices[values] = _Index(values)
    return index


class LastValuesWriter:
    """Takes all values of a column in order, and writes those before runs of nulls.

    A run after the same value as the run before it needs no entry of its own.
    """

    def __init__(self, path: Path, on_write: Callable[[int], None]) -> None:
        """on_write: is told how many bytes the file takes before they are written."""
        self._path = path
        self._on_write = on_write
        self._writer: pa.RecordBatchFileWriter | None = None
        self._last: pa.Array | None = None
        self._was_null = True
        self._entered: pa.Array | None = None
        self._waiting: list[tuple[np.ndarray, pa.Array]] = []
        self._n_waiting = 0
        self._n_bytes = 0
        self._count = self._filled = self._leading = 0
        self._digest = hashlib.sha256()

    def add(self, array: pa.Array, places: np.ndarray) -> None:
        """Take the values of rows at some places, int64 (n,).

        Raises OtherTypeError where they are of another type than those before.
        """
        array = _plain(array)
        if not len(array):
            return
        valid = validity_of(array)
        if valid is None:
            valid = np.ones(len(array), bool)
        with_value = np.flatnonzero(valid)
        if self._last is not None and len(with_value) and self._last.type != array.type:
            raise OtherTypeError(f"{array.type} after {self._last.type}")
        n_null = len(array) - len(with_value)
        n_before = int(with_value[0]) if len(with_value) else len(array)
        n_leading = n_before if self._last is None else 0
        self._leading += n_leading
        self._filled += n_null - n_leading
        begins = ~valid & np.concatenate([[not self._was_null], valid[:-1]])
        starts = np.flatnonzero(begins)
        if len(starts):
            values = array.take(array_of(starts[starts > 0] - 1))
            if starts[0] == 0:
                assert self._last is not None
                values = pa.concat_arrays([self._last, values.cast(self._last.type)])
            self._enter(places[starts], values)
        if len(with_value):
            self._last = array.take(array_of(with_value[-1:]))
        self._was_null = not valid[-1]

    def _enter(self, places: np.ndarray, values: pa.Array) -> None:
        before = values[:1] if self._entered is None else self._entered
        same = pc.equal(values, pa.concat_arrays([before, values[:-1]]))
        is_new = ~booleans_of(same)
        is_new[0] |= self._entered is None
        self._entered = values[-1:].take(array_of(np.zeros(1, np.int64)))
        if not is_new.any():
            return
        self._waiting.append((places[is_new], values.filter(array_of(is_new))))
        self._n_waiting += int(np.count_nonzero(is_new))
        if self._n_waiting >= _BLOCK_ROWS:
            self._write(whole_only=True)

    def _write(self, *, whole_only: bool) -> None:
        """Write what waits, in blocks of a fixed number of rows."""
        places = np.concatenate([one for one, _ in self._waiting])
        values = pa.concat_arrays([one for _, one in self._waiting])
        stop = len(places) // _BLOCK_ROWS * _BLOCK_ROWS if whole_only else len(places)
        for start in range(0, stop, _BLOCK_ROWS):
            end = min(start + _BLOCK_ROWS, stop)
            block = pa.RecordBatch.from_arrays(
                [array_of(places[start:end]), values[start:end]], names=[_PLACE, _VALUE]
            )
            self._digest.update(places[start:end].astype("<i8").tobytes())
            self._digest.update(_bytes_of(block.column(1)))
            self._n_bytes += block.nbytes
            self._on_write(self._n_bytes)
            if self._writer is None:
                self._writer = pa.ipc.new_file(os.fspath(self._path), block.schema)
            self._writer.write_batch(block)
        self._count += stop
        rest = len(places) - stop
        self._waiting = [(places[stop:], values[stop:])] if rest else []
        self._n_waiting = rest

    def finish(self) -> LastValues:
        """Close the file."""
        if self._waiting:
            self._write(whole_only=False)
        if self._writer is not None:
            self._writer.close()
        return LastValues(
            path=str(self._path),
            count=self._count,
            filled=self._filled,
            leading=self._leading,
            digest=self._digest.hexdigest(),
        )


def _plain(array: pa.Array) -> pa.Array:
    """An array in the type that steps compute with; what is beyond int64 as null.

    A row with such a number is an error of the step, or set aside.
    """
    if pa.types.is_uint64(array.type):
        beyond = pc.greater(array, pa.array([2**63 - 1], pa.uint64())[0])
        array = pc.if_else(beyond, pa.nulls(1, pa.uint64())[0], array)
    return widened(array)


def _bytes_of(values: pa.Array) -> bytes:
    """The values without nulls as bytes, which do not depend on how Arrow holds them."""
    if pa.types.is_boolean(values.type):
        return bytes(booleans_of(values).tobytes())
    if pa.types.is_string(values.type):
        ends = np.frombuffer(values.buffers()[1], np.int32, len(values) + 1, values.offset * 4)
        text = memoryview(values.buffers()[2] or b"")[ends[0] : ends[-1]]
        return np.diff(ends).astype("<i4").tobytes() + text.tobytes()
    width = values.type.bit_width // 8
    return bytes(memoryview(values.buffers()[1])[values.offset * width :][: len(values) * width])
