"""Whatever surprises a source holds: the dataset of one whose dtypes were known from the start."""

from __future__ import annotations

import gzip
import random
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from bigdata_cli import open_dataset, verify
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.pipe import SurpriseError
from bigdata_cli.conversion.report import ConvertReport
from bigdata_cli.conversion.run import run
from bigdata_cli.errors import BigdataError, DataError, UsageError
from bigdata_cli.formats.registry import get_traits
from bigdata_cli.splits.options import SplitOptions
from bigdata_cli.types.statistics import ColumnStatistics
from tests.conversion.test_streams import piped
from tests.datasets import LAYOUTS
from tests.examples import n_examples

SPLIT = SplitOptions(split={"train": 0.5, "val": 0.3, "test": 0.2})
UNIT_BYTES = 700
SAMPLE_BYTES = 900

KINDS: dict[str, Callable[[random.Random], str]] = {
    "null": lambda r: "",
    "token": lambda r: r.choice(["NA", "null", ""]),
    "quoted null": lambda r: r.choice(['""', '"NA"', " "]),
    "int8": lambda r: str(r.randrange(-9, 100)),
    "uint8": lambda r: str(r.randrange(256)),
    "int16": lambda r: str(r.randrange(-500, 30_000)),
    "int32": lambda r: str(r.randrange(2**31)),
    "int64": lambda r: str(r.randrange(2**24, 2**52)),
    "large": lambda r: str(r.randrange(2**60, 2**63)),
    "uint64": lambda r: str(r.randrange(2**63, 2**64)),
    "spaced": lambda r: f" {r.randrange(50)} ",
    "quoted": lambda r: f'"{r.randrange(50)}"',
    "zeros": lambda r: f"00{r.randrange(50)}",
    "float32": lambda r: f"{r.randrange(10_000) / 100:.2f}",
    "half": lambda r: f"{r.randrange(10_000) / 2}",
    "binary": lambda r: r.choice(["0.0001220703125", "0.00006103515625", "4194304.5"]),
    "float64": lambda r: repr(r.random()),
    "bool": lambda r: r.choice(["true", "false"]),
    "Bool": lambda r: r.choice(["True", "false"]),
    "date": lambda r: f"20{r.randrange(10, 60)}-0{r.randrange(1, 10)}-1{r.randrange(10)}",
    "time": lambda r: f"2021-03-0{r.randrange(1, 9)} 10:00:{r.randrange(10, 60)}",
    "nanos": lambda r: f"2021-03-01T10:00:00.12345678{r.randrange(10)}",
    "utc": lambda r: f"2021-03-01T10:00:{r.randrange(10, 60)}Z",
    "few": lambda r: r.choice(["a", "b", "c,d", 'q"q', "é"]),
    "word": lambda r: r.choice("efghij"),
    "text": lambda r: f"t{r.randrange(10**6)}",
}


def field(text: str) -> str:
    if text.startswith('"') or not any(c in text for c in ',"\n'):
        return text
    return '"' + text.replace('"', '""') + '"'


