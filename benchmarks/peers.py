"""What others would use instead, each as a command: `python -m benchmarks.peers NAME SOURCE OUT`.

Each prints a JSON object: the `rows` and `columns` that it read (or `n_bytes`), and `work_seconds`
and `work_cpu_seconds`, which are those without the start of Python and its imports. Nothing but the
standard library is imported until a peer runs, so that this file runs in any environment.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers_shaping import Shaping, add_arguments, in_duckdb, in_polars, shaping_of

CHUNK_ROWS = 131_072
BLOCK_LINES = 1_024
READ_BYTES = 1 << 16
GZIP_LEVEL = 4
HDF5_CHUNK_ROWS = 32_768


@dataclass(frozen=True, kw_only=True)
class Task:
    """source: the file. output: an empty folder. drop: columns that are not read.

    delimiter, decimal: of the file. shaping: what becomes of rows on their way to Parquet.
    """

    source: Path
    output: Path
    drop: tuple[str, ...] = ()
    label: str = "label"
    threads: int = 2
    delimiter: str = ","
    decimal: str = "."
    shaping: Shaping = Shaping()


@dataclass(frozen=True, kw_only=True)
class Done:
    """What a peer has read or written: rows and columns, or bytes only; when it began to."""

    started: tuple[float, float]
    rows: int | None = None
    columns: int | None = None
    n_bytes: int | None = None


Peer = Callable[[Task], Done]


def clocks() -> tuple[float, float]:
    """Seconds of time and of processor time."""
    return time.monotonic(), time.process_time()


def polars_parquet(task: Task) -> Done:
    import polars as pl

    started = clocks()
    file = task.output / "data.parquet"
    read = pl.scan_csv(task.source, separator=task.delimiter, decimal_comma=task.decimal == ",")
    in_polars(read, task.shaping).sink_parquet(file, compression="zstd")
    written = pl.scan_parquet(file)
    rows = written.select(pl.len()).collect().item()
    return Done(rows=rows, columns=len(written.collect_schema()), started=started)


def duckdb_parquet(task: Task) -> Done:
    import duckdb

    started = clocks()
    file = task.output / "data.parquet"
    source = (
        f"read_csv('{task.source}', delim = '{task.delimiter}', "
        f"decimal_separator = '{task.decimal}')"
    )
    with duckdb.connect() as connection:
        connection.execute(f"SET threads = {task.threads}")
        connection.execute("SET enable_progress_bar = false")
        (rows,) = connection.execute(
            f"COPY ({in_duckdb(source, task.shaping)}) "
            f"TO '{file}' (FORMAT parquet, COMPRESSION zstd)"
        ).fetchone() or (0,)
        names = connection.execute(f"DESCRIBE FROM read_parquet('{file}')").fetchall()
    return Done(rows=rows, columns=len(names), started=started)


def polars_read(task: Task) -> Done:
    """Every value is parsed: minimum and maximum of each column, in Polars' streaming engine."""
    import polars as pl

    started = clocks()
    frame = pl.scan_csv(task.source)
    if task.drop:
        frame = frame.drop(task.drop)
    names = frame.collect_schema().names()
    values = frame.select(
        *(pl.col(name).min().alias(f"min {name}") for name in names),
        *(pl.col(name).max().alias(f"max {name}") for name in names),
        pl.len().alias("rows"),
    ).collect(engine="streaming")
    return Done(rows=values["rows"][0], columns=len(names), started=started)


def pandas_hdf5_columns_gzip(task: Task) -> Done:
    """A dataset per column, in the dtypes that we choose: float32 features, an int8 label."""
    import h5py
    import pandas as pd

    started = clocks()
    rows = 0
    with h5py.File(task.output / "data.h5", "w") as file:
        names: list[str] = []
        for frame in pd.read_csv(task.source, chunksize=CHUNK_ROWS):
            if not names:
                names = list(frame.columns)
                for name in names:
                    _dataset(file, name, (), "int8" if name == task.label else "float32")
            for name in names:
                data = file[name]
                data.resize(rows + len(frame), axis=0)
                data[rows:] = frame[name].to_numpy(data.dtype)
            rows += len(frame)
    return Done(rows=rows, columns=len(names), started=started)


def pandas_hdf5_matrix_gzip(task: Task) -> Done:
    """`X` of float32 and `y` of int8."""
    import h5py
    import pandas as pd

    started = clocks()
    rows, n_features = 0, 0
    with h5py.File(task.output / "data.h5", "w") as file:
        for frame in pd.read_csv(task.source, chunksize=CHUNK_ROWS):
            label = frame.pop(task.label)
            n_features = frame.shape[1]
            if not rows:
                _dataset(file, "X", (n_features,), "float32")
                _dataset(file, "y", (), "int8")
            for name, values in (("X", frame), ("y", label)):
                data = file[name]
                data.resize(rows + len(frame), axis=0)
                data[rows:] = values.to_numpy(data.dtype)
            rows += len(frame)
    return Done(rows=rows, columns=n_features + 1, started=started)


