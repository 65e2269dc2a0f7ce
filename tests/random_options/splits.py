"""What the splits of a dataset have to be, by the rows of the source that they have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tests.random_options.reference import ID, DifferenceError, Row

SHARES = {"train": 0.7, "test": 0.3}


def check_splits(parts: Mapping[str, Sequence[Row]], options: Mapping[str, Any]) -> None:
    """Check which rows are in which split.

    Args:
        parts: The rows of the source that are in each split.
        options: Of the conversion.

    Raises:
        DifferenceError: A row is in the wrong one.
    """
    train, test = (list(parts[name]) for name in SHARES)
    for name in options.get("split_by", ()):
        both = {row[name] for row in train} & {row[name] for row in test}
        _check(not both, f"values of {name} in two splits: {both}")
    if options.get("split_order"):
        _check_share(len(train), len(train) + len(test), "of all rows")
        _check(max(_values(train, ID)) < min(_values(test, ID)), "a later row is in train")
    if name := options.get("split_time"):
        _check(max(_values(train, name)) < min(_values(test, name)), "a later time is in train")
    if name := options.get("stratify"):
        in_train = Counter(_values(train, name))
        for value, n in (in_train + Counter(_values(test, name))).items():
            _check_share(in_train[value], n, f"of the class {value}")


def _values(rows: Sequence[Row], name: str) -> list[Any]:
    return [row[name] for row in rows]


def _check_share(n: int, n_all: int, of: str) -> None:
    is_exact = abs(n - SHARES["train"] * n_all) < 1
    _check(is_exact, f"{n} of {n_all} rows {of} are in train")


def _check(holds: bool, what: str) -> None:
    if not holds:
        raise DifferenceError(f"splits: {what}")
