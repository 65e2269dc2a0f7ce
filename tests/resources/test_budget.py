"""How work is cut so that it stays below a memory limit: arithmetic, without a conversion."""

from __future__ import annotations

import pytest

from bigdata_cli.errors import BudgetError
from bigdata_cli.resources.budget import (
    MB,
    SLOW_UNIT_SHARE,
    Work,
    budget_within,
    dealing_limit,
    plan_budget,
    plan_processes,
    smallest_limit,
)

WIDE = Work(unit_bytes=32 << 20, scratch_share=2.0, chunk_share=1.0, chunk_bytes=20 * MB)


@pytest.mark.parametrize("limit", range(300 * MB, 1600 * MB, 50 * MB))
def test_several_jobs_have_no_units_that_are_small_for_the_columns(limit: int) -> None:
    budget = plan_budget(limit, WIDE, jobs=4)
    assert budget.expected_bytes <= limit
    assert budget.jobs == 1 or budget.unit_bytes >= WIDE.unit_bytes // SLOW_UNIT_SHARE


def test_more_memory_is_never_a_smaller_cut() -> None:
    cuts = [plan_budget(limit * MB, WIDE, jobs=4) for limit in range(300, 1600, 50)]
    assert [cut.jobs for cut in cuts] == sorted(cut.jobs for cut in cuts)
    assert cuts[0].jobs == 1
    assert cuts[-1].jobs == 4


def test_the_smallest_limit_does_and_less_does_not() -> None:
    smallest = smallest_limit(WIDE)
    assert plan_budget(smallest, WIDE, jobs=4).jobs == 1
    with pytest.raises(BudgetError, match=f"{smallest:,} bytes"):
        plan_budget(smallest - 10 * MB, WIDE, jobs=4)


@pytest.mark.parametrize("n_bytes", [1 << 20, (1 << 20) + 1, 5 * MB, 64 << 20, 512 << 20])
def test_tables_that_take_turns_have_room_from_their_limit_on(n_bytes: int) -> None:
    work = Work(unit_bytes=1 << 20, scratch_share=1.0, chunk_share=1.0)
    limit = max(dealing_limit(n_bytes), smallest_limit(work))
    assert plan_budget(limit, work, jobs=1).dealt_bytes >= n_bytes


@pytest.mark.parametrize("program_bytes", [100 * MB, 1_950 * MB, 5_000 * MB])
def test_a_large_process_writes_the_tables_of_a_small_one(monkeypatch, program_bytes: int) -> None:
    """A process of gigabytes, such as a notebook's, cannot be had in a test of milliseconds."""
    work = Work(unit_bytes=4 << 20, scratch_share=2.0, chunk_share=1.0, table_bytes=64 * MB)
    monkeypatch.setattr("bigdata_cli.resources.budget.tree_memory_bytes", lambda: program_bytes)
    monkeypatch.setattr(
        "bigdata_cli.resources.budget.available_memory_bytes", lambda new_threads: 16_000 * MB
    )
    budget = budget_within(None, work, jobs=2)
    assert budget.batch_bytes is None
    assert budget.unit_bytes == work.unit_bytes
    assert program_bytes < budget.expected_bytes <= budget.limit_bytes


def test_tables_are_of_the_usual_size_where_memory_is_there(monkeypatch) -> None:
    """Also where a quarter of it were too little for them."""
    work = Work(unit_bytes=4 << 20, scratch_share=2.0, chunk_share=1.0, table_bytes=64 * MB)
    monkeypatch.setattr("bigdata_cli.resources.budget.tree_memory_bytes", lambda: 100 * MB)
    monkeypatch.setattr(
        "bigdata_cli.resources.budget.available_memory_bytes", lambda new_threads: 1_000 * MB
    )
    budget = budget_within(None, work, jobs=2)
    assert budget.batch_bytes is None
    assert budget.expected_bytes <= budget.limit_bytes


NARROW = Work(unit_bytes=4 << 20, scratch_share=2.0, chunk_share=1.5, table_bytes=20 * MB)


def test_processes_stay_below_the_limit_together_and_are_fewer_where_it_is_low() -> None:
    cuts = [plan_processes(limit * MB, NARROW, jobs=4) for limit in range(430, 2_000, 100)]
    n_jobs = [cut.jobs for cut in cuts]
    assert n_jobs == sorted(n_jobs)
    assert (n_jobs[0], n_jobs[-1]) == (1, 4)
    for cut in cuts:
        assert cut.jobs * 160 * MB < cut.expected_bytes <= cut.limit_bytes


@pytest.mark.parametrize("limit", range(480 * MB, 1_600 * MB, 200 * MB))
def test_processes_write_the_tables_of_threads(limit: int) -> None:
    threads = plan_budget(limit, NARROW, jobs=4)
    processes = plan_processes(limit, NARROW, jobs=4)
    assert processes.batch_bytes == threads.batch_bytes
    assert processes.max_record_bytes == threads.max_record_bytes


def test_too_little_for_one_process_is_an_error() -> None:
    with pytest.raises(BudgetError, match="is too little") as raised:
        plan_processes(300 * MB, NARROW, jobs=4)
    assert "--engine local takes less" in (raised.value.hint or "")
