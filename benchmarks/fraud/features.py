"""The features of a transaction, the same for all: no names, one-hot types, balance errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

NUMBERS = (
    "step", "amount", "oldbalanceOrg", "newbalanceOrig", "oldbalanceDest", "newbalanceDest",
)  # fmt: skip
TYPES = ("PAYMENT", "TRANSFER", "CASH_OUT", "CASH_IN", "DEBIT")
KIND, LABEL = "type", "isFraud"
COLUMNS = (*NUMBERS, KIND, LABEL)
"""What is read of PaySim's columns."""
ERRORS = ("errorBalanceOrig", "errorBalanceDest")
FEATURES = (*NUMBERS, *ERRORS, *TYPES)


def balance_errors(columns: Mapping[str, Any]) -> tuple[Any, Any]:
    """By how much the balances of both accounts do not add up, in units of money, float64.

    Rounded to cents: in binary, sums of decimals are off by some 1e-10, and what matters is whether
    an error is exactly 0. In float32 that would be lost.
    """
    amount = columns["amount"]
    origin = columns["newbalanceOrig"] + amount - columns["oldbalanceOrg"]
    destination = columns["oldbalanceDest"] + amount - columns["newbalanceDest"]
    return origin.round(2), destination.round(2)


def frame_features(frame: pd.DataFrame) -> pd.DataFrame:
    """The FEATURES of a frame that has COLUMNS."""
    features = frame[list(NUMBERS)].copy()
    features[ERRORS[0]], features[ERRORS[1]] = balance_errors(frame)
    for kind in TYPES:
        features[kind] = (frame[KIND] == kind).astype("uint8")
    return features


def array_features(columns: Mapping[str, np.ndarray], kinds: Sequence[str]) -> np.ndarray:
    """The FEATURES of arrays of COLUMNS, float64 (rows, features); types are places in `kinds`."""
    import numpy as np

    features = np.empty((len(columns[KIND]), len(FEATURES)))
    for place, name in enumerate(NUMBERS):
        features[:, place] = columns[name]
    features[:, len(NUMBERS)], features[:, len(NUMBERS) + 1] = balance_errors(columns)
    first = len(NUMBERS) + len(ERRORS)
    for place, kind in enumerate(TYPES, first):
        features[:, place] = columns[KIND] == kinds.index(kind) if kind in kinds else 0.0
    return features