@st.composite
def sources(draw) -> str:
    """A CSV whose columns change what they are, here and there."""
    chance = random.Random(draw(st.integers(0, 2**32)))
    n_rows = draw(st.sampled_from([60, 200, 500]))
    columns = []
    for _ in range(draw(st.integers(1, 4))):
        base = draw(st.sampled_from(sorted(KINDS)))
        values = [KINDS[base](chance) for _ in range(n_rows)]
        for _ in range(draw(st.integers(0, 3))):
            kind = draw(st.sampled_from(sorted(KINDS)))
            at = draw(st.integers(0, n_rows - 1))
            length = draw(st.sampled_from([1, 1, 5, 100]))
            values[at : at + length] = [KINDS[kind](chance) for _ in values[at : at + length]]
        if draw(st.booleans()):
            for row in chance.sample(range(n_rows), n_rows // 10):
                values[row] = ""
        columns.append(values)
    lines = ["n," + ",".join(f"c{i}" for i in range(len(columns)))]
    lines += [
        ",".join([str(row), *(field(column[row]) for column in columns)]) for row in range(n_rows)
    ]
    return "\n".join(lines) + "\n"


def convert(kind: str, data: bytes, folder: Path, name: str, options: ConvertOptions, **how: Any):
    """Convert a CSV that comes as a file, compressed, or from a pipe; the report or the error."""
    plain = folder / "data.csv"
    source = {"file": plain, "gzip": folder / "data.csv.gz"}.get(kind, folder / "pipe" / "data.csv")
    if kind == "file":
        plain.write_bytes(data)
    elif kind == "gzip":
        source.write_bytes(gzip.compress(data, mtime=0))
    else:
        source.parent.mkdir(exist_ok=True)
    options = replace(options, output=folder / name, spool=kind != "no spool")
    with piped(source, data) if "pipe" in source.parts else nullcontext(source) as path:
        try:
            return run([path], options, unit_bytes=UNIT_BYTES, **how)
        except BigdataError as error:
            return error


def settled(data: bytes, folder: Path, layout: ConvertOptions) -> dict[str, str] | None:
    """The dtypes of a CSV whose rows were all looked at beforehand."""
    options = ConvertOptions(to="parquet", shards=1, float_mode=layout.float_mode)
    report = convert("file", data, folder, "known", options, sample_bytes=1 << 24)
    assert isinstance(report, ConvertReport)
    schema = open_dataset(folder / "known").schema
    return {column.name: column.dtype for column in schema if column.dtype != "null"}


def contents(folder: Path, *, same_bytes: bool) -> Any:
    dataset = open_dataset(folder)
    manifest = dataset.manifest
    files = [
        [(file.name, file.checksum) for file in shard.files] if same_bytes else [shard.file_names]
        for shard in manifest.shards
    ]
    rows = None if same_bytes else [batch.to_pydict() for batch in dataset.read()]
    return manifest.schema, files, rows, [shard.rows for shard in manifest.shards]


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return [row for batch in open_dataset(folder).read() for row in batch.to_pylist()]


def statistics(folder: Path, *, exact: bool) -> dict[str, ColumnStatistics]:
    """exact: with means, which are rounded otherwise where the shards are others."""
    known = open_dataset(folder).manifest.statistics
    if exact:
        return dict(known)
    return {name: structs.replace(one, mean=None, m2=None) for name, one in known.items()}


@st.composite
def requests(draw) -> tuple[str, ConvertOptions]:
    to, layout = draw(st.sampled_from(LAYOUTS))
    kind = draw(st.sampled_from(["file", "file", "gzip", "pipe", "pipe", "no spool"]))
    cut = {"shards": draw(st.integers(1, 4))}
    if kind != "file" and draw(st.booleans()):
        cut = {"shards": None, "shard_bytes": draw(st.sampled_from([1_500, 6_000]))}
    compression = draw(st.sampled_from([None, *get_traits(to).smaller_compressions]))
    options = ConvertOptions(
        to=to,
        layout=layout,
        compression=compression,
        jobs=draw(st.integers(1, 2)),
        label=draw(st.sampled_from([None, "c0"])) if layout in ("matrix", "packed") else None,
        float_mode=draw(st.sampled_from(["auto", "auto", "32", "64"])),
        splits=draw(st.sampled_from([SplitOptions(), SPLIT, replace(SPLIT, split_by=("c0",))])),
        **cut,
    )
    return kind, options


def check(text: str, kind: str, options: ConvertOptions, folder: Path) -> None:
    data = text.encode()
    known = settled(data, folder, options)
    fixed = replace(options, types=known)
    straight_kind = "pipe" if kind == "no spool" else kind
    how = {"sample_bytes": SAMPLE_BYTES}
    straight = convert(straight_kind, data, folder, "straight", fixed, **how)
    found = convert(kind, data, folder, "found", options, **how)
    if isinstance(found, SurpriseError):
        assert kind == "no spool"
        assert "line " in found.message
        assert "--type" in (found.hint or "")
        return
    if not isinstance(straight, ConvertReport):
        assert isinstance(straight, DataError | UsageError), straight
        # Which of several errors is seen first may differ.
        assert isinstance(found, DataError | UsageError), (found, straight)
        return
    if isinstance(found, DataError) and "has no value for that" in found.message:
        return  # a label of integers with nulls ends the run before decimals make it NaN
    if isinstance(found, UsageError):  # what the sample shows may be more than a layout holds
        assert "text" in found.message
        assert options.layout in ("matrix", "packed")
        return
    assert isinstance(found, ConvertReport), found
    exact = True
    if options.shards is None:  # how many they are is estimated from the dtypes of the sample
        assert rows_of(folder / "found") == rows_of(folder / "straight")
        exact = False
    else:
        same_bytes = get_traits(options.to).same_bytes
        assert contents(folder / "found", same_bytes=same_bytes) == contents(
            folder / "straight", same_bytes=same_bytes
        )
    found_statistics, known_statistics = (
        statistics(folder / name, exact=exact) for name in ("found", "straight")
    )
    assert found_statistics == known_statistics
    report = verify(folder / "found")
    assert report.passed, report.findings
    assert not list((folder / "found").glob("*.partial"))


@settings(
    max_examples=n_examples(25),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
@given(sources(), requests())
def test_as_if_the_dtypes_had_been_known(text, request):
    with tempfile.TemporaryDirectory() as folder:
        check(text, *request, Path(folder))


@pytest.mark.soak
@settings(max_examples=3_000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sources(), requests())
def test_as_if_the_dtypes_had_been_known_at_length(text, request):
    with tempfile.TemporaryDirectory() as folder:
        check(text, *request, Path(folder))
