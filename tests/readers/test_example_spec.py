"""The lines that `inspect` shows for TFRecord run as they are, with TensorFlow alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bigdata_cli import convert, inspect

pytest.importorskip("tensorflow")


@pytest.mark.parametrize("layout", ["rows", "packed", "block"])
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_the_lines_read_all_rows(layout: str, compression: str, tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    rows = [f"{i},{i / 4},{'' if i % 3 == 0 else i % 5},{'xyz'[i % 3]}" for i in range(2_000)]
    source.write_text("\n".join(["id,price,n,kind", *rows]) + "\n")
    convert(
        source, to="tfrecord", layout=layout, compression=compression, label="kind",
        output=tmp_path / "d", shards=2,
    )  # fmt: skip
    lines = (inspect(tmp_path / "d").loaders or {})["tf.io"]
    assert "bigdata" not in lines
    names: dict = {}
    exec(lines, names)
    found = []
    for batch in names["batches"]:
        values = batch["i"][:, 0] if layout == "packed" else batch["id"]
        values = values.values if layout == "block" else values
        found += np.asarray(values).tolist()
    assert found == list(range(2_000))


def test_a_wide_dataset_is_asked_for_its_spec(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    names = [f"c{i}" for i in range(40)]
    source.write_text(",".join(names) + "\n" + ",".join("1" for _ in names) + "\n")
    convert(source, to="tfrecord", output=tmp_path / "d")
    lines = (inspect(tmp_path / "d").loaders or {})["tf.io"]
    assert "feature_spec()" in lines
    made: dict = {}
    exec(lines, made)
    assert len(made["spec"]) == 40
    assert [batch["c39"].numpy().tolist() for batch in made["batches"]] == [[1]]
