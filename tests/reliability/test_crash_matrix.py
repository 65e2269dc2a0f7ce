"""A conversion that is killed anywhere: the same command again gives what a straight run gives."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.reliability.children import (
    KILLED,
    Zygote,
    compressed,
    contents,
    write_widening_source,
)

FORMATS = {
    "parquet": {"to": "parquet"},
    "hdf5": {"to": "hdf5"},
    "npy": {"to": "npy"},
    "tfrecord": {"to": "tfrecord", "layout": "block", "compression": "gzip"},
    "arrow": {"to": "arrow", "compression": "zstd"},
    "splits": {"to": "parquet", "split": {"train": 0.7, "val": 0.2, "test": 0.1}},
}
OPTIONS = {"shards": 6, "on_bad_row": "skip"}
KILLS = 5


def kill_and_go_on(
    children: Zygote, source: Path, output: Path, request: dict[str, Any], **kill: Any
) -> dict[str, Any] | None:
    """Kill a conversion, and run it again; its answer, None where it was over before the kill."""
    killed = children.run(source, output, **kill, **request)
    if killed["status"] != KILLED:
        assert "error" not in killed
        return None
    answer = children.run(source, output, verify=True, **request)
    if "already holds a dataset" in answer.get("message", ""):
        return None  # it died when all was in place, and its journal gone
    assert "error" not in answer, answer["message"]
    assert answer["findings"] == []
    return answer


def straight_run(
    children: Zygote, source: Path, output: Path, request: dict[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """What a conversion makes that nobody disturbs, and its steps."""
    answer = children.run(source, output, verify=True, **request)
    assert answer["findings"] == []
    return contents(output), answer["steps"]


def chosen_steps(steps: list[str], n: int, seed: str) -> list[int]:
    """Steps of different names, spread over the run and different for each seed."""
    numbers = random.Random(seed)
    names = numbers.sample(sorted(set(steps)), n)
    return [numbers.choice([i for i, step in enumerate(steps, 1) if step == one]) for one in names]


@pytest.mark.parametrize("name", FORMATS)
def test_killed_at_a_step(name, children, source, tmp_path):
    request = {**FORMATS[name], **OPTIONS}
    expected, steps = straight_run(children, source, tmp_path / "straight", request)
    for step in chosen_steps(steps, KILLS, name):
        output = tmp_path / "out"
        kill_and_go_on(children, source, output, request, die_at=step)
        assert contents(output) == expected, f"killed {steps[step - 1]}, step {step}"
        shutil.rmtree(output)


@pytest.mark.parametrize(
    "step", ["after _remove_replaced", "before _remove_replaced", "before commit", "after append"]
)
def test_a_dataset_that_is_replaced_is_there_until_the_other_is_whole(
    step, children, source, tmp_path
):
    output, request = tmp_path / "out", {**OPTIONS, "force": True}
    before, _ = straight_run(children, source, output, {**OPTIONS, "shards": 5})
    expected, _ = straight_run(children, source, tmp_path / "straight", request)
    answer = children.run(source, output, die_at=step, **request)
    assert answer["status"] == KILLED
    visible = {path.name for path in output.iterdir() if not path.name.startswith("_")}
    if step == "after _remove_replaced":
        assert not visible
    else:
        assert visible == {name for name in before if not name.startswith("_")}
    answer = children.run(source, output, verify=True, **request)
    assert answer["findings"] == []
    assert answer["resumed"] > 0 or step == "after append"
    assert contents(output) == expected


@pytest.mark.parametrize("layout", ["by size", "evenly", "dealt"])
def test_streams_go_on_where_their_shards_come_one_by_one(layout, children, source, tmp_path):
    request: dict[str, Any] = {"on_bad_row": "skip"}
    request |= {"shard_size": 2_000} if layout == "by size" else {"shards": 5}
    request |= {"sample_bytes": 1 << 20} if layout == "evenly" else {}
    stream = compressed(source)
    expected, steps = straight_run(children, stream, tmp_path / "straight", request)
    resumed = []
    accepted = [i for i, step in enumerate(steps, 1) if step == "before finish"]
    for step in (accepted[2], accepted[-1], steps.index("before commit") + 1):
        output = tmp_path / "out"
        answer = kill_and_go_on(children, stream, output, request, die_at=step)
        resumed.append(answer["resumed"])
        assert contents(output) == expected, f"killed {steps[step - 1]}, step {step}"
        shutil.rmtree(output)
    assert resumed[-1] > 0
    if layout != "dealt":
        assert resumed[1] > 0


def test_a_run_that_is_killed_again_and_again_comes_to_its_end(children, source, tmp_path):
    request = {**OPTIONS, "shards": 12, "jobs": 1}
    expected, _ = straight_run(children, source, tmp_path / "straight", request)
    output, numbers = tmp_path / "out", random.Random(3)
    finished = []
    for _ in range(200):
        answer = children.run(source, output, die_at=numbers.randrange(120, 260), **request)
        if answer["status"] != KILLED:
            finished.append(answer)
            break
    # It may have died when all was in place, and its journal gone.
    if "already holds a dataset" not in finished[0].get("message", ""):
        assert "resumed" in finished[0], finished[0]["message"]
        assert finished[0]["resumed"] > 0 or finished[0]["said"] == []
    assert contents(output) == expected


WIDENING = {
    **FORMATS,
    "npy matrix": {"to": "npy", "layout": "matrix"},
    "hdf5 matrix": {"to": "hdf5", "layout": "matrix"},
}


@pytest.mark.parametrize("kind", ["headers", "values", "text"])
@pytest.mark.parametrize("name", WIDENING)
def test_killed_while_shards_are_written_again(name, kind, children, tmp_path):
    request: dict[str, Any] = {**WIDENING[name], "shards": 4, "sample_bytes": 2_000}
    source = compressed(write_widening_source(tmp_path / "data.csv", kind))
    expected, steps = straight_run(children, source, tmp_path / "straight", request)
    wanted = {"values": "before recount", "text": "before rewrite"}.get(kind)
    if kind == "headers" and name == "parquet":
        wanted = "before rewrite_headers"
    assert wanted is None or wanted in steps
    names = ["rewrite", "recount", "rewrite_headers", "replace_result", "discard"]
    chance = random.Random(name)
    turn = list(WIDENING).index(name) + len(kind)
    for number, one in enumerate(names):  # each before in one case, and after in the next
        step = f"{('before', 'after')[(number + turn) % 2]} {one}"
        places = [i for i, found in enumerate(steps, 1) if found == step]
        output = tmp_path / "out"
        if places:
            kill_and_go_on(children, source, output, request, die_at=chance.choice(places))
            assert contents(output) == expected, f"killed {step}"
            shutil.rmtree(output)


SHUFFLED: dict[str, Any] = {
    "shards": 3, "on_bad_row": "skip", "shuffle": True, "seed": 5, "part_bytes": 20_000,
}  # fmt: skip


SORTED: dict[str, Any] = {
    "on_bad_row": "skip", "partition_by": ["kind"], "sort_by": ["late", "id:desc"],
    "part_bytes": 20_000,
}  # fmt: skip


@pytest.mark.parametrize(
    ("order", "form"), [(SHUFFLED, "file"), (SHUFFLED, "stream"), (SORTED, "file")]
)
def test_killed_while_rows_are_reordered(order, form, children, source, tmp_path):
    source = compressed(source) if form == "stream" else source
    expected, steps = straight_run(children, source, tmp_path / "straight", order)
    assert expected["_manifest"]["order"] == ("sorted" if order is SORTED else "shuffled")
    for step in chosen_steps(steps, KILLS, form):
        output = tmp_path / "out"
        kill_and_go_on(children, source, output, order, die_at=step)
        assert contents(output) == expected, f"killed {steps[step - 1]}, step {step}"
        shutil.rmtree(output)


def test_a_shuffle_goes_on_within_each_of_its_steps(children, source, tmp_path):
    _, steps = straight_run(children, source, tmp_path / "straight", SHUFFLED)
    rewritten = [i for i, step in enumerate(steps, 1) if step == "before rewrite"]
    said = []
    for step in (rewritten[-1], steps.index("before commit") + 1):
        output = tmp_path / f"{step}"
        answer = kill_and_go_on(children, source, output, SHUFFLED, die_at=step)
        assert answer is not None
        said.append(answer["said"])
    assert len(said[0]) == 1  # some parts are scattered
    assert len(said[1]) == 2  # all of them, and shards are made


@pytest.mark.soak
@pytest.mark.parametrize("form", ["file", "stream"])
def test_killed_at_every_step_of_a_shuffle(form, children, source, tmp_path):
    source = compressed(source) if form == "stream" else source
    expected, steps = straight_run(children, source, tmp_path / "straight", SHUFFLED)
    assert expected["_manifest"]["order"] == "shuffled"
    for step in range(1, len(steps) + 1):
        output = tmp_path / "out"
        kill_and_go_on(children, source, output, SHUFFLED, die_at=step)
        assert contents(output) == expected, f"killed {steps[step - 1]}, step {step}"
        shutil.rmtree(output)


@pytest.mark.soak
@pytest.mark.parametrize("kind", ["headers", "values", "text"])
@pytest.mark.parametrize("name", WIDENING)
def test_killed_at_every_step_of_shards_that_are_written_again(name, kind, children, tmp_path):
    request: dict[str, Any] = {**WIDENING[name], "shards": 3, "sample_bytes": 2_000}
    source = compressed(write_widening_source(tmp_path / "data.csv", kind))
    expected, steps = straight_run(children, source, tmp_path / "straight", request)
    for step in range(1, len(steps) + 1):
        output = tmp_path / "out"
        kill_and_go_on(children, source, output, request, die_at=step)
        assert contents(output) == expected, f"killed {steps[step - 1]}, step {step}"
        shutil.rmtree(output)


@pytest.mark.soak
@pytest.mark.parametrize("name", FORMATS)
def test_killed_at_every_step(name, children, source, tmp_path):
    request = {**FORMATS[name], **OPTIONS}
    expected, steps = straight_run(children, source, tmp_path / "straight", request)
    for step in range(1, len(steps) + 1):
        output = tmp_path / "out"
        kill_and_go_on(children, source, output, request, die_at=step)
        assert contents(output) == expected, f"killed {steps[step - 1]}, step {step}"
        shutil.rmtree(output)


@pytest.mark.soak
@pytest.mark.parametrize("name", FORMATS)
def test_killed_at_any_instant(name, children, source, tmp_path):
    request = {**FORMATS[name], **OPTIONS}
    expected, _ = straight_run(children, source, tmp_path / "straight", request)
    killed = 0
    for seed in range(200):
        output = tmp_path / "out"
        after = random.Random(seed).uniform(0.02, 0.4)
        killed += kill_and_go_on(children, source, output, request, die_after_s=after) is not None
        assert contents(output) == expected, f"killed after {after:.3f} s"
        shutil.rmtree(output)
    assert killed > 20
