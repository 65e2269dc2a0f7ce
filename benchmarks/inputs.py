"""Inputs of the benchmarks: generated once, kept in `.bench/` of the working folder.

`python -m benchmarks.inputs KIND SIZE` makes one and prints its path. Kinds are the shapes
(`shapes.py`), those of `bigdata sample`, and what is made of the transactions: `gzip`, `early` and
`spread`. SIZE is such as `200MB`, or of shapes `100rows`.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from benchmarks.shapes import SHAPES, write_shape

BENCH_FOLDER = Path(".bench")
GZIP_LEVEL = 6
_COPY_BYTES = 1 << 20

# Column of the transactions, and a value of another type than the rest of it has.
_SURPRISES = ((9, b"300"), (0, b"70000"), (10, b"0.5"))
# Where they stand, as shares of the file: between the pieces of the sample that types are guessed
# from; within the first 3 of 60 shards, and in 3 shards over the whole file.
_PLACES = {"early": (0.012, 0.028, 0.045), "spread": (0.306, 0.597, 0.887)}
MADE_OF_TRANSACTIONS = ("gzip", *_PLACES)


def input_path(kind: str, size: int | str, *, folder: Path = BENCH_FOLDER) -> Path:
    """Where a generated file of about `size` bytes, or of `100rows`, stands.

    Of a gzip file these are the bytes of its text.
    """
    from bigdata_cli.resources.sizes import format_size

    shown = size if isinstance(size, str) else format_size(size).replace(" ", "")
    if kind == "gzip":
        return folder / f"transactions-{shown}.csv.gz"
    if kind in _PLACES:
        return folder / f"transactions-{kind}-{shown}.csv"
    return folder / f"{kind}-{shown}.{'txt' if kind == 'log' else 'csv'}"


def sample_file(kind: str, size: int | str, *, folder: Path = BENCH_FOLDER) -> Path:
    """A generated file; it is made where it is not there already."""
    folder.mkdir(parents=True, exist_ok=True)
    path = input_path(kind, size, folder=folder)
    if path.exists():
        return path
    partial = path.with_name(path.name + ".partial")
    if kind in SHAPES:
        n_rows = int(size.removesuffix("rows")) if isinstance(size, str) else None
        with partial.open("wb") as stream:
            write_shape(kind, stream, size=None if isinstance(size, str) else size, n_rows=n_rows)
    elif kind in MADE_OF_TRANSACTIONS:
        plain = sample_file("transactions", size, folder=folder)
        if kind == "gzip":
            _compress(plain, partial)
        else:
            _surprise(plain, partial, _PLACES[kind])
    else:
        from bigdata_cli.samples.options import SampleOptions
        from bigdata_cli.samples.write import rows_of_size, write_sample

        with partial.open("wb") as stream:
            write_sample(SampleOptions(kind=kind, n_rows=rows_of_size(kind, int(size))), stream)
    os.replace(partial, path)
    return path


def _compress(plain: Path, target: Path) -> None:
    """zlib's own gzip: what most files in the world were made with."""
    import gzip

    with plain.open("rb") as source, gzip.open(target, "wb", compresslevel=GZIP_LEVEL) as out:
        while data := source.read(_COPY_BYTES):
            out.write(data)


def _surprise(plain: Path, target: Path, places: Sequence[float]) -> None:
    """A copy with a value of another type in three columns, each in one row."""
    size = plain.stat().st_size
    with plain.open("rb") as source, target.open("wb") as out:
        for (column, value), place in zip(_SURPRISES, places, strict=True):
            _copy(source, out, int(size * place) - source.tell())
            out.write(source.readline())
            fields = source.readline().rstrip(b"\n").split(b",")
            fields[column] = value
            out.write(b",".join(fields) + b"\n")
        _copy(source, out, size)


def _copy(source: IO[bytes], out: IO[bytes], n_bytes: int) -> None:
    while n_bytes > 0 and (data := source.read(min(n_bytes, _COPY_BYTES))):
        out.write(data)
        n_bytes -= len(data)


def parse_amount(text: str) -> int | str:
    """Bytes, or `100rows` as it is."""
    from bigdata_cli.resources.sizes import parse_size

    return text if text.endswith("rows") else parse_size(text)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make one input and print its path."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.inputs", description=__doc__)
    parser.add_argument("kind")
    parser.add_argument("size", type=parse_amount, help="such as 200MB, or 100rows")
    parser.add_argument("--folder", type=Path, default=BENCH_FOLDER)
    options = parser.parse_args(arguments)
    print(sample_file(options.kind, options.size, folder=options.folder))


if __name__ == "__main__":
    main()
