"""Predicted bytes against those of real conversions."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from bigdata_cli import convert, inspect
from bigdata_cli.conversion.estimate.costs import candidates
from bigdata_cli.conversion.estimate.predict import predict
from bigdata_cli.conversion.estimate.rows import draw_rows
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.survey import survey
from bigdata_cli.formats.registry import FORMATS
from bigdata_cli.samples.options import SampleOptions
from bigdata_cli.samples.write import write_sample

ROWS = {"transactions": 15_000, "sensors": 5_000, "messy": 10_000, "log": 15_000}
SAMPLE_BYTES = 500_000
SOME = {
    ("parquet", "rows", "zstd"),
    ("hdf5", "columns", "gzip"),
    ("npy", "columns", "none"),
    ("tfrecord", "rows", "gzip"),
    ("arrow", "rows", "none"),
    ("arrow", "rows", "zstd"),
}


@pytest.fixture(scope="module")
def samples(tmp_path_factory) -> dict[str, Path]:
    """A file of some MB of each kind."""
    folder = tmp_path_factory.mktemp("samples")
    paths = {}
    for kind, n_rows in ROWS.items():
        paths[kind] = folder / f"{kind}.{'txt' if kind == 'log' else 'csv'}"
        with paths[kind].open("wb") as stream:
            write_sample(SampleOptions(kind=kind, n_rows=n_rows), stream)
    return paths


@pytest.mark.parametrize("kind", ROWS)
def test_bytes_are_predicted_within_a_tenth(samples, tmp_path, kind):
    """From less than half of the rows; all datasets of one kind, and some of the others."""
    report = inspect(samples[kind], sample_size=SAMPLE_BYTES)
    assert report.sample_rows < ROWS[kind] / 2
    low, high = report.rows_low, report.rows_high
    assert low is not None
    assert high is not None
    assert abs(report.rows - ROWS[kind]) <= 3 * (high - report.rows)
    told = {(cost.format, cost.layout, cost.compression) for cost in report.costs}
    assert told == {c for c in candidates() if kind != "log" or c[1] not in ("matrix", "packed")}
    for cost in report.costs:
        if kind != "transactions" and (cost.format, cost.layout, cost.compression) not in SOME:
            continue
        real = convert(
            samples[kind],
            to=cost.format,
            layout=cost.layout,
            compression=cost.compression,
            drop=cost.dropped,
            output=tmp_path / f"{cost.format}-{cost.layout}-{cost.compression}",
        ).bytes_out
        assert abs(cost.bytes / real - 1) < 0.1, (cost.format, cost.layout, cost.compression)


def test_a_file_that_the_sample_holds_whole_is_predicted_exactly(tmp_path):
    source = tmp_path / "few.csv"
    source.write_text("id,city,fare\n" + "".join(f"{i},c{i % 3},{i}.5\n" for i in range(500)))
    costs = inspect(source, label="id").costs
    for cost in costs:
        output = tmp_path / f"{cost.format}-{cost.layout}-{cost.compression}"
        real = convert(
            source,
            to=cost.format,
            layout=cost.layout,
            compression=cost.compression,
            label="id",
            output=output,
        )
        assert cost.bytes == real.bytes_out, cost
        assert cost.shards == real.n_shards == 1


@pytest.mark.parametrize("shards", [1, 7])
@pytest.mark.parametrize("to", FORMATS)
def test_files_of_their_own_cost_bytes_of_their_own(samples, tmp_path, to, shards):
    # Where little memory is left beside that of this process, files have smaller chunks.
    limit = 6_000_000_000
    options = ConvertOptions(
        to=to, shards=shards, label="label", output=tmp_path / "out", float_mode="32",
        memory_limit=limit,
    )  # fmt: skip
    found = survey([samples["sensors"]], options, sample_bytes=SAMPLE_BYTES)
    rows = draw_rows(found.source, found.sample, found.keep, max_bytes=SAMPLE_BYTES)
    predicted = predict(rows, options)
    real = convert(
        samples["sensors"], to=to, shards=shards, label="label", float_mode="32",
        output=tmp_path / "out", memory_limit=limit,
    )  # fmt: skip
    assert predicted.shards == real.n_shards == shards
    assert abs(predicted.bytes / real.bytes_out - 1) < 0.1


def test_categories_are_foreseen_where_the_sample_has_too_few_rows_for_them(tmp_path):
    """Nearly every text of the sample is new, and yet there are only 20,000 in all rows."""
    source = tmp_path / "names.csv"
    n_values, n_rows, draw = 20_000, 300_000, random.Random(0)
    with source.open("w") as stream:
        stream.write("name,n\n")
        stream.writelines(f"name{draw.randrange(n_values):06d},{i % 9}\n" for i in range(n_rows))
    report = inspect(source, sample_size=300_000)
    name = report.columns[0]
    assert name.dtype == "category"
    assert name.distinct is not None
    assert abs(name.distinct - n_values) < n_values / 5
    npy = next(cost for cost in report.costs if (cost.format, cost.layout) == ("npy", "columns"))
    real = convert(source, to="npy", output=tmp_path / "npy").bytes_out
    assert abs(npy.bytes / real - 1) < 0.1


def test_memory_is_that_of_the_arrays(tmp_path):
    source = tmp_path / "few.csv"
    source.write_text("a,b,y\n" + "".join(f"{i},{i}.5,{i % 2}\n" for i in range(300)))
    costs = {(c.format, c.layout): c.memory_bytes for c in inspect(source, label="y").costs}
    assert costs["npy", "matrix"] == 300 * (4 * 2 + 1)
    assert costs["npy", "columns"] == 300 * (2 + 4 + 1)
    assert costs["tfrecord", "rows"] == 300 * (8 + 4 + 8)
