"""Convert files to every format and layout, and compare every value with the source.

`python -m benchmarks.equality FILE… [--size 1GB]`: each file (and a generated one of that size) is
converted to every format and layout, verified, read back with the format's own library, and
compared with the source read independently: files with quotes by `oracle`, others by DuckDB,
all as text and then cast. Ends with status 1 where anything differs.
"""

from __future__ import annotations

import argparse
import csv
import mmap
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.commands import LAYOUTS, NUMBERS_ONLY
from benchmarks.oracle import (
    NULL_TOKENS,
    Cell,
    canonical_type,
    cast_cells,
    dtype_of,
    read_file,
    read_lines,
    read_records,
)
from benchmarks.readers import Batch, StoredColumn, StoredDataset

CHUNK_ROWS = 65_536
SMALL_BYTES = 20_000_000
PIECE_BYTES = 8_000_000


class DifferenceError(Exception):
    """A dataset is not equal to its source."""


PLAIN_DIALECT: dict[str, Any] = {
    "escape": None, "names": None, "skip_rows": 0, "comment": None, "trim": False, "decimal": ".",
    "thousands": None, "null_tokens": list(NULL_TOKENS), "column_null_tokens": {},
    "encoding": "utf-8",
}  # fmt: skip
"""What the oracle takes for granted of a CSV."""


@dataclass(frozen=True)
class Dialect:
    """How the source is written: delimiter None for lines of text."""

    delimiter: str | None
    quote: str | None = '"'
    header: bool = True
    keep_blank_lines: bool = False

    @classmethod
    def of(cls, manifest: dict[str, Any]) -> Dialect:
        """The dialect of a manifest; raises DifferenceError for one that the oracle cannot read."""
        written = manifest["dialect"]
        if written["delimiter"] is not None:
            for key, plain in PLAIN_DIALECT.items():
                if written.get(key, plain) != plain:
                    raise DifferenceError(f"the oracle knows no {key} {written[key]!r}")
        keep = written.get("keep_blank_lines", False)
        return cls(written["delimiter"], written["quote"], written["header"], keep)


@dataclass
class Chunk:
    """Some rows of the source; `cast(place, dtype)` gives a column in the canonical form."""

    rows: int
    cast_column: Callable[[int, str], pa.Array]
    known: dict[tuple[int, str], pa.Array] = field(default_factory=dict)

    def cast(self, place: int, dtype: str) -> pa.Array:
        if (place, dtype) not in self.known:
            self.known[place, dtype] = self.cast_column(place, dtype)
        return self.known[place, dtype]


@dataclass(frozen=True)
class Expected:
    """The source as it should be read: the names of its columns, and its rows in chunks."""

    names: tuple[str, ...]
    chunks: Iterator[Chunk]


def read_source(path: Path, dialect: Dialect) -> Expected:
    """The rows of a file, read by the oracle or, where it has no quotes and is big, by DuckDB."""
    if dialect.delimiter is None:
        return Expected(("text",), _line_chunks(path, keep_blank=dialect.keep_blank_lines))
    big = path.stat().st_size > SMALL_BYTES
    if big and not (dialect.quote and _holds(path, dialect.quote.encode())):
        return _read_with_duckdb(path, dialect)
    records = _records(path, dialect)
    first = next(records)
    if dialect.header:
        names = tuple(cell.text.strip() for cell in first)
        return Expected(names, _cell_chunks(records))
    names = tuple(f"column{place}" for place in range(len(first)))
    return Expected(names, _cell_chunks(_chain(first, records)))


def _chain(first: list[Cell], rest: Iterator[list[Cell]]) -> Iterator[list[Cell]]:
    yield first
    yield from rest


def _holds(path: Path, piece: bytes) -> bool:
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as view:
        return view.find(piece) >= 0


def _records(path: Path, dialect: Dialect) -> Iterator[list[Cell]]:
    """The records of a file, in pieces that end with a line and have all their quotes."""
    assert dialect.delimiter is not None
    quote = (dialect.quote or "").encode()
    rest = b""
    with path.open("rb") as stream:
        while True:
            read = stream.read(PIECE_BYTES)
            piece = rest + read
            cut = len(piece) if not read else piece.rfind(b"\n") + 1
            if read and quote and piece.count(quote, 0, cut) % 2:
                cut = 0
            text = piece[:cut].decode("utf-8").removeprefix("\ufeff")
            yield from read_records(text, delimiter=dialect.delimiter, quote=dialect.quote)
            rest = piece[cut:]
            if not read:
                return


