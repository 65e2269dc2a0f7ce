"""Windows of rows that follow each other and have the same key, such as the visits of a user.

The rows of a key are one sequence, in the order of the dataset, and are cut into windows from its
first row on. One pass over the key finds where sequences begin; from that the place of each window
is known, so that windows are shuffled, shared and counted as rows are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bigdata_cli.arrays.columns import CategoryCodes
from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.base import ArraySpec, Encoder, ReadableDataset
from bigdata_cli.loaders.cut import WHOLE_SHARD, Cut
from bigdata_cli.loaders.order import check_count, rows_by_shard
from bigdata_cli.loaders.pieces import Piece
from bigdata_cli.loaders.read import PieceReader, by_piece
from bigdata_cli.types.dtype import Schema

Short = Literal["pad", "drop"]


@dataclass(frozen=True, kw_only=True)
class SequenceOptions:
    """How rows become windows.

    Attributes:
        window: The rows of a window.
        by: The key, a column; windows have rows of one key.
        short: What becomes of the rows of a key that do not fill a window: "pad" fills it up and
            tells which rows are there, "drop" leaves them out.
    """

    window: int
    by: str
    short: Short = "pad"

    def __post_init__(self) -> None:
        check_count("window", self.window)
        if self.short not in get_args(Short):
            raise UsageError(f'short is {self.short!r}; it is "pad" or "drop"')


def sequence_options(window: int | None, by: str | None, short: Short) -> SequenceOptions | None:
    """Return the options of windows; None where none are asked for.

    Raises:
        UsageError: They do not go together.
    """
    if window is None and by is None:
        if short != "pad":
            raise UsageError("short is of windows", hint='window=32, by="user_id"')
        return None
    if window is None or by is None:
        raise UsageError(
            "window and by go together: a window has rows of one key",
            hint='window=32, by="user_id"',
        )
    return SequenceOptions(window=window, by=by, short=short)


class WindowEncoder(Encoder):
    """The arrays of another encoder by windows: (windows, rows, …).

    What is padded has bool (windows, rows) behind them, False where there is no row: (X, y, valid).
    """

    def __init__(self, rows: Encoder, options: SequenceOptions) -> None:
        self.rows = rows
        self._is_padded = options.short == "pad"
        self.columns = rows.columns
        self.reads = rows.reads
        self.specs = tuple(
            replace(spec, row_shape=(options.window, *spec.row_shape)) for spec in rows.specs
        )
        if self._is_padded:
            valid = ArraySpec(name="valid", dtype=np.dtype(bool), row_shape=(options.window,))
            self.specs = (*self.specs, valid)
        self.row_bytes = options.window * (rows.row_bytes + self._is_padded)

    def encode(self, batch: pa.RecordBatch) -> list[np.ndarray]:
        raise TypeError("windows are cut from the arrays of rows")

    def batch(self, arrays: Sequence[Any]) -> Any:
        if not self._is_padded:
            return self.rows.batch(arrays)
        found = self.rows.batch(arrays[:-1])
        return (*found, arrays[-1]) if isinstance(found, tuple) else (found, arrays[-1])


class SequenceWindows:
    """The windows of the rows of a dataset that are read.

    Attributes:
        encoder: Makes their arrays.
        by_shard: The windows that begin in each shard, by their number in it.
        first_rows: The first row of each sequence in the dataset, int64, and the end of the last.
    """

    first_rows: np.ndarray

    def __init__(
        self,
        dataset: ReadableDataset,
        rows: Encoder,
        options: SequenceOptions,
        split: range,
        cut: Cut,
        like: SequenceWindows | None = None,
    ) -> None:
        """Find the windows, by one pass over the key.

        Args:
            dataset: The dataset.
            rows: Makes arrays of rows.
            options: The windows.
            split: The rows of the dataset to read.
            cut: How rows are read.
            like: The windows of the same rows, as others read them: then there is no pass.

        Raises:
            UsageError: There is no such column, or the rows of a key are not together.
        """
        self.encoder = WindowEncoder(rows, options)
        self.options = options
        self._dataset = dataset
        self._row_cut = cut
        if like is None:
            self.first_rows = np.append(_first_rows(dataset, options.by, split), split.stop)
        else:
            self.first_rows = like.first_rows
        n_rows = np.diff(self.first_rows)
        size = options.window
        counts = n_rows // size if options.short == "drop" else -(-n_rows // size)
        self._first_windows = np.concatenate([[0], np.cumsum(counts)])
        if len(split) and not self._first_windows[-1]:
            raise UsageError(
                f'no "{options.by}" of {dataset.path} has {size:,} rows',
                hint='a smaller window, or short="pad"',
            )
        shard_rows = np.array([0, *(shard.rows for shard in dataset.shards)], np.int64)
        self._shard_rows = np.cumsum(shard_rows)
        self._before = [self._windows_before(int(row)) for row in self._shard_rows]
        self.by_shard = [range(b - a) for a, b in zip(self._before, self._before[1:], strict=False)]

    @property
    def cut(self) -> Cut:
        """How the windows of shards are cut into pieces."""
        n_rows = max(1.0, (self.first_rows[-1] - self.first_rows[0]) / max(1, self._before[-1]))
        rows = self._row_cut
        block = rows.block_rows
        if block is not None and block != WHOLE_SHARD:
            block = max(1, round(block / n_rows))
        return replace(rows, piece_rows=max(1, round(rows.piece_rows / n_rows)), block_rows=block)

    def _windows_before(self, row: int) -> int:
        """Return the number of windows that begin before a row of the dataset."""
        key = int(np.searchsorted(self.first_rows, row, side="left")) - 1
        if key < 0:
            return 0
        if key + 1 == len(self.first_rows):
            return int(self._first_windows[-1])
        n_in_key = -(-(row - int(self.first_rows[key])) // self.options.window)
        return min(int(self._first_windows[key]) + n_in_key, int(self._first_windows[key + 1]))

    def _places(self, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the first rows of windows, and how many rows each has."""
        key = np.searchsorted(self._first_windows, windows, side="right") - 1
        start = self.first_rows[key] + (windows - self._first_windows[key]) * self.options.window
        return start, np.minimum(self.first_rows[key + 1] - start, self.options.window)

    def read(self, pieces: Iterator[Piece], n_threads: int) -> Generator[list[np.ndarray]]:
        """Yield the arrays of pieces of windows."""
        waiting: deque[tuple[np.ndarray, int]] = deque()

        def of_rows() -> Iterator[Piece]:
            for piece in pieces:
                before = self._before[piece.shard]
                windows = np.arange(before + piece.start, before + piece.stop)
                parts = list(self._row_pieces(windows))
                waiting.append((windows, len(parts)))
                yield from parts

        reader = PieceReader(self._dataset, self.encoder.rows, self._row_cut)
        found = reader.read(of_rows(), n_threads)
        chunks: list[list[np.ndarray]] = []
        n_parts = 0
        try:
            for _, arrays in by_piece(found):
                chunks += arrays
                n_parts += 1
                if n_parts == waiting[0][1]:
                    yield self._windows(waiting.popleft()[0], chunks)
                    chunks, n_parts = [], 0
        finally:
            found.close()

    def _row_pieces(self, windows: np.ndarray) -> Iterator[Piece]:
        """Yield the rows from the first of some windows to the next window, or to their end."""
        starts, sizes = self._places(windows[[0, -1]])
        start, stop = int(starts[0]), int(starts[1] + sizes[1])
        block = self._row_cut.block_rows
        if block is not None and windows[-1] + 1 < self._before[-1]:
            # Rows that are dropped are read as well: a block is read on from where it was.
            stop = int(self._places(windows[-1:] + 1)[0][0])
        shard = int(np.searchsorted(self._shard_rows, start, side="right")) - 1
        while start < stop:
            before, end = int(self._shard_rows[shard]), int(self._shard_rows[shard + 1])
            while start < min(stop, end):
                upper = min(stop, end)
                if block is not None and block != WHOLE_SHARD:
                    upper = min(upper, before + ((start - before) // block + 1) * block)
                yield Piece(shard, start - before, upper - before)
                start = upper
            shard += 1

    def _windows(self, windows: np.ndarray, chunks: list[list[np.ndarray]]) -> list[np.ndarray]:
        """Return the arrays of windows, from those of the rows from the first of them on."""
        starts, sizes = self._places(windows)
        within = np.arange(self.options.window)
        valid = within < sizes[:, None]
        places = np.where(valid, (starts - starts[0])[:, None] + within, 0)
        found = []
        for spec, parts in zip(self.encoder.specs, zip(*chunks, strict=True), strict=False):
            rows = parts[0] if len(parts) == 1 else np.concatenate(parts)
            array = rows[places]
            if not valid.all():
                array[~valid] = "" if spec.dtype.hasobject else np.zeros(1, spec.dtype)[0]
            found.append(array)
        return [*found, valid] if self.options.short == "pad" else found


def _first_rows(dataset: ReadableDataset, by: str, split: range) -> np.ndarray:
    """Return the first row of each sequence, int64, ascending."""
    column = dataset.schema[by]
    codes = CategoryCodes(Schema((column,)))
    ranges = rows_by_shard([shard.rows for shard in dataset.shards], split)
    found: list[np.ndarray] = []
    keys: list[pa.Array] = []
    last: pa.Array | None = None
    row = split.start
    for shard, rows in enumerate(ranges):
        if not rows:
            continue
        for batch in dataset.read_shard(shard, [by], rows=rows):
            values = codes.apply(batch).column(0)
            if pa.types.is_floating(values.type):
                values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
            begins = _differs(values, last)
            found.append(row + np.flatnonzero(begins))
            keys.append(values.filter(pa.array(begins)))
            row += len(values)
            last = values.slice(len(values) - 1) if len(values) else last
    n_sequences = sum(map(len, keys))
    n_keys = pc.count_distinct(pa.chunked_array(keys), mode="all").as_py() if keys else 0
    if n_keys < n_sequences:
        raise UsageError(
            f'the rows of a "{by}" are not together in {dataset.path}: its {n_keys:,} values come '
            f"in {n_sequences:,} runs",
            hint=f"bigdata convert {dataset.path} --sort-by {by} puts them together, in order",
        )
    return np.concatenate([np.empty(0, np.int64), *found])


def _differs(values: pa.Array, last: pa.Array | None) -> np.ndarray:
    """Return where a value is another than the one before: bool (rows,). Nulls are alike."""
    begins = np.ones(len(values), bool)
    if last is not None:
        values = pa.concat_arrays([last, values])
    if len(values) > 1:
        after, before = values.slice(1), values.slice(0, len(values) - 1)
        differs = pc.fill_null(pc.not_equal(after, before), False)
        has_value = values.is_valid().to_numpy(zero_copy_only=False)
        changed = differs.to_numpy(zero_copy_only=False) | (has_value[1:] != has_value[:-1])
        begins[len(begins) - len(changed) :] = changed
    return begins
