"""Keys of rows and their places, in runs that are divided by the first bits of the keys.

The first runs stay in memory, as many as there is room for; those after them go to the disk.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import numpy as np

from bigdata_cli.native.library import address, lib
from bigdata_cli.resources.memory import available_cpus
from bigdata_cli.transforms.repeated.stored_runs import (
    KEY_WORDS,
    N_PARTS,
    ROW_BYTES,
    HeldRun,
    Rows,
    RunFiles,
    StoredRun,
)

RUN_ROWS = 1 << 20
_MIN_SLOTS, _MAX_SLOTS = 64, 1 << 22
"""Of a table of keys, and of all tables: 64 MiB."""
_MAX_THREADS = 4
_PIECE_ROWS = 1 << 17


class KeyRuns:
    """Takes rows in the order of the source, and says which of them repeat another one.

    A context manager.

    Attributes:
        rows: How many there are.
    """

    def __init__(
        self,
        folder: Path,
        *,
        memory_bytes: int = 0,
        run_rows: int = RUN_ROWS,
        max_slots: int = _MAX_SLOTS,
        on_write: Callable[[int], None] = lambda n_bytes: None,
    ) -> None:
        """Begin without rows.

        Args:
            folder: For what does not fit in memory; it is made then, and removed at the end.
            memory_bytes: What rows may take there, beside a run that is being filled.
            run_rows: Of a run.
            max_slots: Of all tables in which keys are looked up.
            on_write: Is called with the bytes on the disk before some are written.
        """
        self.rows = 0
        self._folder = folder
        self._left_bytes = memory_bytes
        self._run_rows = run_rows
        self._max_slots = max_slots
        self._on_write = on_write
        self._waiting, self._others = Rows(run_rows), Rows(run_rows)
        self._runs: list[StoredRun] = []
        self._files: RunFiles | None = None
        self._open = ExitStack()
        self._storer = ThreadPoolExecutor(1, thread_name_prefix="dedup")
        self._stored: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._storer.shutdown()
        self._runs.clear()
        self._open.close()

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
        """Have the rows that wait stored."""
        self._wait()  # for the run before, whose room is free then
        run, self._waiting, self._others = self._waiting, self._others, self._waiting
        if run.n:
            self._stored = self._storer.submit(self._store, run)

    def _store(self, rows: Rows) -> None:
        self._left_bytes -= rows.n * ROW_BYTES
        if self._left_bytes >= 0:
            self._runs.append(HeldRun(rows))
        else:
            if self._files is None:
                files = RunFiles(self._folder, run_rows=self._run_rows, on_write=self._on_write)
                self._files = self._open.enter_context(files)
            self._runs.append(self._files.write(rows))
        rows.n = 0

    def _wait(self) -> None:
        """Wait until all runs are stored; raises OSError where they cannot be."""
        if self._stored is not None:
            self._stored.result()
            self._stored = None

    def repeated(self, *, keep_last: bool, take: Callable[[np.ndarray], None]) -> int:
        """Find the rows that repeat one before them, or after them where the last one is kept.

        No rows can be added then.

        take: is given the places of these rows, int64 (n,), ascending, piece by piece.
        Returns how many there are.
        """
        self._end_run()
        self._wait()
        self._waiting = self._others = Rows(0)
        n_threads = min(available_cpus(), _MAX_THREADS)
        with ThreadPoolExecutor(n_threads, thread_name_prefix="repeated") as pool:
            most = max(_MIN_SLOTS, self._max_slots // n_threads)
            shares = [range(first, N_PARTS, n_threads) for first in range(n_threads)]
            for _ in pool.map(lambda share: self._mark(share, most, keep_last), shares):
                pass
        n_repeated = 0
        for run in self._runs:
            chosen = run.repeated(0, int(run.bounds[-1])).view(bool)
            if not chosen.any():
                continue
            places = np.sort(run.places()[chosen])
            n_repeated += len(places)
            take(places)
        return n_repeated

    def _mark(self, parts: range, max_slots: int, keep_last: bool) -> None:
        """Mark the repeated rows of some parts."""
        table = np.empty((0, KEY_WORDS), np.uint64)
        for part in parts:
            n_rows = sum(int(run.bounds[part + 1] - run.bounds[part]) for run in self._runs)
            n_slots = _MIN_SLOTS
            while n_slots < min(2 * n_rows + 2, max_slots):
                n_slots *= 2
            if len(table) < n_slots:
                table = np.empty((n_slots, KEY_WORDS), np.uint64)
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
            low, high = int(run.bounds[part]), int(run.bounds[part + 1])
            starts = range(low, high, _PIECE_ROWS)
            for start in reversed(starts) if keep_last else starts:
                n = min(_PIECE_ROWS, high - start)
                keys, repeated = run.keys(start, n), run.repeated(start, n)
                n_used = lib.bd_find_repeated(
                    *(n, address(keys), keep_last, step, bits),
                    *(address(table), len(table), n_used, address(repeated)),
                )
                if n_used < 0:
                    return False
                run.mark(start, repeated)
        return True
