"""What of a source deserves attention, in one list: of columns, of pairs of them, of its rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from bigdata_cli.inspection.facts import SourceFacts

_LEAKS = 0.98
_RARE_CLASS_SHARE = 0.01
_DUPLICATES_SHARE = 0.001


class Alert(NamedTuple):
    """Something that wastes bytes or misleads a model.

    Attributes:
        column: The column that it is about; empty where it is about all.
        text: What it is, with the flag that helps where there is one.
    """

    column: str
    text: str


def alerts_of(report: SourceFacts) -> list[Alert]:
    """The alerts of a source, those about the label and the rows first."""
    return [
        *_of_label(report),
        *_of_rows(report),
        *_of_pairs(report),
        *(Alert(column.name, text) for column in report.columns for text in column.warnings),
    ]


def _of_label(report: SourceFacts) -> Iterator[Alert]:
    balance = report.balance
    for tie in report.label_ties:
        if tie.information >= _LEAKS and balance is not None:
            yield Alert(
                tie.column,
                f"tells {balance.column} all by itself: if it is known only afterwards, it "
                "misleads a model (--drop)",
            )
    if balance is None or balance.others or len(balance.counts) < 2:
        return
    share = min(balance.counts) / max(balance.rows, 1)
    if share < _RARE_CLASS_SHARE:
        rarest = balance.values[balance.counts.index(min(balance.counts))]
        yield Alert(
            balance.column,
            f"the class {rarest} has {100 * share:.2g} % of the rows: bigdata train --balanced",
        )


def _of_rows(report: SourceFacts) -> Iterator[Alert]:
    if report.duplicate_rows > _DUPLICATES_SHARE * report.sample_rows:
        of = "rows" if report.exact and not report.is_full else "rows of the sample"
        yield Alert("", f"{report.duplicate_rows:,} {of} are equal to others")


def _of_pairs(report: SourceFacts) -> Iterator[Alert]:
    for pair in report.correlated_pairs:
        yield Alert(
            pair.first,
            f"correlates with {pair.second} ({pair.coefficient:.3g}): one of them may be enough "
            "(--drop)",
        )
