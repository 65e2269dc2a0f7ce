"""The parser of delimited text in the C library: one a thread, used for block after block."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from bigdata_cli.native.library import address, lib
from bigdata_cli.native.structs import Division, ParseOutcome, ParserInput

NO_MEMORY = 100

COLUMN_PLAN = np.dtype(
    [
        (name, np.int32)
        for name in (
            *("mode", "zoned", "storage", "fixed", "observes"),
            *("wants_text", "wants_codes", "unused"),
        )
    ]
    + [("format", np.uint64)]
)
"""`bd_column_plan`."""

SUMS = np.dtype([("top", np.int64), ("digits", np.int64, 4), ("products", np.uint64, (10, 2))])
"""`bd_sums`."""

RESULT = np.dtype(
    [
        ("forms", np.int64),
        ("negative", np.uint64),
        ("positive", np.uint64),
        *((name, np.int64) for name in ("n_nulls", "n_finite", "n_infinite", "has_range")),
        ("low", np.uint64),
        ("high", np.uint64),
        ("float32_error", np.float64),
        ("sums", SUMS),
        *(
            (name, np.int64)
            for name in (
                *("text_bytes", "max_text_bytes", "n_distinct", "distinct_bytes"),
                *("n_undecided", "n_odd", "is_utf8"),
            )
        ),
    ]
)
"""`bd_column_result`."""

DECISION = np.dtype([("column", np.int64), ("row", np.int64), ("value", np.int64)])
UNDECIDED = np.dtype([(name, np.int64) for name in ("column", "row", "start", "size", "is_hard")])

SKIP, NULL, BOOLEAN, INT64, UINT64, FLOAT64, DATE, TIMESTAMP_US, TIMESTAMP_NS, TEXT = range(10)
"""How a column is parsed: `BD_MODE_…`. NULL: every value is of another type."""

DONE, MORE, FULL, TOO_FEW, TOO_MANY, AFTER_QUOTE, UNTERMINATED = range(7)
"""Why a parse ended. MORE: the record at `position` goes on beyond the bytes."""

STORAGES = {
    dtype: code
    for code, dtype in enumerate(
        (
            *("null", "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32"),
            *("int64", "uint64", "float32", "float64", "date", "timestamp", "text", "category"),
        )
    )
}
"""How values are stored, by dtype; all timestamps alike."""


class DistinctTexts:
    """The distinct texts of some columns of a block, each with its hash.

    parts: per column its number of texts and the addresses of their hashes, offsets and bytes,
    which `memory` owns.
    """

    def __init__(self, parts: dict[int, tuple[int, int, int, int]], memory: object) -> None:
        self.parts = parts
        self._memory = memory

    @classmethod
    def of(cls, columns: Sequence[pa.Array | None]) -> DistinctTexts:
        """The texts of arrays of strings that have no nulls and no offset."""
        parts, memory = {}, []
        for index, texts in enumerate(columns):
            if texts is None:
                continue
            n = len(texts)
            offsets = np.zeros(n + 1, np.int32)
            if n:
                offsets[:] = np.frombuffer(texts.buffers()[1], np.int32, n + 1)
            data = np.zeros(int(offsets[-1]) + 8, np.uint8)
            if n:
                data[:-8] = np.frombuffer(texts.buffers()[2], np.uint8, int(offsets[-1]))
            hashes = np.empty(n, np.uint64)
            lib.bd_hash_texts(n, address(offsets), address(data), address(hashes))
            parts[index] = (n, address(hashes), address(offsets), address(data))
            memory += [hashes, offsets, data]
        return cls(parts, memory)

    @classmethod
    def laid_out(cls, memory: np.ndarray, results: np.ndarray) -> DistinctTexts:
        """The texts in memory as `bd_copy_distinct` fills it."""
        parts = {}
        place = address(memory)
        for column in np.flatnonzero(results["n_distinct"] >= 0).tolist():
            n, n_bytes = int(results["n_distinct"][column]), int(results["distinct_bytes"][column])
            offsets = place + 8 * n
            texts = offsets + _padded(4 * (n + 1))
            parts[column] = (n, place, offsets, texts)
            place = texts + _padded(n_bytes) + 8
        return cls(parts, memory)

    def values(self, column: int) -> frozenset[str]:
        """The distinct texts of a column."""
        n, _, offsets, texts = self.parts[column]
        ends = (ctypes.c_int32 * (n + 1)).from_address(offsets)
        buffers = [
            None,
            pa.foreign_buffer(offsets, 4 * (n + 1), self),
            pa.foreign_buffer(texts, ends[n], self),
        ]
        return frozenset(pa.Array.from_buffers(pa.string(), n, buffers).to_pylist())


def finish_moments(results: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means and sums of squared deviations of columns, float64 (n,); 0 where there are no numbers.

    results: RESULT (n,).
    """
    results = np.ascontiguousarray(results)
    means, m2 = np.empty(len(results)), np.empty(len(results))
    lib.bd_finish_moments(address(results), len(results), address(means), address(m2))
    return means, m2


