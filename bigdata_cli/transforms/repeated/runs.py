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
from bigdata_cli.resources.memory import available_cpus
from bigdata_cli.transforms.repeated.numbers_file import NumbersFile

RUN_ROWS = 1 << 20
_N_PARTS = 256
_KEY_WORDS = 2
ROW_BYTES = 25
"""What a row takes on the disk: its key, its place, and whether it repeats another one."""
_MIN_SLOTS, _MAX_SLOTS = 64, 1 << 22
"""Of a table of keys, and of all tables: 64 MiB."""
_MAX_THREADS = 4
_PIECE_ROWS = 1 << 17


class _Run(NamedTuple):
    """Rows of a run, as they lie in the files: from `start` on, each part from its bound on."""

    start: int
    bounds: np.ndarray

    @property
    def rows(self) -> int:
        return int(self.bounds[-1])


class _Rows:
    """Room for the keys and places of a run; n: how many are there."""

    def __init__(self, n_rows: int) -> None:
        self.keys = np.empty((n_rows, _KEY_WORDS), np.uint64)
        self.places = np.empty(n_rows, np.int64)
        self.n = 0


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
        self._waiting, self._others = _Rows(run_rows), _Rows(run_rows)
        self._divided = _Rows(run_rows)
        self._runs: list[_Run] = []
        make_folder(folder)
        self._folder = folder
        self._keys = NumbersFile(folder / "keys", np.uint64, width=_KEY_WORDS)
        self._places = NumbersFile(folder / "places", np.int64)
        self._repeated = NumbersFile(folder / "repeated", np.uint8)
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="spill")
        self._written: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._writer.shutdown()
        for file in (self._keys, self._places, self._repeated):
            file.__exit__(*error)
        remove_folder(self._folder)

    def add(self, keys: np.ndarray, places: np.ndarray) -> None:
        """Take rows: keys uint64 (n, 2), places int64 (n,), which only grow."""
        self.rows += len(places)
        while len(places):
            waiting = self._waiting
            stop = min(waiting.n + len(places), self._run_rows)
            n = stop - waiting.n
            waiting.keys[waiting.n : stop] = keys[:n]
            waiting.places[waiting.n : stop] = places[:n]
            waiting.n = stop
            keys, places = keys[n:], places[n:]
            if waiting.n == self._run_rows:
                self._end_run()

    def _end_run(self) -> None:
        """Have the rows that wait divided by the parts of their keys, and written."""
        self._wait()  # for the run before, whose room is free then
        run, self._waiting, self._others = self._waiting, self._others, self._waiting
        if run.n:
            self._written = self._writer.submit(self._divide, run)

    def _divide(self, run: _Rows) -> None:
        bounds, divided = np.empty(_N_PARTS + 1, np.int64), self._divided
        arrays = (run.keys, run.places, bounds, divided.keys, divided.places)
        lib.bd_divide_rows(run.n, *map(address, arrays))
        start = self._keys.rows
        self._on_write((start + run.n) * ROW_BYTES)
        self._keys.append(divided.keys[: run.n])
        self._places.append(divided.places[: run.n])
        self._repeated.extend(run.n)
        self._runs.append(_Run(start, bounds))
        run.n = 0

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
        n_threads = min(available_cpus(), _MAX_THREADS)
        with ThreadPoolExecutor(n_threads, thread_name_prefix="repeated") as pool:
            most = max(_MIN_SLOTS, self._max_slots // n_threads)
            shares = [range(first, _N_PARTS, n_threads) for first in range(n_threads)]
            for _ in pool.map(lambda share: self._mark(share, most, keep_last), shares):
                pass
        n_repeated = 0
        for run in self._runs:
            chosen = self._repeated.read(run.start, run.rows).view(bool)
            if not chosen.any():
                continue
            places = np.sort(self._places.read(run.start, run.rows)[chosen])
            n_repeated += len(places)
            take(places)
        return n_repeated

    def _mark(self, parts: range, max_slots: int, keep_last: bool) -> None:
        """Mark the repeated rows of some parts."""
        table = np.empty((0, _KEY_WORDS), np.uint64)
        for part in parts:
            n_rows = sum(int(run.bounds[part + 1] - run.bounds[part]) for run in self._runs)
            n_slots = _MIN_SLOTS
            while n_slots < min(2 * n_rows + 2, max_slots):
                n_slots *= 2
            if len(table) < n_slots:
                table = np.empty((n_slots, _KEY_WORDS), np.uint64)
            if n_rows:
                self._mark_part(part, table[:n_slots], keep_last)

    def _mark_part(self, part: int, table: np.ndarray, keep_last: bool) -> None:
        """Mark the repeated rows of a part, in as many steps as the table of keys has room for."""
        bits, done = 0, 0
        while done < 1 << bits:
            if self._mark_some(part, done, bits, table, keep_last):
                done += 1
            else:  # two smaller steps in place of this one
                bits, done = bits + 1, 2 * done

    def _mark_some(
        self, part: int, step: int, bits: int, table: np.ndarray, keep_last: bool
    ) -> bool:
        """Mark those rows of a part whose keys are of a step; False where there are too many."""
        table.fill(0)
        n_used = 0
        for run in reversed(self._runs) if keep_last else self._runs:
            low, high = (run.start + int(run.bounds[part + i]) for i in (0, 1))
            starts = range(low, high, _PIECE_ROWS)
            for start in reversed(starts) if keep_last else starts:
                n = min(_PIECE_ROWS, high - start)
                keys = self._keys.read(start, n)
                # All of them belong to the only step, unless there are more.
                repeated = self._repeated.read(start, n) if bits else np.zeros(n, np.uint8)
                n_used = lib.bd_find_repeated(
                    *(n, address(keys), keep_last, step, bits),
                    *(address(table), len(table), n_used, address(repeated)),
                )
                if n_used < 0:
                    return False
                if repeated.any():
                    self._repeated.write(start, repeated)
        return True