def _cell_chunks(records: Iterator[list[Cell]]) -> Iterator[Chunk]:
    rows: list[list[Cell]] = []
    for record in records:
        rows.append(record)
        if len(rows) == CHUNK_ROWS:
            yield _cell_chunk(rows)
            rows = []
    if rows:
        yield _cell_chunk(rows)


def _cell_chunk(rows: list[list[Cell]]) -> Chunk:
    columns = list(zip(*rows, strict=True))
    return Chunk(len(rows), lambda place, dtype: cast_cells(columns[place], dtype))


def _line_chunks(path: Path, *, keep_blank: bool) -> Iterator[Chunk]:
    """Lines are values as they are, also words that mean null in a CSV."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        lines = (line.rstrip("\r\n") for line in stream)
        cells = (Cell(line, True) for line in lines if line or keep_blank)
        while rows := [[cell] for cell in islice(cells, CHUNK_ROWS)]:
            yield _cell_chunk(rows)


def _read_with_duckdb(path: Path, dialect: Dialect) -> Expected:
    import duckdb

    with path.open(encoding="utf-8-sig", newline="") as stream:
        first = next(csv.reader(stream, delimiter=dialect.delimiter or ","))
    names = first if dialect.header else [f"column{place}" for place in range(len(first))]
    connection = duckdb.connect()
    connection.execute("SET memory_limit = '1GB'")
    columns = ", ".join(f"'c{place}': 'VARCHAR'" for place in range(len(names)))
    query = (
        f"SELECT * FROM read_csv(?, delim = ?, quote = '', escape = '', header = ?, "
        f"columns = {{{columns}}}, auto_detect = false, parallel = true, strict_mode = true)"
    )
    result = connection.sql(query, params=[str(path), dialect.delimiter, dialect.header])
    reader = result.to_arrow_reader(CHUNK_ROWS)
    return Expected(tuple(name.strip() for name in names), _text_chunks(connection, reader))


def _text_chunks(connection: Any, reader: Any) -> Iterator[Chunk]:
    for batch in reader:
        yield Chunk(batch.num_rows, partial(_cast_batch, batch))
    connection.close()


def _cast_batch(batch: pa.RecordBatch, place: int, dtype: str) -> pa.Array:
    return cast_texts(batch.column(place), dtype)


def cast_texts(texts: pa.Array, dtype: str) -> pa.Array:
    """Unquoted texts in the canonical form, by Arrow's casts; raises for what does not fit."""
    texts = texts.cast(pa.string())
    is_text = dtype in ("category", "text")
    if not is_text:
        texts = pc.utf8_trim(texts, " \t")
    tokens = pa.array(NULL_TOKENS, pa.string())
    texts = pc.if_else(pc.is_in(texts, tokens), pa.scalar(None, pa.string()), texts)
    if dtype == "float32":
        wide = texts.cast(pa.float64())
        return wide.cast(pa.float32(), safe=False).cast(pa.float64())
    if dtype == "date":
        return texts.cast(pa.date32()).view(pa.int32()).cast(pa.int64())
    if dtype.startswith("timestamp"):
        unit = "ns" if "ns" in dtype else "us"
        zone = "UTC" if "UTC" in dtype else None
        return texts.cast(pa.timestamp(unit, zone)).view(pa.int64())
    return texts.cast(canonical_type(dtype))


def as_stored(array: pa.Array, column: StoredColumn, dataset: StoredDataset) -> pa.Array:
    """A canonical column as the dataset's format and layout hold it."""
    if dataset.layout == "matrix" and column.name != dataset.label:
        return _as_feature(array, column, dataset.manifest["matrix_dtype"])
    if dataset.format == "tfrecord" and column.dtype.startswith("float"):
        return _through(array, "float32")
    return array


def _as_feature(array: pa.Array, column: StoredColumn, matrix_dtype: str) -> pa.Array:
    if column.dtype == "category":
        array = pc.index_in(array, pa.array(column.vocabulary, pa.string()))
    elif column.dtype in ("bool", "null"):
        array = array.cast(pa.int64())
    elif column.dtype.startswith("timestamp"):
        array = pc.divide(
            array.cast(pa.float64(), safe=False), 1e9 if "ns" in column.dtype else 1e6
        )
    return _through(array, matrix_dtype)


