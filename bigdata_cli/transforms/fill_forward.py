"""The pass over a source that finds the last value before each run of nulls."""

from __future__ import annotations

import errno
import weakref
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import NamedTuple

from bigdata_cli.errors import BudgetError
from bigdata_cli.io.scratch import scratch_folder
from bigdata_cli.sources.base import RowSource
from bigdata_cli.transforms.chunks import places_of
from bigdata_cli.transforms.columns.fill_forward import FillForward
from bigdata_cli.transforms.first_pass import FirstPass
from bigdata_cli.transforms.last_values import LastValues, LastValuesWriter, OtherTypeError
from bigdata_cli.transforms.limits import DEFAULT_LIMITS, Limits
from bigdata_cli.transforms.scratch_room import HINT, ScratchRoom
from bigdata_cli.types.dtype import widest_dtype
from bigdata_cli.types.lattice import TypeOptions


class FoundForward(NamedTuple):
    """A step, and the file with its values."""

    step: FillForward
    values: LastValues


def find_last_values(
    source: RowSource,
    types: TypeOptions,
    columns: Sequence[str],
    *,
    skip_bad_rows: bool = False,
    limits: Limits = DEFAULT_LIMITS,
) -> tuple[FoundForward, ...]:
    """Read some columns of a source once, for the steps that fill their nulls forward.

    Args:
        source: Its rows as they are before these steps.
        types: The dtypes that the user fixed.
        columns: To fill.
        skip_bad_rows: Whether records that cannot be kept are left out.
        limits: Of what the values may take.

    Raises:
        UsageError: The source comes once.
        DataError: A record cannot be kept.
        BudgetError: The values do not fit on the disk.
    """
    # Decimals are taken before they are narrowed.
    fixed = {n: "float64" if one == "float32" else one for n, one in types.fixed.items()}
    first_pass = FirstPass.of(
        source,
        TypeOptions(float_mode="64", fixed=fixed, inputs=types.inputs),
        # Where bad rows are set aside, each column may have some.
        tuple(dict.fromkeys([*columns, *(source.names if skip_bad_rows else ())])),
        why="--fill COL=ffill takes",
        hint="convert a file",
        skip_bad_rows=skip_bad_rows,
        wants_places=True,
    )
    try:
        return _found(first_pass, columns, limits)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise BudgetError(f"--fill: the temporary disk is full ({error})", hint=HINT) from error


def _found(
    first_pass: FirstPass, columns: Sequence[str], limits: Limits
) -> tuple[FoundForward, ...]:
    with ExitStack() as stack:
        folder = stack.enter_context(scratch_folder())
        room = ScratchRoom(folder, limits.disk_bytes, "--fill: the values of ffill")
        sizes = [0] * len(columns)

        def check(number: int, n_bytes: int) -> None:
            sizes[number] = n_bytes
            room.check(sum(sizes))

        writers = [
            LastValuesWriter(folder / str(number), partial(check, number))
            for number in range(len(columns))
        ]
        numbers = [first_pass.columns.index(name) for name in columns]
        try:
            for fed, chunk in first_pass.chunks():
                places = places_of(chunk, fed.file)
                for writer, number in zip(writers, numbers, strict=True):
                    writer.add(chunk.batch.column(number), places)
        except OtherTypeError:
            # The conversion, in which a step reads the column, says where that value is.
            pass
        dtypes = {state.name: state.dtype for state in first_pass.plan.columns}
        found = tuple(
            _forward(name, dtypes[name], writer.finish())
            for name, writer in zip(columns, writers, strict=True)
        )
        # The folder stays as long as any of the values are used.
        close, left = stack.pop_all().close, [len(found)]

        def done() -> None:
            left[0] -= 1
            if not left[0]:
                close()

        for one in found:
            weakref.finalize(one.values, done)
        return found


def _forward(name: str, dtype: str, values: LastValues) -> FoundForward:
    step = FillForward(
        column=name,
        dtype=widest_dtype(dtype),
        filled=values.filled,
        leading=values.leading,
        digest=values.digest,
    )
    return FoundForward(step, values)
