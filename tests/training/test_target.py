"""Which task a label is, and which labels are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from bigdata_cli.dataset import open_dataset
from bigdata_cli.errors import UsageError, VerificationError
from bigdata_cli.loaders.target import Target, Task, plan_target
from tests.datasets import write_dataset


def target_of(folder: Path, values: object, *, label: str | None = "y") -> Target:
    table = pa.table({"x": np.arange(len(values)), "y": values})  # type: ignore[arg-type]
    return plan_target(open_dataset(write_dataset(folder, table)), label)


@pytest.mark.parametrize(
    ("values", "task", "n_classes"),
    [
        (pa.array([True, False, None]), Task.BINARY, 2),
        (pa.array([0, 1, 1, None], pa.int8()), Task.BINARY, 2),
        (pa.array([0.0, 1.0, 1.0], pa.float32()), Task.BINARY, 2),
        (pa.array([0.0, 1.0, 0.5]), Task.REGRESSION, 0),
        (pa.array([1, 2, 1]), Task.BINARY, 2),
        (pa.array([-1, 1, -1]), Task.CLASSES, 3),
        (pa.array([5, 7, 9]), Task.CLASSES, 5),
        (pa.array([0, 99]), Task.CLASSES, 100),
        (pa.array([0, 100]), Task.REGRESSION, 0),
        (pa.array(["a", "b", "c"]).dictionary_encode(), Task.CLASSES, 3),
        (pa.array(["a", "b", None]).dictionary_encode(), Task.BINARY, 2),
        (pa.array(np.array(["2020-01-01", "2021-01-01"], "datetime64[D]")), Task.REGRESSION, 0),
    ],
)
def test_the_task_follows_from_the_label(
    tmp_path: Path, values: pa.Array, task: Task, n_classes: int
) -> None:
    target = target_of(tmp_path, values)
    assert (target.task, target.n_classes) == (task, n_classes)


def test_the_start_is_what_the_manifest_or_the_first_rows_say(tmp_path: Path) -> None:
    rare = target_of(tmp_path / "a", pa.array(np.arange(1000) < 2))
    assert rare.start[0] == pytest.approx(np.log(0.002 / 0.998))
    classes = target_of(tmp_path / "b", pa.array([3, 3, 3, 3, 3, 3, 4, 5], pa.int8()))
    assert np.exp(classes.start) == pytest.approx([7 / 11, 2 / 11, 2 / 11])
    assert classes.encode(pa.array([3, 5, None])).tolist()[:2] == [0, 2]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (pa.array(["a", "b"]), "is text"),
        (pa.array([1, 1, 1]), "is 1 in every row"),
        (pa.array([True, True, None]), "is 1 in every row"),
        (pa.array(["a", "a"]).dictionary_encode(), "is 'a' in every row"),
        (pa.array([None, None], pa.bool_()), "has no values"),
        (pa.array([1.0, float("inf")]), "infinite"),
        (pa.array([f"v{i}" for i in range(101)]).dictionary_encode(), "101 categories"),
    ],
)
def test_labels_that_cannot_be_learned_are_refused(
    tmp_path: Path, values: pa.Array, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        target_of(tmp_path, values)


def test_a_label_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match='no column "Y"') as caught:
        target_of(tmp_path / "a", [0, 1], label="Y")
    assert caught.value.hint == 'Did you mean "y"?'
    with pytest.raises(UsageError, match="without a label"):
        target_of(tmp_path / "b", [0, 1], label=None)


def test_values_beyond_the_manifest_are_a_verification_error(tmp_path: Path) -> None:
    target = target_of(tmp_path, pa.array([5, 7, 9]))
    for value in (4, 10):
        with pytest.raises(VerificationError):
            target.encode(pa.array([5, value]))
