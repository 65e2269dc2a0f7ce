"""The options of a sample: its kind, its size and its seed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bigdata_cli.errors import UsageError, did_you_mean
from bigdata_cli.option_kinds import NATURAL, Bounds, number
from bigdata_cli.options import option
from bigdata_cli.resources.sizes import SIZE

BLOCK_ROWS = 65_536
"""Rows that are made at a time; block i follows from the seed and i alone."""
KINDS = {
    "transactions": "mobile-money transactions in PaySim's columns, few of them fraud",
    "sensors": "28 floats and a label that depends on them, as HIGGS",
    "messy": "quotes, quoted newlines, nulls, unicode, leading zeros, dates",
    "log": "lines of a log: text, no CSV",
}
DEFAULT_FRAUD_SHARE = 0.0013


@dataclass(frozen=True, kw_only=True)
class SampleOptions:
    """The kind of a sample, one of KINDS, and its rows or about its bytes."""

    kind: str
    n_rows: int | None = option("Rows, without the header.", NATURAL, argument="rows", default=None)
    n_bytes: int | None = option(
        "About the size of the file, in place of --rows, such as 100MB.",
        SIZE,
        argument="size",
        default=None,
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
