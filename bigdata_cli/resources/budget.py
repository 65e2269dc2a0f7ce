"""The memory limit, and how the work is reduced so that it is kept.

The limit is for the resident memory of the process and its children. It is kept by a calculation
before the work: a sample shows how much a thread, a unit and a table take (`Work`), and
`plan_budget` finds the largest sizes that fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgspec

from bigdata_cli.errors import BudgetError
from bigdata_cli.resources.memory import (
    address_space_left,
    available_memory_bytes,
    tree_memory_bytes,
)
from bigdata_cli.resources.sizes import format_size

_OTHER_THREADS = 8
"""Besides those of the jobs: shards, feeds, the recorder."""
_MAX_DEALT_BYTES, _DEALT_PARTS = 512 << 20, 3
MB = 1_000_000
LARGEST_DEFAULT_BYTES = 2_000 * MB
DEFAULT_SHARE = 1 / 4
START_BYTES = 160 * MB
"""Python, the libraries, and the compiled kernels while they are loaded."""
_FORK_SERVER_BYTES = 80 * MB
"""The process that worker processes are forked from, which has imported what they need."""
ADDRESS_BYTES = 700 * MB
"""Of address space, that Python and the libraries reserve."""
IDLE_BYTES = 116 * MB
"""The same once the code that has run is given back (`idle_pages.drop_idle_pages`)."""
HEAP_SHARE = 1.35
"""What a heap that keeps what is freed takes, against what is in use; measured."""
SMALLEST_UNIT_BYTES = 1 << 18
_MIN_RECORD_BYTES = 1 * MB
_RECORD_SHARE = 12
SLOW_UNIT_SHARE = 4
"""Units below this share of the usual one, which is larger for wide tables, cost time for every
column: fewer jobs are taken first."""
BATCH_SIZES = (None, *(16 * MB >> halvings for halvings in range(7)))
"""The most in memory of a table that is given to the encoder; None: the format's own choice."""
_ROUNDING_BYTES = 8 * MB


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What a conversion takes besides the program itself, in bytes, as a sample shows it.

    unit_bytes: of source, parsed at a time where memory is no matter. scratch_share, chunk_share:
    of a thread that parses and of what it gives, per byte of the unit; chunk_bytes, part_bytes: of
    a chunk however small while it is taken in, and while it waits in a table, which matters where
    there are many columns. table_bytes: of a table given to the encoder, None for chunks as they
    are; encode_share, encode_bytes: of what the encoder makes of it, per byte of the table, and
    however small it is; kept_bytes: what is left of each table until its shard is finished.
    shard_bytes: of all tables of a shard. fed_units: units that a stream holds before they are
    parsed. record_bytes: what a record may take at most, longest_bytes: what one took in the
    sample; record_is_given: the user has said so; record_copies: how often the longest record is
    there, as it was read, parsed, in a table and encoded. fixed_bytes: what does not depend on how
    the work is cut. n_splits: the parts of a shard that are written at the same time, each with a
    table in the making and one that is encoded. returns_memory: a heap that keeps what is freed
    would save no time.
    """

    unit_bytes: int
    scratch_share: float
    chunk_share: float
    chunk_bytes: int = 0
    part_bytes: int = 0
    table_bytes: int | None = None
    encode_share: float = 1.0
    encode_bytes: int = 0
    kept_bytes: int = 0
    shard_bytes: int = 0
    fed_units: int = 0
    record_bytes: int = 0
    longest_bytes: int = 0
    record_is_given: bool = False
    record_copies: int = 5
    fixed_bytes: int = 0
    n_splits: int = 1
    returns_memory: bool = False

    def bytes(self, cut: Cut) -> int:
        """All of it, where the work is cut so."""
        chunk = self.chunk_share * cut.unit_bytes + self.chunk_bytes
        table, parts = chunk, 1.0
        if self.table_bytes is not None:
            table = min(self.table_bytes, cut.batch_bytes or self.table_bytes)
            parts = 1 + table / max(1.0, self.chunk_share * cut.unit_bytes)
        waiting = table + parts * self.part_bytes
        parsing = cut.jobs * self.scratch_share * cut.unit_bytes + (cut.jobs + 2) * chunk
        encoding = cut.jobs * (self.encode_share * table + self.encode_bytes)
        kept = self.kept_bytes * self.shard_bytes / max(1.0, table)
        fed = self.fed_units * cut.unit_bytes
        records = self.record_copies * cut.record_bytes
        taken = parsing + encoding + (cut.jobs + 1) * waiting + kept + fed + records
        if self.n_splits > 1:  # the rows of each are a copy, and a shard begins before one ends
            copies = (cut.jobs + 2) * chunk + self.encode_share * table + self.encode_bytes
            taken += copies + 3 * (self.n_splits - 1) * waiting
        return int(taken) + self.fixed_bytes

    def record_within(self, limit_bytes: int) -> int:
        """The longest record that there is room for: as many bytes as the user has said, or less
        than usual where the limit is low, but never less than the sample needs."""
        if self.record_is_given:
            return self.record_bytes
        room = max(_MIN_RECORD_BYTES, 2 * self.longest_bytes, limit_bytes - IDLE_BYTES)
        share = max(_MIN_RECORD_BYTES, 2 * self.longest_bytes, room // _RECORD_SHARE)
        return min(self.record_bytes, share)


class Cut(NamedTuple):
    """How work is cut: threads, bytes of source parsed at a time, the most in memory of a table
    (None: the format's own choice), and the longest record."""

    jobs: int
    unit_bytes: int
    batch_bytes: int | None
    record_bytes: int


@dataclass(frozen=True, kw_only=True)
class MemoryBudget:
    """How a conversion is cut so that it stays below its limit.

    expected_bytes: the peak that is reckoned with. unit_bytes: of source, parsed at a time.
    batch_bytes: the most in memory of a table given to the encoder, None where the format's own
    choice fits; it alone changes what is written, and follows from the limit and the rows, not from
    `jobs`. max_record_bytes: a longer one is an error. returns_memory: what is freed is given back
    at once.
    """

    limit_bytes: int
    expected_bytes: int
    jobs: int
    unit_bytes: int
    batch_bytes: int | None
    max_record_bytes: int
    returns_memory: bool

    @property
    def dealt_bytes(self) -> int:
        """Of the tables in the making of all shards that take turns: a power of two."""
        room = max(1 << 20, (self.limit_bytes - IDLE_BYTES) // _DEALT_PARTS)
        return min(_MAX_DEALT_BYTES, 1 << (room.bit_length() - 1))

    @property
    def vocabulary_bytes(self) -> int:
        """Of the distinct texts of all columns."""
        return max(1 << 20, (self.limit_bytes - IDLE_BYTES) // 2)

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


def dealing_limit(dealt_bytes: int) -> int:
    """The smallest limit with which shards that take turns have so much for their tables."""
    return IDLE_BYTES + _DEALT_PARTS * (1 << (dealt_bytes - 1).bit_length())


def check_limit(given_bytes: int | None) -> None:
    """Raise BudgetError where nothing at all could be converted; before any library is loaded."""
    if given_bytes is not None and given_bytes < START_BYTES:
        raise too_small(given_bytes, START_BYTES, is_given=True)
    left = address_space_left()
    if left is not None and left < ADDRESS_BYTES:
        raise BudgetError(
            f"ulimit leaves {left:,} bytes of address space (-v) or data (-d), of which the "
            f"libraries alone need {format_size(ADDRESS_BYTES)}, most of it never touched",
            hint="ulimit -v unlimited; --memory-limit bounds the memory that is really taken",
        )


@contextmanager
def memory_errors() -> Iterator[None]:
    """What memory that runs out raises, as BudgetError."""
    try:
        yield
    except MemoryError as error:  # pyarrow's is one
        raise BudgetError(
            f"memory ran out: {error}" if str(error) else "memory ran out",
            hint="--memory-limit below what is there, or --jobs 1",
        ) from error


def budget_within(
    given_bytes: int | None,
    work: Work,
    *,
    jobs: int,
    batch_sizes: Sequence[int | None] = BATCH_SIZES,
    are_processes: bool = False,
) -> MemoryBudget:
    """The budget of a conversion in this process: its limit is what was given, or the default.

    It is never more than what there is. Where nothing was given, what the process takes already is
    added to the default, which is raised to what tables of the usual size need. batch_sizes: of
    `MemoryBudget.batch_bytes`, the largest that fits is taken. are_processes: the jobs are
    processes, which this one starts; the default has room for all of them where half of what there
    is suffices. Raises BudgetError where that is not there.
    """
    program_bytes = tree_memory_bytes()
    reach = program_bytes + available_memory_bytes(new_threads=jobs + _OTHER_THREADS)
    if given_bytes is None:
        # Of a large process, a notebook's say, the conversion is only a part: what is written
        # depends neither on that nor on the default.
        limit = default_limit(reach) + max(0, program_bytes - START_BYTES)
        limit = max(limit, smallest_limit(work, program_bytes, batch_sizes[:1]))
        if are_processes:
            here = max(START_BYTES, program_bytes) + _FORK_SERVER_BYTES
            wanted = here + jobs * _usual_process(work, limit)
            limit = max(limit, min(wanted, reach // 2))
    else:
        limit = given_bytes
    limit = min(reach, limit)
    smallest = smallest_limit(work, program_bytes, batch_sizes)
    if limit < smallest:
        # The next process may be a little larger than this one.
        named = smallest_limit(work, program_bytes + 2 * _ROUNDING_BYTES, batch_sizes)
        raise too_small(limit, named, is_given=limit == given_bytes)
    plan = plan_processes if are_processes else plan_budget
    return plan(limit, work, jobs=jobs, program_bytes=program_bytes, batch_sizes=batch_sizes)


def plan_budget(
    limit_bytes: int,
    work: Work,
    *,
    jobs: int,
    program_bytes: int = 0,
    batch_sizes: Sequence[int | None] = BATCH_SIZES,
) -> MemoryBudget:
    """The largest cut of the work that stays below the limit.

    program_bytes: what the process takes already, where that is more than a program that only
    converts. Smaller units come first, then a heap that keeps nothing, then fewer jobs; smaller
    tables, which change the files, only where a single job would not fit otherwise. Raises
    BudgetError with the smallest limit that would do.
    """
    record_bytes = work.record_within(limit_bytes)
    batch_bytes = _batch_bytes(limit_bytes, work, program_bytes, batch_sizes)
    for returns_memory, n_jobs, unit_bytes in _cuts(work, jobs):
        cut = Cut(n_jobs, unit_bytes, batch_bytes, record_bytes)
        expected = _expected(work.bytes(cut), returns_memory, program_bytes)
        if expected <= limit_bytes:
            return _budget(cut, limit_bytes, expected, returns_memory)
    smallest = smallest_limit(work, program_bytes, batch_sizes)
    raise too_small(limit_bytes, smallest, is_given=True)


def _budget(cut: Cut, limit: int, expected: int, returns_memory: bool) -> MemoryBudget:
    return MemoryBudget(
        limit_bytes=limit,
        expected_bytes=expected,
        jobs=cut.jobs,
        unit_bytes=cut.unit_bytes,
        batch_bytes=cut.batch_bytes,
        max_record_bytes=cut.record_bytes,
        returns_memory=returns_memory,
    )


def plan_processes(
    limit_bytes: int,
    work: Work,
    *,
    jobs: int,
    program_bytes: int = 0,
    batch_sizes: Sequence[int | None] = BATCH_SIZES,
) -> MemoryBudget:
    """The largest cut for processes of one job each, which stay below the limit together.

    Tables are those of `plan_budget`, so that the files are the same. Raises BudgetError where not
    even one process fits beside this one.
    """
    record_bytes = work.record_within(limit_bytes)
    batch_bytes = _batch_bytes(limit_bytes, work, program_bytes, batch_sizes)
    here = max(START_BYTES, program_bytes) + _FORK_SERVER_BYTES
    smallest = 0
    for n_jobs in range(jobs, 0, -1):
        for returns_memory, _, unit_bytes in _cuts(work, 1):
            cut = Cut(1, unit_bytes, batch_bytes, record_bytes)
            expected = here + n_jobs * _expected(work.bytes(cut), returns_memory, 0)
            smallest = expected if not smallest else min(smallest, expected)
            if expected <= limit_bytes:
                cut = cut._replace(jobs=n_jobs)
                return _budget(cut, limit_bytes, expected, returns_memory)
    smallest = -(-smallest // _ROUNDING_BYTES) * _ROUNDING_BYTES
    error = too_small(limit_bytes, smallest, is_given=True)
    raise BudgetError(error.message, hint=f"{error.hint}; --engine local takes less")


def _usual_process(work: Work, limit_bytes: int) -> int:
    """What a process of one job takes where memory is no matter."""
    cut = Cut(1, work.unit_bytes, None, work.record_within(limit_bytes))
    return _expected(work.bytes(cut), work.returns_memory, 0)


def smallest_limit(
    work: Work, program_bytes: int = 0, batch_sizes: Sequence[int | None] = BATCH_SIZES
) -> int:
    """The smallest limit that a conversion can keep to, rounded up."""
    limit = -(-START_BYTES // _ROUNDING_BYTES) * _ROUNDING_BYTES
    while True:
        needed = min(
            _expected(_least(work, limit, batch_bytes), True, program_bytes)
            for batch_bytes in batch_sizes
        )
        if needed <= limit:
            return limit
        # A larger limit has room for longer records, a part of it only: this ends.
        limit = -(-needed // _ROUNDING_BYTES) * _ROUNDING_BYTES


def too_small(limit_bytes: int, smallest_bytes: int, *, is_given: bool) -> BudgetError:
    """The error for memory in which the work cannot be done. is_given: as --memory-limit."""
    needed = f"{format_size(smallest_bytes)} ({smallest_bytes:,} bytes)"
    if is_given:
        return BudgetError(
            f"--memory-limit of {limit_bytes:,} bytes is too little: this needs about {needed}",
            hint=f"--memory-limit {smallest_bytes // MB}MB is the smallest that would do",
        )
    return BudgetError(
        f"{limit_bytes:,} bytes of memory are left for this process, by what the system has, the "
        f"limits of its control group and ulimit: this needs about {needed}",
        hint="more memory, or fewer columns (--drop, --columns)",
    )


def _batch_bytes(
    limit_bytes: int, work: Work, program_bytes: int, batch_sizes: Sequence[int | None]
) -> int | None:
    """The largest tables with which one job fits; the first where none does."""
    for batch_bytes in batch_sizes:
        taken = _least(work, limit_bytes, batch_bytes)
        if _expected(taken, True, program_bytes) <= limit_bytes:
            return batch_bytes
    return batch_sizes[0]


def _least(work: Work, limit_bytes: int, batch_bytes: int | None) -> int:
    """What one job takes with the units that suit it best."""
    record_bytes = work.record_within(limit_bytes)
    units = {unit_bytes for _, _, unit_bytes in _cuts(work, 1)}
    return min(work.bytes(Cut(1, unit, batch_bytes, record_bytes)) for unit in units)


def _expected(taken: int, returns_memory: bool, program_bytes: int) -> int:
    """The peak of a process whose work takes so much."""
    if returns_memory:
        return max(START_BYTES, program_bytes, int(max(IDLE_BYTES, program_bytes) + taken))
    return int(max(START_BYTES, program_bytes) + HEAP_SHARE * taken)


def _cuts(work: Work, jobs: int) -> Iterator[tuple[bool, int, int]]:
    """(heap gives back, jobs, unit), the fastest first."""
    units = [work.unit_bytes]
    # A record is looked at by each unit that it goes through.
    while units[-1] // 2 >= max(SMALLEST_UNIT_BYTES, work.longest_bytes // 4):
        units.append(units[-1] // 2)
    fast = [unit for unit in units if unit >= work.unit_bytes // SLOW_UNIT_SHARE]
    if not work.returns_memory:
        yield from ((False, jobs, unit) for unit in fast)
    yield from ((True, n_jobs, unit) for n_jobs in range(jobs, 1, -1) for unit in fast)
    yield from ((True, 1, unit) for unit in units)


def default_limit(available_bytes: int) -> int:
    """The limit where none is given: a quarter of what is available, at most 2 GB.

    >>> default_limit(6_000_000_000), default_limit(64_000_000_000)
    (1500000000, 2000000000)
    """
    return min(LARGEST_DEFAULT_BYTES, int(available_bytes * DEFAULT_SHARE))
