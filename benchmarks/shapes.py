"""Files of many shapes: `python -m benchmarks.shapes NAME SIZE PATH [--seed N]`.

SIZE is such as `300MB`, or `100rows`. A shape is an entry of SHAPES: its columns, and a function
that makes a block of rows from random numbers. Block i depends on the seed and i alone, so that the
same seed gives the same bytes.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from benchmarks import domains, makers
from bigdata_cli.samples.transactions import COLUMNS as TRANSACTIONS

Random = np.random.Generator
Make = Callable[[Random, int, int], memoryview]
"""Random numbers, the number of the first row and how many rows → their text."""

_CELLS = 2_000_000
"""Of a block, so that memory stays small whatever the number of columns."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A kind of file.

    about: one line. columns: their names, () for those of a kind of `bigdata sample`, which makes
    such a file. make: a block of rows, of at most `block_rows`. label: the column that a model
    learns; others: columns of text and dates, which no matrix holds. delimiter, decimal: of the
    file, which Polars is told.
    """

    about: str
    columns: tuple[str, ...] = ()
    make: Make | None = None
    label: str | None = None
    others: tuple[str, ...] = ()
    is_text: bool = False
    delimiter: str = ","
    decimal: str = "."

    @property
    def block_rows(self) -> int:
        """Rows that are made at once."""
        return max(1, min(65_536, _CELLS // len(self.columns)))


def _numbered(prefix: str, n: int, first: int = 0) -> tuple[str, ...]:
    return tuple(f"{prefix}{index}" for index in range(first, first + n))


SHAPES = {
    "floats": Shape(
        about="a label and 28 floats of 19 digits",
        columns=("label", *_numbered("f", 28)), make=makers.floats, label="label",
    ),
    "sensors": Shape(about="28 floats of 7 digits and a label", label="label"),
    "taxi": Shape(
        about="two timestamps, small integers, cents, a quoted flag",
        columns=makers.TAXI, make=makers.taxi, label="payment_type", others=makers.TAXI[1:3],
    ),
    "transactions": Shape(
        about="money, names, a type", label="isFraud", others=("nameOrig", "nameDest")
    ),
    "transactions_quoted": Shape(
        about="the same with each text in quotes",
        columns=TRANSACTIONS, make=makers.transactions_quoted,
        label="isFraud", others=("nameOrig", "nameDest"),
    ),
    "clicks": Shape(
        about="13 integers with nulls, 9 columns of 8 hexadecimal digits in quotes",
        columns=("label", *_numbered("I", 13, 1), *_numbered("C", 9, 1)), make=makers.clicks,
        label="label", others=_numbered("C", 9, 1),
    ),
    "reviews": Shape(
        about="long quoted text with quotes and line ends in it",
        columns=makers.REVIEWS, make=makers.reviews, label="Score",
        others=("ProductId", "UserId", "Summary", "Text"),
    ),
    "pixels": Shape(
        about="785 columns of 0…255, most of them 0",
        columns=("label", *_numbered("pixel", 784)), make=makers.pixels, label="label",
    ),
    "weblog": Shape(
        about="requests: times, addresses, paths, quoted agents",
        columns=makers.WEBLOG, make=makers.weblog, label="status",
        others=("time", "client", "path", "referrer", "agent"),
    ),
    "sparse": Shape(
        about="300 columns, 95 % of them empty",
        columns=_numbered("s", 300), make=makers.sparse, label="s0",
    ),
    "dates": Shape(
        about="dates and times in every second column",
        columns=_numbered("d", 20), make=makers.dates, label="d0",
        others=tuple(f"d{index}" for index in range(1, 20, 2)),
    ),
    "onehot": Shape(
        about="a label and 400 columns of 0 and 1",
        columns=("label", *_numbered("h", 400)), make=domains.onehot, label="label",
    ),
    "events": Shape(
        about="UUIDs, times with an offset from UTC, short texts",
        columns=domains.EVENTS, make=domains.events, label="value",
        others=("id", "at", "received", "session", "kind", "device"),
    ),
    "flows": Shape(
        about="addresses of hosts, URLs, counts",
        columns=domains.FLOWS, make=domains.flows, label="bytes",
        others=("source", "destination", "protocol", "url"),
    ),
    "survey": Shape(
        about="39 answers in quotes, of seven each",
        columns=("respondent", *_numbered("q", 39, 1)), make=domains.survey, label="respondent",
        others=_numbered("q", 39, 1),
    ),
    "ledger": Shape(
        about="integers of 16 to 19 digits",
        columns=domains.LEDGER, make=domains.ledger, label="amount",
    ),
    "people": Shape(
        about="names in several scripts, mail and street addresses",
        columns=domains.PEOPLE, make=domains.people, label="number",
        others=("name", "email", "born", "street", "city", "phone"),
    ),
    "european": Shape(
        about="semicolons between fields, decimal commas",
        columns=domains.EUROPEAN, make=domains.european, label="Menge",
        others=("Datum", "Filiale", "Land"), delimiter=";", decimal=",",
    ),
    "genomes": Shape(
        about="variants: tabs, codes with colons and semicolons",
        columns=domains.GENOMES, make=domains.genomes, label="qual",
        others=tuple(name for name in domains.GENOMES if name not in ("pos", "qual")),
        delimiter="\t",
    ),
    "payloads": Shape(
        about="objects of JSON in quotes",
        columns=domains.PAYLOADS, make=domains.payloads, label="partition",
        others=("at", "topic", "payload"),
    ),
    "physics": Shape(
        about="15 floats with exponents, of 3 to 17 digits",
        columns=("run", *_numbered("v", 15)), make=domains.physics, label="run",
    ),
    "hashes": Shape(
        about="digests of 64 digits and names of 16",
        columns=("digest", "bytes", "parent", "changed"), make=domains.hashes, label="bytes",
        others=("digest", "parent", "changed"),
    ),
    "quotes": Shape(
        about="prices by day, CR LF at the ends of lines",
        columns=domains.QUOTES, make=domains.quotes, label="close",
        others=("symbol", "date", "exchange"),
    ),
    "wide": Shape(
        about="11,000 columns of one digit",
        columns=_numbered("c", 11_000), make=makers.wide, label="c0",
    ),
    "matrix": Shape(
        about="5,000 columns of floats",
        columns=_numbered("x", 5_000), make=makers.matrix, label="x0",
    ),
    "log": Shape(about="lines of a log, no CSV", is_text=True),
}  # fmt: skip


def write_shape(
    name: str,
    stream: IO[bytes],
    *,
    size: int | None = None,
    n_rows: int | None = None,
    seed: int = 0,
) -> int:
    """Write a file of about `size` bytes, or of `n_rows` rows; returns its bytes."""
    from bigdata_cli.samples.options import SampleOptions
    from bigdata_cli.samples.write import rows_of_size, write_sample

    shape = SHAPES[name]
    if shape.make is not None:
        return sum(stream.write(text) for text in _blocks(shape, size, n_rows, seed))
    if n_rows is None:
        n_rows = rows_of_size(name, size or 0, seed=seed)
    return write_sample(SampleOptions(kind=name, n_rows=n_rows, seed=seed), stream)


def _blocks(shape: Shape, size: int | None, n_rows: int | None, seed: int) -> Iterator[memoryview]:
    """The header and blocks of rows; how many there are in `size` is told by those before."""
    assert shape.make is not None
    header = shape.delimiter.join(shape.columns) + "\n"
    yield memoryview(header.encode())
    left = 0 if size is None else size - len(header)
    few = max(1, shape.block_rows // 20)
    row_bytes = len(shape.make(_random(seed, 0), 0, few)) / few
    first = 0
    for block in itertools.count():
        rows_left = n_rows - first if n_rows is not None else int(left / row_bytes)
        n = min(shape.block_rows, rows_left)
        if n <= 0:
            return
        text = shape.make(_random(seed, block), first, n)
        yield text
        left -= len(text)
        row_bytes = len(text) / n
        first += n


def _random(seed: int, block: int) -> Random:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, block])))


def make_shape(name: str, amount: str, path: Path, *, seed: int = 0) -> Path:
    """Write a file whole or not at all. amount: such as `300MB`, or `100rows`."""
    from bigdata_cli.resources.sizes import parse_size

    n_rows = int(amount[: -len("rows")]) if amount.endswith("rows") else None
    size = None if n_rows is not None else parse_size(amount)
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as stream:
        write_shape(name, stream, size=size, n_rows=n_rows, seed=seed)
    os.replace(partial, path)
    return path


def main(arguments: Sequence[str] | None = None) -> None:
    """Make one file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shapes", description=__doc__)
    parser.add_argument("name", choices=SHAPES)
    parser.add_argument("amount", metavar="size", help="such as 300MB, or 100rows")
    parser.add_argument("path", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    make_shape(options.name, options.amount, options.path, seed=options.seed)
    sys.stdout.write(f"{options.path} {options.path.stat().st_size:,}\n")


if __name__ == "__main__":
    main()
