"""Sample data from a seed: the same bytes for the same kind, rows and seed, of any size.

Rows are made in blocks of fixed length, and block i from SeedSequence([seed, i]) alone, so that
memory does not depend on the number of rows and a longer file begins with the rows of a shorter
one (but for the column `step` of the transactions, which rises over the whole file).
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import IO, TYPE_CHECKING

from bigdata_cli.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from bigdata_cli.sample.render import Sketch

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
    """What to make. kind: one of KINDS; n_rows: without the header; fraud_share: of transactions.

    Raises UsageError for a kind that is not known, and for numbers out of range.
    """

    kind: str
    n_rows: int
    seed: int = 0
    fraud_share: float = DEFAULT_FRAUD_SHARE

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(
                f'there is no sample of kind "{self.kind}"', hint=did_you_mean(self.kind, KINDS)
            )
        if self.n_rows < 0:
            raise UsageError(f"{self.n_rows} rows cannot be made", hint="--rows 10000")
        if self.seed < 0:
            raise UsageError(f"the seed {self.seed} is negative", hint="--seed 0")
        if not 0 <= self.fraud_share <= 1:
            raise UsageError(
                f"a fraud share of {self.fraud_share} is not between 0 and 1",
                hint="--fraud-share 0.0013",
            )


def write_sample(options: SampleOptions, stream: IO[bytes]) -> int:
    """Write a sample with its header to a binary stream; returns the bytes written."""
    from bigdata_cli.sample.render import render

    sketch = _sketch(options)
    written = stream.write(sketch.header)
    for block, start in enumerate(range(0, options.n_rows, BLOCK_ROWS)):
        rows = min(BLOCK_ROWS, options.n_rows - start)
        cells = sketch.cells(block)[:, :rows]
        for piece in render(sketch, cells):
            written += stream.write(piece)
    return written


def rows_of_size(kind: str, n_bytes: int, *, seed: int = 0) -> int:
    """The rows of a sample of about `n_bytes`, from the length of the rows of one block."""
    from bigdata_cli.sample.render import render

    sketch = _sketch(SampleOptions(kind=kind, n_rows=BLOCK_ROWS, seed=seed))
    block_bytes = sum(len(piece) for piece in render(sketch, sketch.cells(0)))
    return max(1, round((n_bytes - len(sketch.header)) * BLOCK_ROWS / block_bytes))


def _sketch(options: SampleOptions) -> Sketch:
    module = import_module(f"bigdata_cli.sample.{options.kind}")
    return module.sketch(options)