def _dataset(file: Any, name: str, tail: tuple[int, ...], dtype: str) -> None:
    """An empty dataset with the filters of `--compression gzip`: shuffle, gzip of level 4."""
    chunk_rows = max(1, HDF5_CHUNK_ROWS // (tail[0] if tail else 1))
    file.create_dataset(
        name, (0, *tail), dtype, maxshape=(None, *tail), chunks=(chunk_rows, *tail),
        shuffle=True, compression="gzip", compression_opts=GZIP_LEVEL,
    )  # fmt: skip


def pandas_parquet_rows(task: Task) -> Done:
    started = clocks()
    frame = _frame(task)
    frame.to_parquet(task.output / "data.parquet", compression="zstd", index=False)
    return Done(rows=len(frame), columns=frame.shape[1], started=started)


def pandas_hdf5_columns(task: Task) -> Done:
    """A dataset per column, without compression."""
    import h5py

    started = clocks()
    frame = _frame(task)
    with h5py.File(task.output / "data.h5", "w") as file:
        for name, column in frame.items():
            file[str(name)] = column.to_numpy()
    return Done(rows=len(frame), columns=frame.shape[1], started=started)


def pandas_hdf5_matrix(task: Task) -> Done:
    """`X` of float32 and `y`, without compression."""
    import h5py

    started = clocks()
    frame = _frame(task)
    columns = frame.shape[1]
    with h5py.File(task.output / "data.h5", "w") as file:
        file["y"] = frame.pop(task.label).to_numpy()
        file["X"] = frame.to_numpy("float32")
    return Done(rows=len(frame), columns=columns, started=started)


def pandas_npy_columns(task: Task) -> Done:
    import numpy as np

    started = clocks()
    frame = _frame(task)
    for name, column in frame.items():
        np.save(task.output / f"{name}.npy", column.to_numpy())
    return Done(rows=len(frame), columns=frame.shape[1], started=started)


def pandas_npy_matrix(task: Task) -> Done:
    import numpy as np

    started = clocks()
    frame = _frame(task)
    columns = frame.shape[1]
    np.save(task.output / "y.npy", frame.pop(task.label).to_numpy())
    np.save(task.output / "X.npy", frame.to_numpy("float32"))
    return Done(rows=len(frame), columns=columns, started=started)


def pandas_tfrecord_rows(task: Task) -> Done:
    import tensorflow as tf

    started = clocks()
    frame = _frame(task)
    columns = [column.tolist() for _, column in frame.items()]
    with tf.io.TFRecordWriter(str(task.output / "data.tfrecord")) as writer:
        for row in zip(*columns, strict=True):
            writer.write(_example(frame.columns, row))
    return Done(rows=len(frame), columns=frame.shape[1], started=started)


def _frame(task: Task) -> Any:
    """The whole file as a pandas frame."""
    import pandas as pd

    return pd.read_csv(task.source)


def _example(names: Sequence[str], row: Sequence[Any]) -> bytes:
    """A row as a serialised tf.train.Example."""
    import tensorflow as tf

    example = tf.train.Example()
    feature = example.features.feature
    for name, value in zip(names, row, strict=True):
        if isinstance(value, float):
            feature[name].float_list.value.append(value)
        elif isinstance(value, int):
            feature[name].int64_list.value.append(value)
        elif value is not None:
            feature[name].bytes_list.value.append(str(value).encode())
    return example.SerializeToString()


def _csv_batches(task: Task) -> Iterator[Any]:
    """Arrow record batches of the source; what both writers of Examples read with."""
    import pyarrow as pa
    from pyarrow import csv

    pa.set_cpu_count(task.threads)
    yield from csv.open_csv(task.source, read_options=csv.ReadOptions(block_size=4 << 20))


def example_tfrecord(task: Task) -> Done:
    import tensorflow as tf

    started = clocks()
    rows, names = 0, []
    with tf.io.TFRecordWriter(str(task.output / "data.tfrecord")) as writer:
        for batch in _csv_batches(task):
            names = batch.schema.names
            for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                writer.write(_example(names, row))
            rows += batch.num_rows
    return Done(rows=rows, columns=len(names), started=started)


def tfxbsl_tfrecord(task: Task) -> Done:
    import pyarrow as pa
    import tensorflow as tf
    from tfx_bsl.coders.example_coder import (  # type: ignore[import-not-found]
        RecordBatchToExamplesEncoder,
    )

    started = clocks()
    encoder = RecordBatchToExamplesEncoder()
    rows, names = 0, []
    with tf.io.TFRecordWriter(str(task.output / "data.tfrecord")) as writer:
        for batch in _csv_batches(task):
            names = batch.schema.names
            offsets = pa.array(range(batch.num_rows + 1), pa.int64())
            lists = [
                pa.LargeListArray.from_arrays(offsets, _example_values(column))
                for column in batch.columns
            ]
            for record in encoder.encode(pa.RecordBatch.from_arrays(lists, names)):
                writer.write(record)
            rows += batch.num_rows
    return Done(rows=rows, columns=len(names), started=started)


def _example_values(column: Any) -> Any:
    """A column in the types that an Example holds."""
    import pyarrow as pa

    if pa.types.is_floating(column.type):
        return column.cast(pa.float32())
    return column.cast(pa.int64() if pa.types.is_integer(column.type) else pa.large_binary())


def python_lines_npy(task: Task) -> Done:
    """Bytes of the lines and their offsets, as `--to npy` writes them; UTF-8 is not checked."""
    from array import array

    import numpy as np

    started = clocks()
    offsets = array("q", [0])
    end = 0
    partial = task.output / "text.bytes"
    with task.source.open("rb") as file, partial.open("wb") as out:
        for line in file:
            line = line.rstrip(b"\n")
            out.write(line)
            end += len(line)
            offsets.append(end)
    np.save(task.output / "text.offsets.npy", np.frombuffer(offsets, np.int64))
    return Done(rows=len(offsets) - 1, columns=1, started=started)


def python_lines_tfrecord(task: Task) -> Done:
    """Examples of many lines each, as `--layout block` writes them."""
    from itertools import islice

    import tensorflow as tf

    started = clocks()
    rows = 0
    with (
        task.source.open("rb") as file,
        tf.io.TFRecordWriter(str(task.output / "text.tfrecord")) as writer,
    ):
        while lines := [line.rstrip(b"\n") for line in islice(file, BLOCK_LINES)]:
            example = tf.train.Example()
            example.features.feature["text"].bytes_list.value.extend(lines)
            writer.write(example.SerializeToString())
            rows += len(lines)
    return Done(rows=rows, columns=1, started=started)


def polars_lines(task: Task) -> Done:
    """Every line becomes a value: their lengths are added up, in Polars' streaming engine."""
    import polars as pl

    started = clocks()
    values = pl.scan_lines(task.source).select(
        pl.col("line").str.len_bytes().cast(pl.Int64).sum(), pl.len().alias("rows")
    )
    return Done(rows=values.collect(engine="streaming")["rows"][0], columns=1, started=started)


def pyarrow_lines(task: Task) -> Done:
    """Lines as a CSV of one column, in blocks of 4 MB."""
    import pyarrow as pa
    from pyarrow import csv

    started = clocks()
    pa.set_cpu_count(task.threads)
    reader = csv.open_csv(
        task.source,
        read_options=csv.ReadOptions(block_size=4 << 20, column_names=["text"]),
        parse_options=csv.ParseOptions(
            delimiter="\x01", quote_char=False, ignore_empty_lines=False
        ),
        convert_options=csv.ConvertOptions(column_types={"text": pa.string()}),
    )
    rows = sum(batch.num_rows for batch in reader)
    return Done(rows=rows, columns=1, started=started)


def copy(task: Task) -> Done:
    """The files of a folder, copied by the kernel."""
    import shutil

    started = clocks()
    n_bytes = 0
    for file in task.source.iterdir():
        shutil.copyfile(file, task.output / file.name)
        n_bytes += file.stat().st_size
    return Done(n_bytes=n_bytes, started=started)


def igzip_read(task: Task) -> Done:
    """The gunzip library alone, to nowhere."""
    from isal import igzip_lib

    started = clocks()
    decompressor = igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)
    n_bytes = 0
    with task.source.open("rb") as file:
        while data := file.read(READ_BYTES):
            n_bytes += len(decompressor.decompress(data))
    if not decompressor.eof:
        raise EOFError(f"{task.source} ends too early")
    return Done(n_bytes=n_bytes, started=started)


