"""Sample data from a seed: the same bytes for the same kind, rows and seed, of any size.

Rows are made in blocks of fixed length, and block i from SeedSequence([seed, i]) alone, so that
memory does not depend on the number of rows and a longer file begins with the rows of a shorter
one (but for the column `step` of the transactions, which rises over the whole file).
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import IO, TYPE_CHECKING

from bigdata_cli.errors import UsageError, did_you_mean
from bigdata_cli.option_kinds import NATURAL, Bounds, number
from bigdata_cli.options import option
from bigdata_cli.resources.sizes import SIZE

if TYPE_CHECKING:
    from bigdata_cli.samples.render import Sketch

BLOCK_ROWS = 65_536
KINDS = {
    "transactions": "mobile-money transactions in PaySim's columns, few of them fraud",
    "sensors": "28 floats and a label that depends on them, as HIGGS",
    "messy": "quotes, quoted newlines, nulls, unicode, leading zeros, dates",
    "log": "lines of a log: text, no CSV",
}
DEFAULT_FRAUD_SHARE = 0.0013


@dataclass(frozen=True, kw_only=True)
class SampleOptions:
    """What to make: of one of KINDS, rows or about so many bytes."""

    kind: str
    n_rows: int | None = option("Rows, without the header.", NATURAL, argument="rows", default=None)
    n_bytes: int | None = option(
        "Make about so many bytes instead, such as 100MB.", SIZE, argument="size", default=None
    )
    seed: int = option("The same seed makes the same bytes.", NATURAL, default=0)
    fraud_share: float = option(
        "Share of fraud among the transactions.",
        number(Bounds(0, 1)),
        metavar="SHARE",
        default=DEFAULT_FRAUD_SHARE,
    )
    output: Path | None = option(
        "The file to write; without it, standard output.", short="-o", default=None
    )

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(
                f'there is no sample of kind "{self.kind}"', hint=did_you_mean(self.kind, KINDS)
            )
        if (self.n_rows is None) == (self.n_bytes is None):
            raise UsageError("say how much: either --rows or --size", hint="--rows 10000")
        if self.n_rows is not None and self.n_rows < 0:
            raise UsageError(f"{self.n_rows} rows cannot be made", hint="--rows 10000")
        if self.seed < 0:
            raise UsageError(f"the seed {self.seed} is negative", hint="--seed 0")
        if not 0 <= self.fraud_share <= 1:
            raise UsageError(
                f"a fraud share of {self.fraud_share} is not between 0 and 1",
                hint="--fraud-share 0.0013",
            )


def run(options: SampleOptions) -> int:
    """Write a sample to its file, or to standard output; returns the bytes written."""
    if options.output is None:
        return write_sample(options, sys.stdout.buffer)
    try:
        stream = options.output.open("wb")
    except OSError as error:
        raise UsageError(
            f"{options.output} cannot be written: {error.strerror}",
            hint="-o FILE in another folder",
        ) from error
    with stream:
        return write_sample(options, stream)


def write_sample(options: SampleOptions, stream: IO[bytes]) -> int:
    """Write a sample with its header to a binary stream; returns the bytes written."""
    from bigdata_cli.samples.render import render

    n_rows = options.n_rows
    if n_rows is None:
        n_rows = rows_of_size(options.kind, options.n_bytes or 0, seed=options.seed)
        options = replace(options, n_rows=n_rows, n_bytes=None)
    sketch = _sketch(options)
    written = stream.write(sketch.header)
    for block, start in enumerate(range(0, n_rows, BLOCK_ROWS)):
        rows = min(BLOCK_ROWS, n_rows - start)
        cells = sketch.cells(block)[:, :rows]
        for piece in render(sketch, cells):
            written += stream.write(piece)
    return written


def rows_of_size(kind: str, n_bytes: int, *, seed: int = 0) -> int:
    """The rows of a sample of about `n_bytes`, from the length of the rows of one block."""
    from bigdata_cli.samples.render import render

    sketch = _sketch(SampleOptions(kind=kind, n_rows=BLOCK_ROWS, seed=seed))
    block_bytes = sum(len(piece) for piece in render(sketch, sketch.cells(0)))
    return max(1, round((n_bytes - len(sketch.header)) * BLOCK_ROWS / block_bytes))


def _sketch(options: SampleOptions) -> Sketch:
    module = import_module(f"bigdata_cli.samples.{options.kind}")
    return module.sketch(options)
