"""The pass over a source that finds the rows which repeat others."""

from __future__ import annotations

import errno
import weakref
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from bigdata_cli.errors import BudgetError
from bigdata_cli.io.scratch import scratch_folder
from bigdata_cli.sources.base import FedRows
from bigdata_cli.sources.csv.records import Chunk
from bigdata_cli.transforms.chunks import places_of
from bigdata_cli.transforms.first_pass import FirstPass
from bigdata_cli.transforms.limits import DEFAULT_LIMITS, Limits
from bigdata_cli.transforms.repeated.places import Places, PlacesWriter
from bigdata_cli.transforms.repeated.row_keys import family, new_secret, row_keys
from bigdata_cli.transforms.repeated.runs import KeyRuns
from bigdata_cli.transforms.repeated.stored_runs import ROW_BYTES
from bigdata_cli.transforms.scratch_room import HINT, ScratchRoom
from bigdata_cli.transforms.selections.dedup import Dedup
from bigdata_cli.types.dtype import Kind
from bigdata_cli.types.lattice import Observed
from bigdata_cli.types.state import ColumnState

_MAX_MEMORY_BYTES = 512 << 20
_MEMORY_SHARE = 0.25
"""Of the memory limit, for the keys of rows; what does not fit goes to the disk."""


@dataclass(frozen=True, kw_only=True)
class Repeated:
    """What the pass has found. places: of the rows that are not kept."""

    step: Dedup
    places: Places


def find_repeated(
    first_pass: FirstPass,
    columns: Sequence[str],
    *,
    keep: Literal["first", "last"],
    limits: Limits = DEFAULT_LIMITS,
) -> Repeated:
    """Find the rows that are equal to another one in some columns.

    Args:
        first_pass: Of these columns at least, with places.
        columns: Those that are compared.
        keep: Which of equal rows is kept.
        limits: Of what the keys of the rows may take.

    Raises:
        BudgetError: The keys of the rows do not fit on the disk.
    """
    try:
        return _found(first_pass, columns, keep, limits)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise BudgetError(f"--dedup: the temporary disk is full ({error})", hint=HINT) from error


def _found(
    first_pass: FirstPass,
    columns: Sequence[str],
    keep: Literal["first", "last"],
    limits: Limits,
) -> Repeated:
    states = tuple(map(_uncounted, first_pass.plan.columns))
    first_pass = replace(first_pass, plan=replace(first_pass.plan, columns=states))
    with ExitStack() as stack:
        folder = stack.enter_context(scratch_folder())
        room = ScratchRoom(folder, limits.disk_bytes, "--dedup: the keys of the rows")
        memory_bytes = min(_MAX_MEMORY_BYTES, int(limits.memory() * _MEMORY_SHARE))
        spilled_bytes = first_pass.estimated_rows * ROW_BYTES - memory_bytes
        if spilled_bytes > 0:
            room.check(spilled_bytes, is_foreseen=True)
        while True:
            with KeyRuns(folder / "runs", memory_bytes=memory_bytes, on_write=room.check) as runs:
                taken = _take_rows(first_pass, columns, runs)
                if taken.has_final_kinds:
                    writer = PlacesWriter(folder / "places")
                    n_repeated = runs.repeated(keep_last=keep == "last", take=writer.add)
                    break
            plan = replace(first_pass.plan, columns=taken.columns)
            first_pass = replace(first_pass, plan=plan)
        places = writer.finish()
        step = Dedup(
            columns={one.name: one.dtype for one in taken.columns if one.name in columns},
            keep=keep,
            rows=runs.rows - n_repeated,
            repeated=n_repeated,
            digest=places.digest,
        )
        # The folder stays as long as the places are used.
        weakref.finalize(places, stack.pop_all().close)
        return Repeated(step=step, places=places)


class _Taken(NamedTuple):
    """What the rows showed of the columns: their states after all of them.

    has_final_kinds: the values of each column were of the kind that it has in the end, so that
    their keys are right.
    """

    columns: tuple[ColumnState, ...]
    has_final_kinds: bool


class _Keyed(NamedTuple):
    """Rows of a chunk. observed: of each column; kinds: of those that are compared."""

    observed: Sequence[Observed]
    kinds: Sequence[Kind]
    keys: np.ndarray
    places: np.ndarray


def _take_rows(first_pass: FirstPass, columns: Sequence[str], runs: KeyRuns) -> _Taken:
    """Give the keys of all rows to runs."""
    secret = new_secret()
    states = first_pass.plan.columns
    compared = [place for place, state in enumerate(states) if state.name in columns]
    observed = [Observed() for _ in states]
    kinds: list[set[Kind]] = [set() for _ in states]

    def keyed(fed: FedRows, chunk: Chunk) -> _Keyed:
        arrays = [chunk.batch.column(place) for place in compared]
        return _Keyed(
            chunk.observed,
            [family(chunk.columns[place].dtype) for place in compared],
            row_keys(arrays, chunk.rows, secret),
            places_of(chunk, fed.file),
        )

    for rows in first_pass.each(keyed):
        observed = [one.join(seen) for one, seen in zip(observed, rows.observed, strict=True)]
        for place, kind in zip(compared, rows.kinds, strict=True):
            kinds[place].add(kind)
        runs.add(rows.keys, rows.places)
    final = tuple(
        _uncounted(state.joined(seen, None, first_pass.plan.float_mode))
        for state, seen in zip(states, observed, strict=True)
    )
    has_final_kinds = all(
        kinds[place] <= {Kind.NULL, family(final[place].dtype)} for place in compared
    )
    return _Taken(final, has_final_kinds)


def _uncounted(state: ColumnState) -> ColumnState:
    """A column whose texts are not counted: whether they are categories does not matter."""
    if state.dtype == "category":
        return replace(state, dtype="text", distinct=None)
    return replace(state, distinct=None)
