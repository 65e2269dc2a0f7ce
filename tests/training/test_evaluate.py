"""A model's metric, streamed: that of all rows at once, from every format, in the memory of one."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from bigdata_cli.dataset import open_dataset
from bigdata_cli.errors import UsageError
from bigdata_cli.loaders.examples import Examples, join
from bigdata_cli.training.evaluate import Evaluation, blocks, evaluate
from bigdata_cli.training.metrics import measure, metric_of, row_losses
from bigdata_cli.training.saved import TrainedModel
from tests.datasets import LAYOUTS, write_dataset
from tests.training.models import LABELS, N_ROWS, example_table, network_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("d") / "d", example_table(), n_shards=3)


def evaluated(model: TrainedModel, folder: Path, **options) -> Evaluation:
    return evaluate(
        model.predict, open_dataset(folder), model.encoder(open_dataset(folder)), **options
    )


def all_examples(model: TrainedModel, folder: Path) -> Examples:
    dataset = open_dataset(folder)
    encoder = model.encoder(dataset)
    return join([encoder.examples(batch) for batch in blocks(dataset, encoder, N_ROWS)])


@pytest.mark.parametrize("label", list(LABELS))
def test_the_metric_is_that_of_all_rows_at_once(folder: Path, label: str) -> None:
    model = network_of(folder, label)
    examples = all_examples(model, folder)
    logits = model.predict(examples)
    task, scale = model.target.task, model.target.scale
    for block_rows in (100, 16_384):
        found = evaluated(model, folder, block_rows=block_rows)
        assert found.rows == N_ROWS
        assert found.metric.lower() == metric_of(model.target)
        assert found.value == pytest.approx(
            measure(task, logits, examples.y, scale=scale).value, rel=1e-5
        )
        assert found.loss == pytest.approx(row_losses(task, logits, examples.y).mean(), rel=1e-5)
        assert found.error_bound == 0


@pytest.mark.parametrize(("format_name", "layout"), LAYOUTS)
def test_every_layout_gives_the_same(
    folder: Path, tmp_path: Path, format_name: str, layout: str
) -> None:
    other = write_dataset(tmp_path / "o", example_table(), format_name, layout, 2, "fraud")
    model = network_of(folder, "fraud")
    a, b = evaluated(model, folder), evaluated(model, other)
    assert a.value is not None
    assert b.value == pytest.approx(a.value, abs=1e-6)
    assert b.loss == pytest.approx(a.loss, rel=1e-5)


@pytest.mark.parametrize("split", [range(1000), range(900, 1100), range(N_ROWS - 1, N_ROWS)])
def test_only_the_rows_of_a_split(folder: Path, split: range) -> None:
    model = network_of(folder, "price")
    examples = all_examples(model, folder).take(slice(split.start, split.stop))
    expected = row_losses(model.target.task, model.predict(examples), examples.y).mean()
    for block_rows in (17, 5000):
        found = evaluated(model, folder, split=split, block_rows=block_rows)
        assert (found.rows, found.loss) == (len(split), pytest.approx(expected, rel=1e-5))


def test_rows_without_a_label_are_counted(folder: Path, tmp_path: Path) -> None:
    table = example_table()
    holes = np.arange(N_ROWS) % 10 == 0
    label = pa.array(table["fraud"].to_numpy(), mask=holes)
    place = table.schema.get_field_index("fraud")
    other = write_dataset(tmp_path / "d", table.set_column(place, "fraud", label))
    found = evaluated(network_of(folder, "fraud"), other)
    assert (found.rows, found.null_labels) == (N_ROWS - holes.sum(), holes.sum())


def test_a_single_class_has_no_auc(folder: Path, tmp_path: Path) -> None:
    table = example_table(100)
    place = table.schema.get_field_index("fraud")
    zeros = pa.array(np.zeros(100, np.int8))
    other = write_dataset(tmp_path / "d", table.set_column(place, "fraud", zeros))
    found = evaluated(network_of(folder, "fraud"), other)
    assert found.value is None
    assert found.loss > 0
    assert found.to_json()["value"] is None


def test_a_dataset_without_the_label_is_refused(folder: Path, tmp_path: Path) -> None:
    other = write_dataset(tmp_path / "d", example_table(100).drop_columns(["fraud"]))
    with pytest.raises(UsageError, match="nothing to evaluate"):
        evaluated(network_of(folder, "fraud"), other)


def test_progress_comes_to_all_rows(folder: Path) -> None:
    seen: list[int] = []
    evaluated(network_of(folder, "fraud"), folder, block_rows=500, progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == N_ROWS


def mean(examples: Examples) -> np.ndarray:
    """Predictions that take no time."""
    return examples.dense.mean(axis=1, keepdims=True, dtype=np.float64)


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    peaks = []
    for n_rows in (60_000, 240_000):
        folder = write_dataset(tmp_path / str(n_rows), example_table(n_rows))
        model = network_of(folder, "price")
        dataset = open_dataset(folder)
        evaluate(mean, dataset, model.encoder(dataset), block_rows=4096)
        tracemalloc.start()
        arrow = [pa.total_allocated_bytes()]
        evaluate(
            mean, dataset, model.encoder(dataset), block_rows=4096,
            progress=lambda _, arrow=arrow: arrow.append(pa.total_allocated_bytes()),
        )  # fmt: skip
        peaks.append(tracemalloc.get_traced_memory()[1] + max(arrow) - arrow[0])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0] + 500_000