def distinct_bytes(results: np.ndarray) -> int:
    """Bytes of the distinct texts of all columns, as the library lays them out."""
    counted = results[results["n_distinct"] >= 0]
    n, n_bytes = counted["n_distinct"], counted["distinct_bytes"]
    sizes = 8 * n + (4 * (n + 1) + 7) // 8 * 8 + (n_bytes + 7) // 8 * 8 + 8
    return int(sizes.sum())


def _padded(size: int) -> int:
    return (size + 7) // 8 * 8


class Parser:
    """The arrays that blocks are parsed into; what it holds is that of the last block."""

    def __init__(self) -> None:
        self._handle = lib.bd_parser_new()
        if not self._handle:
            raise MemoryError

    def __del__(self) -> None:
        lib.bd_parser_free(self._handle)

    def parse(
        self,
        records: ParserInput,
        plan: np.ndarray,
        active: np.ndarray,
        decisions: np.ndarray,
        results: np.ndarray,
    ) -> ParseOutcome:
        """Parse the columns whose `active` byte is set; the others keep what they have.

        plan: COLUMN_PLAN (n,); active: uint8 (n,); decisions: DECISION, by column and row;
        results: RESULT (n,), filled for the active columns. Raises MemoryError.
        """
        outcome = ParseOutcome()
        lib.bd_parse(
            self._handle,
            records,
            address(plan),
            address(active),
            address(decisions),
            len(decisions),
            address(results),
            outcome,
        )
        if outcome.status == NO_MEMORY:
            raise MemoryError
        return outcome

    def undecided(self, n: int) -> np.ndarray:
        """The n fields that the last parse could not decide: UNDECIDED (n,)."""
        if n == 0:
            return np.empty(0, UNDECIDED)
        size = n * UNDECIDED.itemsize
        found = (ctypes.c_char * size).from_address(lib.bd_undecided_fields(self._handle))
        return np.frombuffer(bytes(found), UNDECIDED)

    def integers(self, column: int, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
        """A column's integers, int64 (n,), and which rows have one, bool (n,)."""
        values, valid = np.empty(n_rows, np.int64), np.empty(n_rows, np.uint8)
        lib.bd_copy_integers(self._handle, column, address(values), address(valid))
        return values, valid.view(bool)

    def hash_again(self, records: ParserInput, n_rows: int) -> None:
        """Hash the rows by the columns as they are now; records: with salts. Raises MemoryError."""
        if lib.bd_hash_rows(self._handle, records, n_rows):
            raise MemoryError

    def hashes(self, n_rows: int) -> np.ndarray:
        """The sums of the hashes of the values of each row: uint64 (n,); of a parse with salts."""
        hashes = np.empty(n_rows, np.uint64)
        lib.bd_copy_hashes(self._handle, n_rows, address(hashes))
        return hashes

    def batch(self, storage: np.ndarray, n_rows: int, schema: pa.Schema) -> pa.RecordBatch:
        """The columns as a record batch of its own. storage: int32 (n,), values of STORAGES."""
        array = (ctypes.c_uint64 * 10)()  # struct ArrowArray
        place = ctypes.addressof(array)
        if lib.bd_export(self._handle, address(storage), len(storage), n_rows, place):
            raise MemoryError
        return pa.RecordBatch._import_from_c(place, schema)  # noqa: SLF001

    def divided(
        self, storage: np.ndarray, schema: pa.Schema, splits: np.ndarray, *, n_splits: int
    ) -> tuple[list[pa.RecordBatch], np.ndarray]:
        """The rows of each split as a record batch of its own, and their statistics.

        Args:
            storage: int32 (columns,), values of STORAGES.
            schema: Of the batches.
            splits: uint8 (rows,).
            n_splits: How many there are.

        Returns:
            The batches, and RESULT (n_splits, columns), without evidence of types.
        """
        arrays = (ctypes.c_uint64 * (10 * n_splits))()  # struct ArrowArray each
        place = ctypes.addressof(arrays)
        results = np.empty((n_splits, len(storage)), RESULT)
        division = Division(
            n_splits=n_splits,
            splits=address(splits),
            batches=place,
            results=address(results),
        )
        if lib.bd_divide(self._handle, address(storage), len(storage), len(splits), division):
            raise MemoryError
        imported = pa.RecordBatch._import_from_c  # noqa: SLF001
        return [imported(place + 80 * k, schema) for k in range(n_splits)], results

    def distinct(self, results: np.ndarray) -> DistinctTexts | None:
        """The distinct texts of the columns that counted them; None where there are none."""
        if not (results["n_distinct"] >= 0).any():
            return None
        memory = np.empty(distinct_bytes(results), np.uint8)
        lib.bd_copy_distinct(self._handle, address(results), len(results), address(memory))
        return DistinctTexts.laid_out(memory, results)


class _Parsers(threading.local):
    def __init__(self) -> None:
        self.parser = Parser()


_parsers = _Parsers()


def thread_parser() -> Parser:
    """The parser of this thread."""
    return _parsers.parser
