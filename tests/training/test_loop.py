"""The loop with several workers: each row once an epoch, the same steps for all, nothing waits."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from bigdata_cli.dataset import open_dataset
from bigdata_cli.errors import UsageError, VerificationError
from bigdata_cli.loaders.examples import Examples
from bigdata_cli.loaders.features import plan_features
from bigdata_cli.loaders.target import plan_target
from bigdata_cli.training import stream as stream_module
from bigdata_cli.training.backends.base import Worker
from bigdata_cli.training.course import Listeners, LoopResult, Schedule
from bigdata_cli.training.learning_rate import LearningRate
from bigdata_cli.training.loop import TrainingLoop
from bigdata_cli.training.metrics import row_losses
from bigdata_cli.training.stream import ExampleStream, Reading
from tests.datasets import write_dataset

N_ROWS = 1003
BATCH = 50
RATE = LearningRate(peak=0.002)


class Meeting:
    """Lets the threads of a test exchange arrays, as the processes of a training do."""

    def __init__(self, workers: int) -> None:
        self.barrier = threading.Barrier(workers, timeout=20)
        self.arrays: list[np.ndarray | None] = [None] * workers


class ThreadBackend:
    """A worker of several, each a thread."""

    def __init__(self, rank: int, meeting: Meeting) -> None:
        self.worker = Worker(rank, len(meeting.arrays))
        self._meeting = meeting

    def gather(self, array: np.ndarray) -> np.ndarray:
        meeting = self._meeting
        meeting.arrays[self.worker.rank] = np.asarray(array, np.float64)
        meeting.barrier.wait()
        gathered = np.stack(meeting.arrays)  # type: ignore[arg-type]
        meeting.barrier.wait()
        return gathered


class Recorder:
    """A trainer that keeps what it is given; the loss is what `losses_of` makes of the rows."""

    def __init__(self, losses_of=lambda rows: np.ones(len(rows))) -> None:
        self.steps: list[tuple[Examples, np.ndarray, int]] = []
        self._losses_of = losses_of

    def step(self, batch: Examples, weights: np.ndarray, total_rows: int) -> float:
        self.steps.append((batch, weights, total_rows))
        return float((self._losses_of(batch) * weights).sum() / total_rows)

    def losses(self, pending: list[float]) -> np.ndarray:
        return np.array(pending)


def folder_of(tmp_path: Path, n_shards: int) -> Path:
    index = np.arange(N_ROWS)
    table = pa.table({"id": index, "y": (index % 7 == 0).astype(np.int8)})
    return write_dataset(tmp_path / str(n_shards), table, n_shards=n_shards, label="y")


def train_with(
    folder: Path, workers: int, *, epochs: int = 2, weights: np.ndarray | None = None
) -> tuple[list[Recorder], list[LoopResult]]:
    meeting, recorders = Meeting(workers), [Recorder() for _ in range(workers)]
    results: list[LoopResult | None] = [None] * workers
    dataset = open_dataset(folder)
    target, features = plan_target(dataset, "y"), plan_features(dataset, "y")

    def work(rank: int) -> None:
        backend = ThreadBackend(rank, meeting)
        reading = Reading(batch_size=backend.worker.part(BATCH), rank=rank, workers=workers)
        stream = ExampleStream(dataset, features, target, reading)
        schedule = Schedule(
            epochs=epochs, batch_size=BATCH, learning_rate=RATE, class_weights=weights
        )
        loop = TrainingLoop(recorders[rank], backend, stream, schedule)  # type: ignore[arg-type]
        results[rank] = loop.run()

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert all(results)
    return recorders, results  # type: ignore[return-value]


def row_ids(recorders: list[Recorder], folder: Path) -> np.ndarray:
    feature = plan_features(open_dataset(folder), "y").numbers[0]
    dense = np.concatenate([batch.dense[:, 0] for r in recorders for batch, *_ in r.steps])
    return np.round(dense * feature.scale + feature.center).astype(int)


@pytest.mark.parametrize(("workers", "n_shards"), [(1, 3), (2, 3), (3, 3), (3, 5), (4, 4)])
def test_every_row_comes_once_an_epoch_whatever_the_workers(
    tmp_path: Path, workers: int, n_shards: int
) -> None:
    folder = folder_of(tmp_path, n_shards)
    recorders, results = train_with(folder, workers)
    ids, counts = np.unique(row_ids(recorders, folder), return_counts=True)
    assert (counts == 2).all()
    assert len(ids) == results[0].rows / 2 == pytest.approx(0.8 * N_ROWS, abs=10)
    n_steps = {len(recorder.steps) for recorder in recorders}
    assert n_steps == {len(results[0].losses)}
    for step in range(n_steps.pop()):
        sizes = [len(recorder.steps[step][0]) for recorder in recorders]
        assert {recorder.steps[step][2] for recorder in recorders} == {sum(sizes)}
        assert 0 < sum(sizes) <= BATCH


def test_all_workers_have_the_same_losses_of_the_whole_batch(tmp_path: Path) -> None:
    recorders, results = train_with(folder_of(tmp_path, 3), 2)
    assert results[0].losses.tolist() == results[1].losses.tolist()
    np.testing.assert_allclose(results[0].losses, 1)
    target = plan_target(open_dataset(folder_of(tmp_path, 3)), "y")
    start = np.array(target.start)[np.newaxis]
    for step, untrained in enumerate(results[0].untrained_losses):
        y = np.concatenate([recorder.steps[step][0].y for recorder in recorders])
        assert untrained == pytest.approx(row_losses(target.task, start, y).mean())


def test_class_weights_are_those_of_the_rows(tmp_path: Path) -> None:
    recorders, results = train_with(folder_of(tmp_path, 3), 2, weights=np.array([0.5, 4.0]))
    for recorder in recorders:
        for batch, weights, _ in recorder.steps:
            np.testing.assert_array_equal(weights, np.where(batch.y == 1, 4.0, 0.5))
    assert results[0].losses.mean() == pytest.approx(0.5 + 3.5 / 7, rel=0.05)


def test_every_worker_needs_a_shard(tmp_path: Path) -> None:
    dataset = open_dataset(folder_of(tmp_path, 2))
    target, features = plan_target(dataset, "y"), plan_features(dataset, "y")
    reading = Reading(batch_size=10, rank=1, workers=3)
    with pytest.raises(UsageError, match="2 shards for 3 workers") as caught:
        ExampleStream(dataset, features, target, reading)
    assert "--shards 3" in str(caught.value.hint)


def test_an_error_of_the_reader_ends_the_loop(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, 2)
    (folder / "data-00001-of-00002.parquet").unlink()
    dataset = open_dataset(folder)
    target, features = plan_target(dataset, "y"), plan_features(dataset, "y")
    stream = ExampleStream(dataset, features, target, Reading(batch_size=10))
    loop = TrainingLoop(
        Recorder(),  # type: ignore[arg-type]
        ThreadBackend(0, Meeting(1)),  # type: ignore[arg-type]
        stream,
        Schedule(epochs=1, batch_size=10, learning_rate=RATE),
    )
    with pytest.raises(VerificationError, match="is missing"):
        loop.run()


def test_training_ends_in_the_window_in_which_a_loss_is_not_finite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_module, "WINDOW_BATCHES", 2)
    dataset = open_dataset(folder_of(tmp_path, 2))
    target, features = plan_target(dataset, "y"), plan_features(dataset, "y")
    stream = ExampleStream(dataset, features, target, Reading(batch_size=10))
    steps, saved = [], []

    def losses_of(batch: Examples) -> np.ndarray:
        steps.append(len(batch))
        return np.full(len(batch), np.nan if len(steps) == 5 else 1.0)

    loop = TrainingLoop(
        Recorder(losses_of),  # type: ignore[arg-type]
        ThreadBackend(0, Meeting(1)),  # type: ignore[arg-type]
        stream,
        Schedule(epochs=3, batch_size=10, learning_rate=RATE),
        Listeners(save=saved.append),
    )
    result = loop.run()
    assert not result.finite
    assert (len(result.losses), result.epochs, saved) == (6, 0, [])