PEERS: dict[str, Peer] = {
    peer.__name__.replace("_", "-"): peer
    for peer in (
        polars_parquet, duckdb_parquet, polars_read, pandas_parquet_rows, pandas_hdf5_columns,
        pandas_hdf5_matrix, pandas_hdf5_columns_gzip, pandas_hdf5_matrix_gzip, pandas_npy_columns,
        pandas_npy_matrix, pandas_tfrecord_rows, example_tfrecord, tfxbsl_tfrecord,
        python_lines_npy, python_lines_tfrecord, polars_lines, pyarrow_lines, copy, igzip_read,
    )
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one peer and print what it did."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("name", choices=PEERS)
    parser.add_argument("source", type=Path)
    parser.add_argument("output", type=Path, help="an empty folder")
    parser.add_argument("--drop", default="", help="columns that are not read, by commas")
    parser.add_argument("--label", default="label", help="the column that a model learns")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--delimiter", default=",")
    parser.add_argument("--decimal", default=".", help="the mark before decimals")
    add_arguments(parser)
    options = parser.parse_args(arguments)
    os.environ["POLARS_MAX_THREADS"] = str(options.threads)
    options.output.mkdir(parents=True, exist_ok=True)
    done = PEERS[options.name](
        Task(
            source=options.source,
            output=options.output,
            drop=tuple(filter(None, options.drop.split(","))),
            label=options.label,
            threads=options.threads,
            delimiter=options.delimiter,
            decimal=options.decimal,
            shaping=shaping_of(options),
        )
    )
    wall, cpu = (now - then for now, then in zip(clocks(), done.started, strict=True))
    answer = {**asdict(done), "work_seconds": round(wall, 3), "work_cpu_seconds": round(cpu, 3)}
    del answer["started"]
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
