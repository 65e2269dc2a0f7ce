"""Any shards, any unit size, any jobs: the same dataset."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli import open_dataset
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.run import run
from bigdata_cli.formats.registry import all_traits
from bigdata_cli.sources.csv.options import SourceOptions
from tests.examples import examples
from tests.manifest_files import read_document

# Everything that CSV has to quote, and what looks like quotes, records and numbers.
AWKWARD = st.text(alphabet='ab,"\n\r;1.\t é😀', max_size=12)
CELLS = st.one_of(
    AWKWARD,
    st.integers(-(2**70), 2**70).map(str),
    st.floats(allow_nan=False).map(repr),
    st.sampled_from(["", "NA", "true", "2020-02-29", "2020-02-29T10:00:00", "007", "-0", "1E4"]),
)


def csv_text(rows: list[list[str]], line_end: str) -> str:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, quoting=csv.QUOTE_NONNUMERIC, lineterminator=line_end)
    writer.writerow(["a", "b", "c"])
    for row in rows:
        # Numbers unquoted, so that the typed paths run; the rest quoted.
        writer.writerow([_bare(cell) for cell in row])
    return stream.getvalue()


class _Bare(float):
    """A number that csv writes as the text it came from."""

    text: str

    def __repr__(self) -> str:
        return self.text

    __str__ = __repr__


def _bare(cell: str):
    try:
        float(cell)
    except ValueError:
        return cell
    if not cell.strip() or cell != cell.strip():
        return cell
    bare = _Bare(0.0)
    bare.text = cell
    return bare


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@examples(12)
@given(
    data=st.data(),
    rows=st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=25),
)
def test_any_shards_units_and_jobs_give_the_same_dataset(line_end, data, rows):
    text = csv_text(rows, line_end)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "data.csv"
        source.write_bytes(text.encode())
        reference = None
        for _ in range(3):
            options = ConvertOptions(
                to=data.draw(st.sampled_from(["parquet", "npy", "arrow"])),
                output=Path(folder) / "out",
                shards=data.draw(st.integers(1, 7)),
                jobs=data.draw(st.integers(1, 3)),
                force=True,
                source=SourceOptions(
                    header=True, delimiter=",", quote='"', escape="none", trim=False
                ),
            )
            run([source], options, unit_bytes=data.draw(st.integers(7, 400)))
            dataset = open_dataset(Path(folder) / "out")
            got = (
                [(column.name, column.dtype, column.vocabulary) for column in dataset.schema],
                [row for batch in dataset.read() for row in batch.to_pylist()],
                {
                    name: (s.count, s.nulls, s.minimum, s.maximum, s.text_bytes)
                    for name, s in dataset.manifest.statistics.items()
                },
            )
            assert len(got[1]) == len(rows)
            if reference is None:
                reference = got
            assert got == reference
        check_texts(rows, reference)


def check_texts(rows: list[list[str]], reference) -> None:
    """Columns that stayed text hold exactly what Python's csv module was given."""
    columns, got, _ = reference
    for i, (name, dtype, _) in enumerate(columns):
        if dtype in ("text", "category"):
            assert [row[name] for row in got] == [row[i] for row in rows]


@examples(10)
@given(
    rows=st.lists(
        st.tuples(st.integers(-300, 300), st.floats(-1e6, 1e6), st.sampled_from("xyz")),
        min_size=50,
        max_size=300,
    ),
    to=st.sampled_from([traits.name for traits in all_traits() if traits.same_bytes]),
    jobs=st.integers(1, 4),
    units=st.integers(10, 5000),
)
def test_the_same_bytes_whatever_the_jobs_and_units(rows, to, jobs, units):
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "data.csv"
        source.write_text("i,f,c\n" + "".join(f"{i},{f!r},{c}\n" for i, f, c in rows))
        digests = []
        for n_jobs, unit_bytes in ((1, 1 << 20), (jobs, units)):
            options = ConvertOptions(
                to=to, output=Path(folder) / "out", shards=2, jobs=n_jobs, force=True
            )
            report = run([source], options, unit_bytes=unit_bytes)
            digests.append(
                [file.checksum for shard in report.manifest.shards for file in shard.files]
            )
        assert digests[0] == digests[1]


def measured(n_rows: int, n_whole: int, seed: int) -> pa.Table:
    """Rows whose statistics are easily different in their last bits.

    `late` is whole in the first `n_whole` rows; `seconds` are close together and far from zero.
    """
    random = np.random.default_rng(seed)
    late = np.round(random.normal(0, 1e5, n_rows), 3)
    late[:n_whole] = np.rint(late[:n_whole])
    columns = {
        "even": random.random(n_rows),
        "late": late,
        "seconds": 1.6e9 + np.round(random.normal(0, 1e-3, n_rows), 6),
        "wild": 10.0 ** random.integers(-40, 40, n_rows),
        "count": random.integers(-(2**40), 2**40, n_rows),
    }
    return pa.table(columns)


def write_source(table: pa.Table, kind: str, folder: Path) -> Path:
    path = folder / f"data.{kind}"
    if kind == "parquet":
        pq.write_table(table, path, row_group_size=37)
    elif kind == "csv":
        pyarrow.csv.write_csv(table, path)
    else:
        path.write_text("".join(f"{json.dumps(row)}\n" for row in table.to_pylist()))
    return path


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
@examples(8)
@given(
    n_rows=st.integers(50, 1500),
    whole=st.floats(0, 1),
    seed=st.integers(0, 1000),
    jobs=st.integers(1, 3),
    unit_bytes=st.integers(200, 20_000),
)
def test_the_same_statistics_whatever_the_jobs_and_the_units(
    kind, n_rows, whole, seed, jobs, unit_bytes
):
    table = measured(n_rows, int(whole * n_rows), seed)
    with tempfile.TemporaryDirectory() as folder:
        source = write_source(table, kind, Path(folder))
        columns = []
        for n_jobs, size in ((1, None), (jobs, unit_bytes)):  # memory decides on the units
            output = Path(folder) / "out"
            options = ConvertOptions(to="parquet", output=output, shards=2, jobs=n_jobs, force=True)
            run([source], options, unit_bytes=size)
            columns.append(read_document(output)["columns"])
        assert columns[0] == columns[1]