def _through(array: pa.Array, dtype: str) -> pa.Array:
    """Numbers rounded to a float dtype, widened to float64."""
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    values = array.fill_null(0).to_numpy(zero_copy_only=False)
    return pa.array(values.astype(dtype).astype(np.float64), mask=~valid)


class Comparison:
    """A dataset that is compared with its source, chunk after chunk; raises DifferenceError."""

    def __init__(self, dataset: StoredDataset, names: Sequence[str]) -> None:
        self.dataset = dataset
        self.columns = dataset.columns
        self.rows = 0
        kept = [column.name for column in self.columns]
        if [name for name in names if name in kept] != kept:
            raise DifferenceError(f"columns {kept} are not columns of {list(names)}")
        self.places = [list(names).index(name) for name in kept]
        self._batches = dataset.batches()
        self._batch: Batch = {}
        self._batch_rows = 0
        self._taken = 0

    def _next_batch(self) -> bool:
        for batch in self._batches:
            lengths = {len(array) for array in batch.values()}
            if len(lengths) != 1:
                raise DifferenceError(f"columns of different lengths {lengths}")
            self._batch, self._batch_rows, self._taken = batch, lengths.pop(), 0
            if self._batch_rows:
                return True
        return False

    def feed(self, chunk: Chunk) -> None:
        """Compare the next rows of the dataset with the next rows of the source."""
        done = 0
        while done < chunk.rows:
            if self._taken == self._batch_rows and not self._next_batch():
                raise DifferenceError(f"the dataset ends after {self.rows:,} rows")
            count = min(chunk.rows - done, self._batch_rows - self._taken)
            for column, place in zip(self.columns, self.places, strict=True):
                expected = as_stored(chunk.cast(place, column.dtype), column, self.dataset)
                self._compare(
                    column,
                    expected.slice(done, count),
                    self._batch[column.name].slice(self._taken, count),
                )
            done += count
            self._taken += count
            self.rows += count

    def _compare(self, column: StoredColumn, expected: pa.Array, actual: pa.Array) -> None:
        if expected.equals(actual):
            return
        if expected.type != actual.type:
            raise DifferenceError(f'"{column.name}": {actual.type} is not {expected.type}')
        for place, (a, b) in enumerate(zip(expected.to_pylist(), actual.to_pylist(), strict=True)):
            if a != b:
                raise DifferenceError(
                    f'row {self.rows + place:,}, column "{column.name}" ({column.dtype}): '
                    f"the source has {a!r}, the dataset {b!r}"
                )

    def finish(self) -> None:
        """Raise DifferenceError where the dataset has more rows than the source, or says so."""
        if self._taken < self._batch_rows or self._next_batch():
            raise DifferenceError(f"the dataset has more than the {self.rows:,} rows of the source")
        if self.dataset.manifest["rows"] != self.rows:
            raise DifferenceError(
                f"the manifest says {self.dataset.manifest['rows']:,} rows, there are {self.rows:,}"
            )


def compare(path: Path, folders: Sequence[Path]) -> dict[Path, str | None]:
    """Compare datasets with the one source they were made of, in one pass over it.

    Returns for each folder what differs, or None. The dialect is that of the manifests.
    """
    datasets = [StoredDataset.open(folder) for folder in folders]
    expected = read_source(path, Dialect.of(datasets[0].manifest))
    outcome: dict[Path, str | None] = dict.fromkeys(folders)
    running: dict[Path, Comparison] = {}

    def attempt(folder: Path, step: Callable[..., None], *arguments: Any) -> None:
        try:
            step(*arguments)
        except Exception as error:
            outcome[folder] = f"{type(error).__name__}: {error}"
            running.pop(folder, None)

    def start(dataset: StoredDataset) -> None:
        running[dataset.folder] = Comparison(dataset, expected.names)

    for dataset in datasets:
        attempt(dataset.folder, start, dataset)
    for chunk in expected.chunks:
        for folder, comparison in list(running.items()):
            attempt(folder, comparison.feed, chunk)
    for folder, comparison in list(running.items()):
        attempt(folder, comparison.finish)
    return outcome


