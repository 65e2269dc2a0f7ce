"""Mobile-money transactions in the columns and proportions of PaySim.

E. A. Lopez-Rojas, A. Elmir, S. Axelsson, "PaySim: A financial mobile money simulator for fraud
detection", EMSS 2016. The balances add up exactly, in cents: what a debit cannot take from an
account it does not take (the balance stops at 0.00). A fraud empties the account.
"""

from __future__ import annotations

import numpy as np

from bigdata_cli.samples.options import BLOCK_ROWS, SampleOptions
from bigdata_cli.samples.render import Field, Number, Sketch, Texts, choose, generator, row_numbers

COLUMNS = (
    "step", "type", "amount", "nameOrig", "oldbalanceOrg", "newbalanceOrig",
    "nameDest", "oldbalanceDest", "newbalanceDest", "isFraud", "isFlaggedFraud",
)  # fmt: skip
TYPES = ("PAYMENT", "TRANSFER", "CASH_OUT", "CASH_IN", "DEBIT")
_PAYMENT, _TRANSFER, _CASH_OUT, _CASH_IN, _DEBIT = range(5)
_SHARES = (0.338, 0.084, 0.352, 0.220, 0.006)
_MEDIAN_AMOUNTS = np.array([9_500.0, 480_000.0, 150_000.0, 145_000.0, 3_000.0])
_SPREADS = np.array([0.9, 1.1, 0.8, 0.7, 1.0])
_LAST_STEP = 743
_FLAG_ABOVE_CENTS = 20_000_000
_FLAGGED_SHARE = 0.02


def sketch(options: SampleOptions) -> Sketch:
    """The sketch of a sample of `options.n_rows` transactions."""
    money, digits = Number(2), Number()
    return Sketch(
        header=(",".join(COLUMNS) + "\n").encode(),
        fields=(
            Field(digits),
            Field(Texts(TYPES)),
            Field(money, ",C"),
            Field(digits),
            Field(money),
            Field(money),
            Field(Texts(("M", "C")), ""),
            Field(digits),
            Field(money),
            Field(money),
            Field(digits),
            Field(digits, "\n"),
        ),
        cells=lambda block: _cells(options, block),
    )


def _cells(options: SampleOptions, block: int) -> np.ndarray:
    random = generator(options.seed, block)
    kinds = choose(random, _SHARES)
    fraud = random.random(BLOCK_ROWS) < options.fraud_share
    kinds[fraud] = np.where(random.random(BLOCK_ROWS) < 0.5, _TRANSFER, _CASH_OUT)[fraud]
    amounts, old, new = _origin(random, kinds, fraud)
    old_destination, new_destination = _destination(random, kinds, fraud, amounts)
    flagged = fraud & (kinds == _TRANSFER) & (amounts > _FLAG_ABOVE_CENTS)
    flagged &= random.random(BLOCK_ROWS) < _FLAGGED_SHARE
    steps = row_numbers(block) * _LAST_STEP // max(options.n_rows or 0, 1) + 1
    return np.stack([
        steps, kinds, amounts,
        random.integers(10_000_000, 2_147_483_648, BLOCK_ROWS), old, new,
        kinds != _PAYMENT, random.integers(1_000_000, 2_147_483_648, BLOCK_ROWS),
        old_destination, new_destination, fraud, flagged,
    ])  # fmt: skip


def _origin(
    random: np.random.Generator, kinds: np.ndarray, fraud: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Amount, old and new balance of the paying account, in cents."""
    noise = np.exp(random.standard_normal(BLOCK_ROWS) * _SPREADS[kinds])
    amounts = np.maximum(1, (_MEDIAN_AMOUNTS[kinds] * noise * 100).astype(np.int64))
    savings = 2_500_000 * np.exp(random.standard_normal(BLOCK_ROWS) * 1.6)
    savings[random.random(BLOCK_ROWS) < 0.3] = 0.0
    old = savings.astype(np.int64)
    hoard = 60_000_000 * np.exp(random.standard_normal(BLOCK_ROWS) * 1.1)
    amounts[fraud] = old[fraud] = hoard.astype(np.int64)[fraud] + 1
    new = np.where(kinds == _CASH_IN, old + amounts, np.maximum(old - amounts, 0))
    return amounts, old, new


def _destination(
    random: np.random.Generator, kinds: np.ndarray, fraud: np.ndarray, amounts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Old and new balance of the other account, in cents; a merchant's are not known: 0."""
    old = (55_000_000 * np.exp(random.standard_normal(BLOCK_ROWS) * 1.4)).astype(np.int64)
    old[random.random(BLOCK_ROWS) < 0.2] = 0
    old[(kinds == _TRANSFER) & fraud] = 0
    new = np.where(kinds == _CASH_IN, np.maximum(old - amounts, 0), old + amounts)
    merchant = kinds == _PAYMENT
    old[merchant] = new[merchant] = 0
    return old, new
