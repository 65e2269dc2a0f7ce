"""The disk that a conversion may use: foreseen before anything is written, watched meanwhile.

What counts is all that lies on the disk at the same time for the dataset's sake: its shards, the
spool of a pipe, and the dataset that it replaces, which stays until the new one is whole. A shard
that is written again lies beside what it was, two at a time.
"""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING

import msgspec

from bigdata_cli.conversion.commit import INNER_NAME
from bigdata_cli.dataset.manifest_file import read_manifest
from bigdata_cli.errors import BudgetError, UsageError
from bigdata_cli.formats.registry import formats_that
from bigdata_cli.io.manifest_names import find_manifest
from bigdata_cli.io.store import Store, partial_bytes
from bigdata_cli.io.stores import open_store
from bigdata_cli.url import Place, Url

if TYPE_CHECKING:
    from bigdata_cli.conversion.options import ConvertOptions
    from bigdata_cli.conversion.plan import Plan

_FREE_SHARE = 0.95
_SURE = 1.5
"""A prediction from the few rows that count the shards is off by less."""
_VALUE_BYTES, _COLUMN_BYTES, _TEXT_FACTOR = 64, 8192, 8
"""The most that any layout adds to a value, its column's name apart, to a column of a shard, and
that it makes of a byte of text."""
_MIN_WAIT_SECONDS, _LOOK_SHARE = 0.05, 20
"""Looking takes a twentieth of the time at the most."""


class DiskBudget(msgspec.Struct, frozen=True, kw_only=True):
    """How many bytes may be on the disk at once; held_bytes of them are of the replaced dataset.

    is_user_limit: the user set it; else it is the free space, less 5 %.
    """

    folder: Place
    limit_bytes: int
    held_bytes: int
    is_user_limit: bool

    @property
    def left_bytes(self) -> int:
        """What is left for the new dataset."""
        return self.limit_bytes - self.held_bytes

    def limit_text(self) -> str:
        if self.is_user_limit:
            return f"--disk-limit is {self.limit_bytes:,} bytes"
        return f"{self.left_bytes:,} bytes can be used on that disk (what is free, less 5 %)"


def disk_budget(output: Place, options: ConvertOptions) -> DiskBudget:
    """The budget of a conversion into a folder; raises UsageError for a limit that is none."""
    limit = options.disk_limit_bytes
    if limit is not None and limit < 1:
        raise UsageError(f"--disk-limit {limit} is not positive", hint="--disk-limit 20GB")
    store = open_store(output)
    held = read_manifest(store).bytes if find_manifest(store) else 0
    is_user_limit = limit is not None
    if limit is None:
        # What a killed run has left is used again or removed, and what is replaced is there.
        limit = usable_bytes(store, beside=_written_bytes(store)) + held
    return DiskBudget(
        folder=output, limit_bytes=limit, held_bytes=held, is_user_limit=is_user_limit
    )


def check_disk(plan: Plan) -> DiskWatch | None:
    """Raise BudgetError where the dataset will not fit, with what would make it fit.

    Returns what watches the disk meanwhile; None where there is room for whatever it may take.
    Nothing is encoded where it is plain that there is room.
    """
    budget = disk_budget(plan.output, plan.options)
    if not budget.is_user_limit and isinstance(plan.output, Url):
        return None  # nobody knows how much room there is
    sample = plan.sample
    is_known = sample.size_known
    if is_known and _upper_bound(plan) <= budget.left_bytes:
        return None
    predicted = _SURE * (plan.shards.predicted_bytes or budget.limit_bytes)
    if is_known and (plan.options.order.changes or predicted > budget.left_bytes):
        from bigdata_cli.conversion.estimate.fit import refuse_what_does_not_fit

        refuse_what_does_not_fit(plan, budget)
    return DiskWatch(budget, _hint(plan, budget))


def _written_bytes(store: Store) -> int:
    """What a conversion has written so far, or an interrupted one has left."""
    return partial_bytes(store) + partial_bytes(store.inside(INNER_NAME))


def _hint(plan: Plan, budget: DiskBudget) -> str:
    """What to do where the disk turns out not to suffice."""
    compact = formats_that(lambda one: one.smallest == (one.layout_names[0], one.compressions[0]))
    smaller = f"{compact}, --float 32, --drop and --compression make the dataset smaller"
    source = plan.source
    if source.comes_once:
        spool = "--no-spool keeps no copy of what comes from the pipe; "
        return (spool if plan.options.spool else "") + smaller
    name = shlex.quote(source.files[0].name)
    return f"bigdata inspect {name} --disk {budget.left_bytes} shows what fits; {smaller}"


def _upper_bound(plan: Plan) -> int:
    """Bytes that the dataset stays below in any format."""
    sample = plan.sample
    text_bytes = sample.estimated_rows * sample.bytes / max(sample.rows, 1)
    of_row = sum(len(name.encode("utf-8", "replace")) + _VALUE_BYTES for name in plan.keep)
    copies = 2 if plan.options.order.changes else 1  # the buckets, and what is made of them
    fixed = copies * plan.shards.count * len(plan.keep) * _COLUMN_BYTES
    return round(copies * (sample.estimated_rows * of_row + _TEXT_FACTOR * text_bytes)) + fixed


def usable_bytes(store: Store, *, beside: int = 0) -> int:
    """What can be used on the disk of a store where the user sets no limit.

    beside: bytes on it that will be free too.
    """
    return int((store.free_bytes() + beside) * _FREE_SHARE)


class DiskWatch:
    """Counts what a conversion has written, now and then, from any of its threads."""

    def __init__(self, budget: DiskBudget, hint: str) -> None:
        self._budget = budget
        self._hint = hint
        self._next = 0.0

    def look(self, share: float | None, *, now: bool = False) -> None:
        """Raise BudgetError where more is written than may be.

        share: of the source that is done, None where that is not known. now: even if it has just
        been looked.
        """
        started = time.monotonic()
        if started < self._next and not now:
            return
        written = _written_bytes(open_store(self._budget.folder))
        took = time.monotonic() - started
        self._next = started + max(_MIN_WAIT_SECONDS, _LOOK_SHARE * took)
        if written > self._budget.left_bytes:
            raise self._error(written, share)

    def _error(self, written: int, share: float | None) -> BudgetError:
        done = "" if not share else f" after {100 * share:.0f} % of the source"
        missing = ""
        if share:
            missing = f"; about {round(written / share) - self._budget.left_bytes:,} are missing"
        return BudgetError(
            f"{self._budget.folder}: {written:,} bytes are written{done}, and "
            f"{self._budget.limit_text()}{missing}",
            hint=self._hint,
        )
