"""The transactions of the fraud benchmark, as two files: those to train on and those to test with.

`python -m benchmarks.fraud.data FOLDER --rows N` or `--csv PaySim.csv`: they are made from a seed,
block by block, or taken from a PaySim CSV that the user has. Generated rows are those of
`bigdata sample transactions`, with frauds and destinations as PaySim has them: its own frauds are
all alike, and any model finds all of them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import compress, islice
from pathlib import Path
from typing import IO

import numpy as np

from bigdata_cli.errors import BigdataError, DataError, UsageError
from bigdata_cli.samples import transactions
from bigdata_cli.samples.options import BLOCK_ROWS, DEFAULT_FRAUD_SHARE, SampleOptions
from bigdata_cli.samples.render import Sketch, render

TEST_SHARE = 0.2
HIDDEN_SHARE = 0.02
"""Of the frauds: they look like any other transfer or withdrawal, and no model can tell them."""
_MAX_CENTS = 1_000_000_000
"""What PaySim moves at once."""
_HOARD_CENTS, _HOARD_SPREAD = 44_000_000, 1.7
_EMPTY_DESTINATION, _BUSY_DESTINATION = 0.99, 0.35
_FLAG_ABOVE_CENTS, _FLAGGED_SHARE = 20_000_000, 0.004
_FRAUD_STREAM, _SPLIT_SEED = 1, 20_200_612

_KIND, _AMOUNT, _OLD, _NEW, _IS_CUSTOMER = 1, 2, 4, 5, 6
_OLD_DESTINATION, _NEW_DESTINATION, _IS_FRAUD, _IS_FLAGGED = 8, 9, 10, 11
"""Places of cells in a row of the sample."""
_TRANSFER, _CASH_OUT = (transactions.TYPES.index(kind) for kind in ("TRANSFER", "CASH_OUT"))


def prepare(
    folder: Path,
    *,
    n_rows: int,
    csv: Path | None = None,
    seed: int = 0,
    fraud_share: float = DEFAULT_FRAUD_SHARE,
) -> None:
    """Make `train.csv` and `test.csv` in a folder that is not there yet, from a seed or a CSV.

    The folder comes when both are whole. Raises UsageError or DataError for a CSV that is not
    PaySim's.
    """
    if csv is not None:
        _check(csv)
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    with (partial / "train.csv").open("wb") as train, (partial / "test.csv").open("wb") as test:
        if csv is None:
            generate(n_rows, train, test, seed=seed, fraud_share=fraud_share)
        else:
            split(csv, train, test)
    os.replace(partial, folder)


def generate(
    n_rows: int, train: IO[bytes], test: IO[bytes], *, seed: int, fraud_share: float
) -> None:
    """Write rows made from a seed, a fifth of them to `test`; memory is that of a block."""
    made = sketch(n_rows, seed=seed, fraud_share=fraud_share)
    for stream in (train, test):
        stream.write(made.header)
    for block, start in enumerate(range(0, n_rows, BLOCK_ROWS)):
        cells = made.cells(block)[:, : n_rows - start]
        is_test = test_rows(block)[: cells.shape[1]]
        for stream, chosen in ((train, ~is_test), (test, is_test)):
            for piece in render(made, cells[:, chosen]):
                stream.write(piece)


def split(csv: Path, train: IO[bytes], test: IO[bytes]) -> None:
    """Deal the lines of a CSV to both files, each with its header."""
    with csv.open("rb") as lines:
        header = next(lines)
        train.write(header)
        test.write(header)
        for block, rows in enumerate(_blocks(lines)):
            is_test = test_rows(block)[: len(rows)]
            train.writelines(compress(rows, ~is_test))
            test.writelines(compress(rows, is_test))


def test_rows(block: int) -> np.ndarray:
    """Which rows of a block are to test with: bool (BLOCK_ROWS,)."""
    return _generator(_SPLIT_SEED, block).random(BLOCK_ROWS) < TEST_SHARE


def sketch(n_rows: int, *, seed: int, fraud_share: float) -> Sketch:
    """The sketch of `n_rows` transactions, of which about `fraud_share` are frauds."""
    genuine = transactions.sketch(
        SampleOptions(kind="transactions", n_rows=n_rows, seed=seed, fraud_share=0.0)
    )

    def cells(block: int) -> np.ndarray:
        random = _generator(seed, block, _FRAUD_STREAM)
        made = genuine.cells(block)
        _hide_frauds(random, made, HIDDEN_SHARE * fraud_share)
        _rob(random, made, (1 - HIDDEN_SHARE) * fraud_share)
        _pay_others(random, made)
        return made

    return replace(genuine, cells=cells)


def _hide_frauds(random: np.random.Generator, cells: np.ndarray, share: float) -> None:
    """Call some transfers and withdrawals frauds, as many as are `share` of all rows."""
    can_be = np.isin(cells[_KIND], (_TRANSFER, _CASH_OUT))
    cells[_IS_FRAUD] = can_be & (random.random(BLOCK_ROWS) < share / can_be.mean())


def _rob(random: np.random.Generator, cells: np.ndarray, share: float) -> None:
    """Frauds that empty an account, as far as the most that is moved at once allows.

    A transfer goes to an account whose balance stays 0; a withdrawal is added to the other one's.
    """
    rows = np.flatnonzero((random.random(BLOCK_ROWS) < share) & (cells[_IS_FRAUD] == 0))
    n_rows = len(rows)
    is_transfer = random.random(n_rows) < 0.5
    hoards = 1 + _HOARD_CENTS * np.exp(random.standard_normal(n_rows) * _HOARD_SPREAD)
    old = hoards.astype(np.int64)
    amounts = np.minimum(old, _MAX_CENTS)
    found = (55_000_000 * np.exp(random.standard_normal(n_rows) * 1.4)).astype(np.int64)
    found[random.random(n_rows) < 0.2] = 0
    stays_empty = is_transfer & (random.random(n_rows) < _EMPTY_DESTINATION)
    is_flagged = is_transfer & (amounts > _FLAG_ABOVE_CENTS)
    is_flagged &= random.random(n_rows) < _FLAGGED_SHARE
    cells[_KIND, rows] = np.where(is_transfer, _TRANSFER, _CASH_OUT)
    cells[_AMOUNT, rows] = amounts
    cells[_OLD, rows] = old
    cells[_NEW, rows] = np.where(is_flagged, old, old - amounts)  # PaySim stops the flagged ones
    cells[_IS_CUSTOMER, rows] = True
    cells[_OLD_DESTINATION, rows] = np.where(stays_empty, 0, found)
    cells[_NEW_DESTINATION, rows] = np.where(stays_empty, 0, found + amounts)
    cells[_IS_FRAUD, rows] = True
    cells[_IS_FLAGGED, rows] = is_flagged


def _pay_others(random: np.random.Generator, cells: np.ndarray) -> None:
    """Destinations that others pay to within the hour, so that their balances do not add up."""
    others = (15_000_000 * np.exp(random.standard_normal(BLOCK_ROWS) * 1.2)).astype(np.int64)
    busy = (random.random(BLOCK_ROWS) < _BUSY_DESTINATION) & (cells[_OLD_DESTINATION] > 0)
    cells[_NEW_DESTINATION] += np.where(busy, others, 0)


def _generator(*seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(list(seed))))


def _blocks(lines: Iterator[bytes]) -> Iterator[list[bytes]]:
    while rows := list(islice(lines, BLOCK_ROWS)):
        yield rows


def _check(csv: Path) -> None:
    """Raise UsageError or DataError for a CSV that has not PaySim's columns, or no rows."""
    if not csv.is_file():
        raise UsageError(f"there is no file {csv}", hint="--csv FILE, or none for generated rows")
    with csv.open("rb") as lines:
        header = lines.readline().decode("utf-8-sig", "replace").strip().split(",")
        if tuple(header) != transactions.COLUMNS:
            raise DataError(
                f"{csv}, line 1: the columns are not those of PaySim",
                hint="they are: " + ",".join(transactions.COLUMNS),
            )
        if not lines.readline().strip():
            raise DataError(f"{csv} has no rows", hint="--csv FILE with PaySim's transactions")


def main(arguments: Sequence[str] | None = None) -> int:
    """Make both files; returns the status of the error that a user can cause, or 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fraud.data", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--csv", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fraud-share", type=float, default=DEFAULT_FRAUD_SHARE)
    given = parser.parse_args(arguments)
    try:
        prepare(
            given.folder, n_rows=given.rows, csv=given.csv, seed=given.seed,
            fraud_share=given.fraud_share,
        )  # fmt: skip
    except BigdataError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
