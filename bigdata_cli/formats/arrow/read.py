"""Reading the rows of a shard from Arrow IPC files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from bigdata_cli.errors import VerificationError
from bigdata_cli.formats.arrow.file import ArrowFile, check_type
from bigdata_cli.formats.base import RowAccess
from bigdata_cli.formats.row_ranges import clipped
from bigdata_cli.io.store import Files, StoredFile
from bigdata_cli.types.buffers import array_of
from bigdata_cli.types.dtype import Column, Schema, arrow_type


def check_columns(path: StoredFile, found: pa.Schema, schema: Schema) -> None:
    """Raise VerificationError where a file has other columns than the schema, or another order."""
    for column in schema:
        check_type(path, found, column)
    if tuple(found.names) != schema.names:
        other = next((name for name in found.names if name not in schema.names), None)
        what = "the columns in another order" if other is None else f'a column "{other}"'
        raise VerificationError(f"{path} has {what}")


class ArrowRows(RowAccess):
    """Rows of a shard; where it is not compressed, its file is mapped and not copied."""

    def __init__(
        self, store: Files, files: Sequence[str], columns: Sequence[Column], *, is_compressed: bool
    ) -> None:
        if len(files) != 1:
            raise VerificationError(f"a shard in {store} has {len(files)} files, and not one")
        self._path = StoredFile(store, files[0])
        self._file = ArrowFile(self._path, columns, is_mapped=not is_compressed)
        self._keeps_all = not is_compressed
        self._names = [column.name for column in columns]
        self._types = [arrow_type(column.dtype) for column in columns]
        self.rows = self._file.rows
        self._kept: dict[int, pa.RecordBatch] = {}
        """Those that were checked: all of a map, which take no memory, or the last one."""

    def take(self, rows: np.ndarray) -> pa.RecordBatch:
        if len(rows) and not 0 <= rows[0] <= rows[-1] < self.rows:
            raise VerificationError(f"{self._path} has {self.rows:,} rows")
        ends = self._file.ends
        numbers = np.searchsorted(ends, rows, side="right") - 1
        parts = [
            self._batch(number).take(array_of(rows[numbers == number] - ends[number]))
            for number in np.unique(numbers).tolist()
        ]
        arrays = [
            pa.concat_arrays([part.column(i) for part in parts]) if parts else pa.nulls(0, kind)
            for i, kind in enumerate(self._types)
        ]
        return pa.RecordBatch.from_arrays(arrays, names=self._names)

    def gather(self, ranges: Sequence[range]) -> pa.RecordBatch:
        found = super().gather(ranges)
        self._file.forget()
        return found

    def read(self, rows: range, max_rows: int) -> Iterator[pa.RecordBatch]:
        return batches_of(self._file, rows, max_rows, self._batch)

    def _batch(self, number: int) -> pa.RecordBatch:
        batch = self._kept.get(number)
        if batch is None:
            batch = self._file.batch(number)
            self._kept = {**self._kept, number: batch} if self._keeps_all else {number: batch}
        return batch


def batches_of(
    file: ArrowFile, rows: range | None, max_rows: int, batch: Callable[[int], pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Rows of a file in batches of at most `max_rows`.

    batch: gives a record batch by its number.
    """
    wanted = clipped(rows, file.rows)
    for number in range(file.n_batches):
        first, end = int(file.ends[number]), int(file.ends[number + 1])
        start, stop = max(first, wanted.start), min(end, wanted.stop)
        if start < stop:
            whole = batch(number)
            for at in range(start, stop, max_rows):
                yield whole.slice(at - first, min(max_rows, stop - at))
