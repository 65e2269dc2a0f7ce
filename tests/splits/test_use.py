"""Splits where they are used: by `train`, by `inspect`, and by the loaders of others."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from bigdata_cli import convert, inspect, open_dataset
from bigdata_cli.errors import UsageError
from bigdata_cli.training.options import TrainOptions
from bigdata_cli.training.splits import training_split

SPLIT = {"train": 0.7, "val": 0.2, "test": 0.1}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    chance = random.Random(1)
    lines = [f"{chance.random():.4f},{chance.choice('aab')},{i}" for i in range(2_000)]
    path.write_text("x,y,n\n" + "\n".join(lines) + "\n")
    output = path.parent / "out"
    convert(path, to="tfrecord", output=output, shards=2, split=SPLIT, label="y")
    return output


def test_train_learns_from_train_and_measures_on_the_split_that_is_named(folder):
    dataset = open_dataset(folder)
    learned, options = training_split(dataset, TrainOptions(evaluate_on="val"))
    assert (learned.split, learned.rows) == ("train", dataset["train"].rows)
    assert (options.evaluate_on.split, options.evaluate_on.rows) == ("val", dataset["val"].rows)
    learned, options = training_split(dataset, TrainOptions(train_on="test", evaluate_on="[80%:]"))
    assert (learned.split, options.split) == ("test", "[80%:]")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"evaluate_on": "train"}, "learn from the rows that evaluate it"),
        ({"train_on": "val", "evaluate_on": "val"}, "learn from the rows that evaluate it"),
        ({"train_on": "trian"}, 'has no split "trian"'),
    ],
)
def test_what_train_refuses(folder, options, told):
    with pytest.raises(UsageError, match=told):
        training_split(open_dataset(folder), TrainOptions(**options))


def test_without_splits_nothing_changes(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("x,y\n1,2\n3,4\n")
    convert(path, to="npy", output=tmp_path / "out")
    dataset, options = open_dataset(tmp_path / "out"), TrainOptions()
    assert training_split(dataset, options) == (dataset, options)
    with pytest.raises(UsageError, match="has no splits"):
        training_split(dataset, TrainOptions(train_on="train"))


def test_inspect_shows_splits_and_the_classes_of_each(folder):
    report = inspect(folder)
    dataset = open_dataset(folder)
    assert [(one.name, one.rows) for one in report.splits] == [
        (name, part.rows) for name, part in dataset.splits.items()
    ]
    words = dataset.schema["y"].vocabulary
    for one in report.splits:
        values = [v for b in dataset[one.name].read(columns=["y"]) for v in b[0].to_pylist()]
        counts = dict(zip(one.balance.values, one.balance.counts, strict=True))
        assert counts == {word: values.count(word) for word in words}
    assert "Splits" in report.to_html()
    assert report.to_json()["splits"][0]["name"] == "train"


def test_tensorflow_datasets_sees_them(folder):
    import tensorflow_datasets as tfds  # it loads TensorFlow

    builder = tfds.builder_from_directory(str(folder))
    rows = {name: split.num_examples for name, split in builder.info.splits.items()}
    assert rows == {name: part.rows for name, part in open_dataset(folder).splits.items()}


def test_load_dataset_of_hugging_face_sees_them(folder, tmp_path):
    """By the library, or by its rule for names of files: a keyword between other characters."""
    convert(folder, to="parquet", output=tmp_path / "out", split=SPLIT)
    expected = {name: part.rows for name, part in open_dataset(tmp_path / "out").splits.items()}
    expected["validation"] = expected.pop("val")
    try:
        import datasets
    except ImportError:
        names = [path.name for path in Path(tmp_path / "out").glob("[!_]*.parquet")]
        words = {"train": "train", "validation": "val", "test": "test"}
        for split, word in words.items():
            rule = re.compile(rf"(.*[^a-zA-Z0-9])?{word}[^a-zA-Z0-9].*")
            assert any(map(rule.fullmatch, names)), split
        return
    found = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert {name: part.num_rows for name, part in found.items()} == expected
