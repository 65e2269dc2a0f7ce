"""Keys of rows and their places, in runs that are sorted apart by the first bits of the keys.

A run is what fits in memory.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from bigdata_cli.io.scratch import make_folder, remove_folder
from bigdata_cli.native.library import address, lib
from bigdata_cli.transforms.repeated.numbers_file import NumbersFile

RUN_ROWS = 1 << 20
_N_PARTS = 256
_ROW_WORDS = 3
ROW_BYTES = 25
"""What a row takes on the disk: its key, its place, and whether it repeats another one."""
_MAX_SLOTS = 1 << 22
"""Of a table of keys: 64 MiB."""
_PIECE_ROWS = 1 << 17


class _Run(NamedTuple):
    """Rows of a run, as they lie in the files: from `start` on, each part from its bound on."""

    start: int
    bounds: np.ndarray

    @property
    def rows(self) -> int:
        return int(self.bounds[-1])


class KeyRuns:
    """Takes rows in the order of the source, and says which of them repeat another one.

    A context manager, with files in a folder that it makes and removes.

    Attributes:
        rows: How many there are.
    """

    def __init__(
        self,
        folder: Path,
        *,
        run_rows: int = RUN_ROWS,
        max_slots: int = _MAX_SLOTS,
        on_write: Callable[[int], None] = lambda n_bytes: None,
    ) -> None:
        """on_write: is called with the bytes on the disk before some are written."""
        self.rows = 0
        self._run_rows = run_rows
        self._max_slots = max_slots
        self._on_write = on_write
        self._waiting = np.empty((run_rows, _ROW_WORDS), np.uint64)
        self._divided = np.empty((run_rows, _ROW_WORDS), np.uint64)
        self._n_waiting = 0
        self._runs: list[_Run] = []
        make_folder(folder)
        self._folder = folder
        self._rows = NumbersFile(folder / "rows", np.uint64, width=_ROW_WORDS)
        self._repeated = NumbersFile(folder / "repeated", np.uint8)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="spill")
        self._written: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._writer.shutdown()
        self._rows.__exit__(*error)
        self._repeated.__exit__(*error)
        remove_folder(self._folder)

    def add(self, keys: np.ndarray, places: np.ndarray) -> None:
        """Take rows: keys uint64 (n, 2), places int64 (n,), which only grow."""
        self.rows += len(places)
        while len(places):
            n = min(len(places), self._run_rows - self._n_waiting)
            room = self._waiting[self._n_waiting : self._n_waiting + n]
            room[:, :2], room[:, 2] = keys[:n], places[:n]
            self._n_waiting += n
            keys, places = keys[n:], places[n:]
            if self._n_waiting == self._run_rows:
                self._end_run()

    def _end_run(self) -> None:
        """Divide the rows that wait by the parts of their keys, and write them."""
        n = self._n_waiting
        if not n:
            return
        start = self._runs[-1].start + self._runs[-1].rows if self._runs else 0
        self._wait()  # for the array that the run before is written from
        bounds = np.empty(_N_PARTS + 1, np.int64)
        lib.bd_divide_rows(n, address(self._waiting), address(bounds), address(self._divided))
        self._on_write((start + n) * ROW_BYTES)
        self._written = self._writer.submit(self._rows.append, self._divided[:n])
        self._repeated.extend(n)
        self._runs.append(_Run(start, bounds))
        self._n_waiting = 0

    def _wait(self) -> None:
        """Wait until all runs are written; raises OSError where they cannot be."""
        if self._written is not None:
            self._written.result()
            self._written = None

    def repeated(self, *, keep_last: bool, take: Callable[[np.ndarray], None]) -> int:
        """Find the rows that repeat one before them, or after them where the last one is kept.

        take: is given the places of these rows, int64 (n,), ascending, piece by piece.
        Returns how many there are.
        """
        self._end_run()
        self._wait()
        for part in range(_N_PARTS):
            self._mark(part, keep_last)
        n_repeated = 0
        for run in self._runs:
            chosen = self._repeated.read(run.start, run.rows) != 0
            if not chosen.any():
                continue
            rows = self._rows.read(run.start, run.rows)
            places = np.sort(rows[chosen, 2].view(np.int64))
            n_repeated += len(places)
            take(places)
        return n_repeated

    def _mark(self, part: int, keep_last: bool) -> None:
        """Mark the repeated rows of a part, in as many steps as the table of keys has room for."""
        n_rows = sum(int(run.bounds[part + 1] - run.bounds[part]) for run in self._runs)
        n_slots = 64
        while n_slots < min(2 * n_rows + 2, self._max_slots):
            n_slots *= 2
        bits, done = 0, 0
        while n_rows and done < 1 << bits:
            if self._mark_some(part, done, bits, n_slots, keep_last):
                done += 1
            else:  # two smaller steps in place of this one
                bits, done = bits + 1, 2 * done

    def _mark_some(self, part: int, step: int, bits: int, n_slots: int, keep_last: bool) -> bool:
        """Mark those rows of a part whose keys are of a step; False where there are too many."""
        table = np.zeros((n_slots, 2), np.uint64)
        n_used = 0
        for run in reversed(self._runs) if keep_last else self._runs:
            low, high = (run.start + int(run.bounds[part + i]) for i in (0, 1))
            starts = range(low, high, _PIECE_ROWS)
            for start in reversed(starts) if keep_last else starts:
                n = min(_PIECE_ROWS, high - start)
                rows = self._rows.read(start, n)
                repeated = self._repeated.read(start, n)
                n_used = lib.bd_find_repeated(
                    *(n, address(rows), keep_last, step, bits),
                    *(address(table), n_slots, n_used, address(repeated)),
                )
                if n_used < 0:
                    return False
                self._repeated.write(start, repeated)
        return True
