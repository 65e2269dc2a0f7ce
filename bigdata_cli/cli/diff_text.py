"""The report of a comparison in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bigdata_cli.cli.render import print_pairs, print_table, sanitize
from bigdata_cli.inspection.summary import number_text

if TYPE_CHECKING:
    from bigdata_cli.comparison.drift import Drift
    from bigdata_cli.comparison.report import ColumnDifference, ColumnSide, DiffReport

MAX_SHOWN_COLUMNS = 200
_CLEAR = 0.005
"""A difference of KS and its bound that is not shown."""


def print_diff(report: DiffReport) -> None:
    """Print what differs; of columns their statistics and drift in any case."""
    about = "" if report.is_full else "about "
    print_pairs(
        {
            "A": f"{report.a} ({about}{report.rows_a:,} rows)",
            "B": f"{report.b} ({about}{report.rows_b:,} rows)",
            "columns": _columns_text(report),
            "rows": _rows_text(report),
        }
    )
    click.echo()
    shown = report.columns[:MAX_SHOWN_COLUMNS]
    hidden = len(report.columns) - len(shown)
    print_table(
        "Columns, A → B",
        ["column", "dtype", "nulls", "min", "max", "mean", "PSI", "KS", "drift", "differ"],
        [_row(column) for column in shown],
        more=f"… and {hidden:,} more columns (all of them: --json)" if hidden else None,
        hide_first=("min", "max", "nulls", "differ"),
    )
    if report.first_rows:
        click.echo()
        print_table(
            "First rows that differ",
            ["row", "column", "A", "B"],
            [
                [f"{one.row:,}", name, *pair]
                for one in report.first_rows
                for name, pair in one.values.items()
            ],
        )
    for note in report.notes:
        click.echo(f"Note: {sanitize(note)}")


def _columns_text(report: DiffReport) -> str:
    said = []
    for what, names in (
        ("only in A", [c.name for c in report.columns if c.b is None]),
        ("only in B", [c.name for c in report.columns if c.a is None]),
        (
            "of another dtype",
            [c.name for c in report.columns if c.a and c.b and c.has_other_dtype],
        ),
    ):
        if names:
            said.append(f"{what}: {', '.join(names[:8])}" + ", …" * (len(names) > 8))
    if not report.same_order:
        said.append("in another order")
    return "; ".join(said) or "the same"


def _rows_text(report: DiffReport) -> str | None:
    if report.differing_rows is None:
        return "not compared one by one: figures are those of samples"
    said = []
    if report.differing_rows:
        said.append(f"{report.differing_rows:,} differ")
    more = report.rows_a - report.rows_b
    if more:
        said.append(f"{abs(more):,} more in {'A' if more > 0 else 'B'}")
    return ", ".join(said) or "the same"


def _row(column: ColumnDifference) -> list[str | None]:
    a, b = column.a, column.b
    drift = column.drift
    return [
        column.name,
        _change(a.dtype if a else None, b.dtype if b else None),
        _change(_nulls(a), _nulls(b)),
        _change(_figure(a, "minimum"), _figure(b, "minimum")),
        _change(_figure(a, "maximum"), _figure(b, "maximum")),
        _change(_figure(a, "mean"), _figure(b, "mean")),
        None if drift is None else f"{drift.psi:.3f}",
        None if drift is None else _ks_text(drift),
        None if drift is None else drift.size,
        None if not column.differing_values else f"{column.differing_values:,}",
    ]


def _nulls(side: ColumnSide | None) -> str | None:
    return None if side is None else f"{side.nulls:,}" if side.nulls else ""


def _figure(side: ColumnSide | None, name: str) -> str | None:
    return None if side is None else number_text(getattr(side, name))


def _change(a: str | None, b: str | None) -> str | None:
    """Both texts, or one where they are equal."""
    if a == b:
        return a
    return f"{a or '-'} → {b or '-'}"


def _ks_text(drift: Drift) -> str | None:
    if drift.ks is None or drift.max_ks is None:
        return None
    if drift.max_ks - drift.ks < _CLEAR:
        return f"{drift.ks:.3f}"
    return f"{drift.ks:.3f} to {drift.max_ks:.3f}"
