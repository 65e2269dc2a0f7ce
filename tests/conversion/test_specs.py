"""Specifications of shards: small, and alike for all shards but for what is their own."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from bigdata_cli.conversion.coordinator import Coordinator
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.plan import prepare
from bigdata_cli.conversion.shard import convert_shard
from bigdata_cli.conversion.shard_spec import ShardResult
from bigdata_cli.engines.local import LocalEngine

MAX_SPEC_BYTES = 2048


@pytest.fixture
def coordinator(tmp_path: Path) -> Coordinator:
    source = tmp_path / "a.csv"
    names = ",".join(f"column{i}" for i in range(200))
    row = ",".join(f"word{i % 7}" for i in range(200))
    source.write_text(names + "\n" + f"{row}\n" * 400)
    options = ConvertOptions(to="npy", output=tmp_path / "out", shards=5)
    (tmp_path / "out").mkdir()
    return Coordinator(prepare([source], options), None, None)


def test_what_a_shard_has_of_its_own_is_small(coordinator: Coordinator) -> None:
    columns = coordinator.ledger.columns
    specs = [
        coordinator.specs.spec(index, columns, ranges=coordinator.ranges[index])
        for index in range(5)
    ]
    assert len({id(spec.shared) for spec in specs}) == 1
    for spec in specs:
        own = replace(spec, shared=None)  # type: ignore[arg-type]
        assert len(pickle.dumps(own)) < MAX_SPEC_BYTES
    assert len(pickle.dumps(specs[0].shared)) > MAX_SPEC_BYTES


def test_a_shard_is_the_same_from_a_copy_of_its_specification(coordinator: Coordinator) -> None:
    """So that it may be made by another process."""
    spec = coordinator.specs.spec(1, coordinator.ledger.columns, ranges=coordinator.ranges[1])
    with LocalEngine(2) as engine:
        made = []
        for one in (spec, pickle.loads(pickle.dumps(spec))):
            *_, result = convert_shard(one, engine.worker)
            assert isinstance(result, ShardResult)
            made.append(result)
    assert made[0].files == made[1].files
    assert made[0].rows == made[1].rows > 0
    assert made[0].observed == made[1].observed


def test_more_evidence_of_the_same_types_is_no_new_specification(coordinator: Coordinator) -> None:
    """What is shared travels once; each shard adds evidence that leaves the dtypes as they are."""
    columns = coordinator.ledger.columns
    specs = coordinator.specs
    shared = specs.spec(0, columns).shared
    more = tuple(replace(state) for state in columns)
    assert specs.spec(1, more).shared is shared
    uncounted = (replace(columns[0], dtype="text", distinct=None), *columns[1:])
    assert specs.spec(2, uncounted).shared is not shared
