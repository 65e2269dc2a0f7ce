"""The options by which a dataset is split."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from bigdata_cli.errors import UsageError
from bigdata_cli.option_kinds import ALL_NAMES, Kind, accept_mapping
from bigdata_cli.options import option

_NAME = re.compile(r"\w+", re.ASCII)
_MAX_SPLITS = 64
_TOLERANCE = Fraction(1, 10**9)
"""Of the sum of fractions that are floats: 1/3 three times."""


def is_split_name(name: str) -> bool:
    """Whether a split can be called so: it is part of file names, and "all" means all of them."""
    return _NAME.fullmatch(name) is not None and name != "all"


def _parse_splits(text: str) -> dict[str, float]:
    splits: dict[str, float] = {}
    for part in text.split(","):
        name, equals, value = part.strip().partition("=")
        try:
            fraction = float(value)
        except ValueError:
            equals = ""
        if not equals:
            raise UsageError(
                f'"{part.strip()}" is not NAME=FRACTION', hint="--split train=0.8,val=0.1,test=0.1"
            )
        if name in splits:
            raise UsageError(f'--split names "{name}" twice')
        splits[name] = fraction
    return splits


def _accept_fraction(value: Any) -> float:
    if isinstance(value, bool | str | bytes):
        raise TypeError("not a number")
    return float(value)


def _write_splits(splits: Mapping[str, float]) -> str:
    return ",".join(f"{name}={fraction!r}" for name, fraction in splits.items())


SPLITS = Kind(
    "NAME=X,...",
    "Mapping[str, float]",
    _parse_splits,
    accept_mapping(_accept_fraction),
    _write_splits,
    note=", such as train=0.8,val=0.1,test=0.1",
)


@dataclass(frozen=True, kw_only=True)
class SplitOptions:
    """How a dataset is split."""

    split: Mapping[str, float] | None = option(
        "Divide the rows, equal rows together, into splits with these shares",
        SPLITS,
        group="Splits",
        default=None,
    )
    split_by: tuple[str, ...] = option(
        "With --split: rows with equal values in these columns are in the same split",
        ALL_NAMES,
        default=(),
    )

    split_order: bool = option(
        "With --split: by the order of the rows, so that the last split has the last rows",
        default=False,
    )
    split_time: str | None = option(
        "With --split: by the values of a column, such as times; equal values are in the same "
        "split",
        metavar="COL",
        default=None,
    )

    def check(self) -> None:
        """Raise UsageError where the options cannot go together."""
        ways = {
            "--split-by": bool(self.split_by),
            "--split-order": self.split_order,
            "--split-time": self.split_time is not None,
        }
        given = [flag for flag, is_given in ways.items() if is_given]
        if self.split is None:
            if given:
                raise UsageError(f"{given[0]} goes with --split")
            return
        if len(given) > 1:
            raise UsageError(f"{' and '.join(given)} exclude each other")
        for name in self.split:
            if not is_split_name(name):
                raise UsageError(
                    f'--split: "{name}" cannot be the name of a split',
                    hint="letters, digits and underscores, such as train, val and test",
                )
        if len({name.lower() for name in self.split}) < len(self.split):
            raise UsageError("--split: two names differ in upper and lower case only")
        if not 1 <= len(self.split) <= _MAX_SPLITS:
            raise UsageError(f"--split names {len(self.split)} splits, not 1 to {_MAX_SPLITS}")
        for name, fraction in self.split.items():
            if not 0 < fraction <= 1:
                raise UsageError(f"--split: {name}={fraction:g} is not a share between 0 and 1")
        total = sum(fractions_of(self.split), Fraction(0))
        if abs(total - 1) > _TOLERANCE:
            raise UsageError(
                f"--split: the shares add up to {float(total):g}, not to 1",
                hint="--split 'train=0.8,val=0.1,test=0.1'",
            )
        if len(set(self.split_by)) < len(self.split_by):
            raise UsageError("--split-by has a column twice")


def fractions_of(split: Mapping[str, float]) -> list[Fraction]:
    """The shares as the decimals that were written."""
    return [Fraction(repr(share)) for share in split.values()]