def check_dtypes(path: Path, dataset: StoredDataset) -> None:
    """Raise DifferenceError where a dtype is not the one that the values ask for.

    Holds the whole file in memory: for small files.
    """
    dialect = Dialect.of(dataset.manifest)
    if dialect.delimiter is None:
        lines = read_lines(read_file(path))
        columns = {"text": [cell for cell in lines if cell.text or dialect.keep_blank_lines]}
    else:
        records = list(_records(path, dialect))
        if dialect.header:
            names = [cell.text.strip() for cell in records.pop(0)]
        else:
            names = [f"column{place}" for place in range(len(records[0]))]
        columns = dict(zip(names, map(list, zip(*records, strict=True)), strict=True))
    for column in dataset.columns:
        dtype = dtype_of(columns[column.name])
        if dialect.delimiter is not None and dtype != column.dtype:
            raise DifferenceError(f'"{column.name}" is {column.dtype}, not {dtype}')
        if column.dtype == "category":
            values = cast_cells(columns[column.name], "text").drop_null().unique().to_pylist()
            if sorted(values, key=str.encode) != list(column.vocabulary or ()):
                raise DifferenceError(f'the vocabulary of "{column.name}" is not its values')


def convert_all(path: Path, folder: Path, *, shards: int = 3) -> list[Path]:
    """Convert a file to every format and layout; returns the folders of the datasets.

    Layouts of numbers leave out text, and packed uint64. The last column without nulls that
    remains is their label, where others remain. A layout for which nothing remains is left out.
    """
    from bigdata_cli import convert

    folders: list[Path] = []
    columns: tuple[StoredColumn, ...] = ()
    nulls: dict[str, int] = {}
    for form, layout in LAYOUTS:
        output = folder / f"{form}-{layout}"
        chosen: dict[str, Any] = {}
        if layout in NUMBERS_ONLY:
            refused = ("text", "uint64") if layout == "packed" else ("text",)
            kept = [column.name for column in columns if column.dtype not in refused]
            if not kept:
                continue
            dropped = tuple(column.name for column in columns if column.name not in kept)
            whole = [name for name in kept if not nulls[name]]
            chosen["drop"] = dropped
            chosen["label"] = whole[-1] if whole and len(kept) > 1 else None
        convert([path], to=form, layout=layout, output=output, shards=shards, **chosen)
        folders.append(output)
        if not columns:
            first = StoredDataset.open(output)
            columns = first.columns
            nulls = {e["name"]: e["statistics"]["nulls"] for e in first.manifest["columns"]}
    return folders


def check(path: Path, work: Path, *, shards: int = 3) -> list[tuple[str, str]]:
    """Convert, verify and compare one file; returns what differs as (dataset, difference)."""
    from bigdata_cli import verify

    folders = convert_all(path, work, shards=shards)
    failures = []
    for folder in folders:
        try:
            findings = verify(folder).findings
            failures += [(folder.name, f"verify: {finding}") for finding in findings]
        except Exception as error:
            failures.append((folder.name, f"verify: {type(error).__name__}: {error}"))
    failures += [
        (folder.name, difference)
        for folder, difference in compare(path, folders).items()
        if difference is not None
    ]
    if path.stat().st_size <= SMALL_BYTES:
        try:
            check_dtypes(path, StoredDataset.open(folders[0]))
        except DifferenceError as error:
            failures.append((folders[0].name, f"dtypes: {error}"))
    return failures


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the files named; returns 1 where anything differs."""
    from benchmarks.inputs import BENCH_FOLDER, sample_file
    from bigdata_cli.resources.sizes import parse_size

    parser = argparse.ArgumentParser(prog="python -m benchmarks.equality", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
    parser.add_argument("--size", type=parse_size, help="also check generated files of this size")
    parser.add_argument("--kinds", default="transactions,sensors", help="of the generated files")
    parser.add_argument("--shards", type=int, default=3)
    options = parser.parse_args(arguments)
    files: list[Path] = list(options.files)
    if options.size:
        files += [sample_file(kind, options.size) for kind in options.kinds.split(",")]
    if not files:
        parser.error("no FILE and no --size")
    BENCH_FOLDER.mkdir(exist_ok=True)
    n_failures = 0
    for path in files:
        started = time.monotonic()
        work = Path(tempfile.mkdtemp(dir=BENCH_FOLDER, prefix="equality-"))
        try:
            failures = check(path, work, shards=options.shards)
        finally:
            shutil.rmtree(work, ignore_errors=True)
        seconds = time.monotonic() - started
        print(f"{path}: {'equal' if not failures else 'DIFFERENT'} ({seconds:.0f} s)", flush=True)
        for name, difference in failures:
            print(f"  {name}: {difference}", flush=True)
        n_failures += len(failures)
    return 1 if n_failures else 0


if __name__ == "__main__":
    sys.exit(main())
