"""Specifications of shards: small, and alike for all shards but for what is their own."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from bigdata_cli.conversion.coordinator import Coordinator
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.plan import make_plan
from bigdata_cli.conversion.shard import convert_shard
from bigdata_cli.conversion.shard_spec import ShardResult
from bigdata_cli.engines.registry import LOCAL, make_engine

MAX_SPEC_BYTES = 2048


@pytest.fixture
def coordinator(tmp_path: Path) -> Coordinator:
    source = tmp_path / "a.csv"
    names = ",".join(f"column{i}" for i in range(200))
    row = ",".join(f"word{i % 7}" for i in range(200))
    source.write_text(names + "\n" + f"{row}\n" * 400)
    options = ConvertOptions(to="npy", output=tmp_path / "out", shards=5)
    (tmp_path / "out").mkdir()
    return Coordinator(make_plan([source], options))


def test_what_a_shard_has_of_its_own_is_small(coordinator: Coordinator) -> None:
    columns = coordinator.ledger.columns
    tasks = [
        coordinator.specs.task(index, columns, ranges=coordinator.ranges[index])
        for index in range(5)
    ]
    assert len({id(task.common) for task in tasks}) == 1
    assert all(len(pickle.dumps(task.spec)) < MAX_SPEC_BYTES for task in tasks)
    assert len(pickle.dumps(tasks[0].common)) > MAX_SPEC_BYTES


def test_a_shard_is_the_same_from_a_copy_of_its_specification(coordinator: Coordinator) -> None:
    """So that it may be made by another process."""
    task = coordinator.specs.task(1, coordinator.ledger.columns, ranges=coordinator.ranges[1])
    with make_engine(LOCAL, 2) as engine:
        made = []
        for spec, common in (task, pickle.loads(pickle.dumps(task))):
            *_, result = convert_shard(spec, common, engine.worker)
            assert isinstance(result, ShardResult)
            made.append(result)
    assert made[0].files == made[1].files
    assert made[0].rows == made[1].rows > 0
    assert made[0].observed == made[1].observed


def test_more_evidence_of_the_same_types_is_no_new_specification(coordinator: Coordinator) -> None:
    """What is shared travels once; each shard adds evidence that leaves the dtypes as they are."""
    columns = coordinator.ledger.columns
    specs = coordinator.specs
    shared = specs.task(0, columns).common
    more = tuple(replace(state) for state in columns)
    assert specs.task(1, more).common is shared
    uncounted = (replace(columns[0], dtype="text", distinct=None), *columns[1:])
    assert specs.task(2, uncounted).common is not shared
