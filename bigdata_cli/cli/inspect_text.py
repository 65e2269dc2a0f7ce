"""The reports of `bigdata inspect` in a terminal."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import click

from bigdata_cli.cli.render import (
    confidence_text,
    dialect_text,
    print_note,
    print_pairs,
    print_table,
    print_title,
    rejected_text,
    sanitize,
    shorten,
)
from bigdata_cli.cli.sparkline import histogram_line, sparkline_marks
from bigdata_cli.inspection.alerts import alerts_of
from bigdata_cli.inspection.summary import (
    cost_notes,
    number_text,
    ranked,
    rows_text,
    shard_balance,
    verdict,
)
from bigdata_cli.resources.sizes import format_duration, format_size

if TYPE_CHECKING:
    from bigdata_cli.conversion.estimate.costs import Cost
    from bigdata_cli.inspection.facts import ClassBalance, CsvColumn
    from bigdata_cli.inspection.report import CsvReport, DatasetReport

MAX_SHOWN_COLUMNS = 200
MAX_SHOWN_SHARDS = 20
MAX_SHOWN_CLASSES = 12
_MAX_TEXT = 24


def print_source(report: CsvReport) -> None:
    """Print the report of text files or tables."""
    size = format_size(report.source_bytes) if report.source_bytes else "size not known"
    read = f"{report.sample_rows:,} rows, {format_size(report.sample_bytes)}"
    print_pairs(
        {
            "verdict": _verdict(report),
            "source": f"{report.path} ({size})",
            "dialect": dialect_text(report.dialect),
            "flags": shlex.join(report.flags) or None,
            "confidence": confidence_text(report.confidence, report.reasons),
            "rows": rows_text(report),
            "bad rows": _bad_rows(report),
            "sample": "the whole file" if report.exact else read,
            "all rows": f"{format_size(report.bytes)} in memory, "
            f"{format_size(report.pandas_bytes)} in pandas{_less(report)}",
            "may be a label": ", ".join(report.label_candidates) or None
            if report.balance is None
            else None,
        }
    )
    click.echo()
    _print_columns(report)
    _print_warnings(report)
    if report.balance is not None:
        _print_balance(report.balance)
    _print_costs(report)
    for note in report.notes:
        print_note(f"Note: {note}")
    click.echo(f"\nNext:\n  {sanitize(report.next_command)}")


def _less(report: CsvReport) -> str:
    """How much less memory all rows take than in pandas."""
    times = _times(report.pandas_bytes, report.bytes)
    return "" if times is None else f" ({times})"


def _bad_rows(report: CsvReport) -> str | None:
    """How many records cannot be kept, and of which they are."""
    if not report.bad_rows:
        return None
    of_all = report.is_full or report.exact
    return f"{report.bad_rows:,}" + ("" if of_all else " of the sample, left out")


def _print_columns(report: CsvReport) -> None:
    headers = [
        "column", "dtype", "nulls", "distinct", "min", "max",
        "in pandas", "here", "saving", "examples",
    ]  # fmt: skip
    rows = [_column(column) for column in report.columns[:MAX_SHOWN_COLUMNS]]
    marks = sparkline_marks()
    if marks is not None:
        place = headers.index("max") + 1
        headers.insert(place, "histogram")
        for column, row in zip(report.columns, rows, strict=False):
            row.insert(place, histogram_line(column.histogram, marks))
    print_table(
        "Columns",
        headers,
        rows,
        more=_more(len(report.columns), MAX_SHOWN_COLUMNS, "columns"),
        hide_first=("in pandas", "here", "examples", "saving", "distinct", "histogram"),
    )
    if not report.exact:
        print_note(
            "Types, nulls, min and max are those of the sample, distinct is estimated from it; a "
            "conversion checks every value."
        )


def _column(column: CsvColumn) -> list[Any]:
    distinct = None
    if column.distinct is not None:
        distinct = f"{'' if column.distinct_exact else '~'}{column.distinct:,}"
    return [
        column.name,
        _dtype(column.dtype, column.n_categories),
        f"{100 * column.nulls_share:.3g} %" if column.nulls_share else None,
        distinct,
        number_text(column.minimum),
        number_text(column.maximum),
        format_size(column.pandas_bytes),
        format_size(column.bytes),
        _times(column.pandas_bytes, column.bytes),
        ", ".join(shorten(value, width=_MAX_TEXT) for value in column.examples),
    ]


def _print_warnings(report: CsvReport) -> None:
    found: dict[str, str] = {}
    for alert in alerts_of(report)[:MAX_SHOWN_COLUMNS]:
        name = alert.column or "rows"
        found[name] = f"{found[name]}; {alert.text}" if name in found else alert.text
    if found:
        click.echo()
        print_title("Worth knowing")
        print_pairs(found)


def _print_balance(balance: ClassBalance, of: str = "") -> None:
    click.echo()
    total = max(balance.rows, 1)
    pairs = list(zip(balance.values, balance.counts, strict=True))[:MAX_SHOWN_CLASSES]
    others = balance.rows - balance.nulls - sum(count for _, count in pairs)
    pairs += [("(others)", others)] if others else []
    pairs += [("(null)", balance.nulls)] if balance.nulls else []
    print_table(
        f"Classes of {balance.column}{of}",
        ["value", "rows", "share"],
        [
            [shorten(value, width=_MAX_TEXT), f"{count:,}", f"{100 * count / total:.3g} %"]
            for value, count in pairs
        ],
    )


def _print_costs(report: CsvReport) -> None:
    if not report.costs or report.room is None:
        return
    click.echo()
    few = "" if report.size_known else ", of what was seen"
    headers = ["", "format", "layout", "compression", "on disk", "time", "in memory"]
    rows = [_cost(cost) for cost in ranked(report.costs)]
    exceeded = [_exceeded(cost) for cost in ranked(report.costs)]
    if any(exceeded):
        headers.append("exceeds")
        rows = [[*row, what] for row, what in zip(rows, exceeded, strict=True)]
    print_table(
        f"What a dataset would cost, predicted{few} (* recommended)",
        headers,
        rows,
        hide_first=("in memory",),
    )
    for note in cost_notes(report.costs, report.room):
        print_note(note)


def _cost(cost: Cost) -> list[Any]:
    marks = ("¹" if cost.dropped else "") + ("²" if cost.narrowed else "")
    layout = f"{cost.layout} {marks}".rstrip()
    return [
        "*" if cost.is_recommended else None,
        cost.format,
        layout,
        cost.compression,
        format_size(cost.bytes),
        format_duration(cost.seconds),
        format_size(cost.memory_bytes),
    ]


def _exceeded(cost: Cost) -> str | None:
    """What the dataset does not fit, None where it fits everything."""
    fits = {"disk": cost.fits_disk, "memory": cost.fits_memory}
    return ", ".join(name for name, is_enough in fits.items() if not is_enough) or None


def _verdict(report: CsvReport) -> str | None:
    return None if report.room is None else verdict(report.costs, report.room)


def print_dataset(report: DatasetReport) -> None:
    """Print the report of a dataset."""
    ratio = f", {report.ratio:.1f}× the dataset" if report.ratio else ""
    print_pairs(
        {
            "dataset": f"{report.path} ({report.format}, layout {report.layout})",
            "label": report.label,
            "rows": f"{report.rows:,}",
            "rejected rows": rejected_text(report.rejected_rows, report.path),
            "filtered rows": f"{report.filtered_rows:,}" if report.filtered_rows else None,
            "bytes": format_size(report.bytes),
            "source": f"{', '.join(report.sources)} ({format_size(report.source_bytes)}{ratio})",
            "in memory": f"{format_size(report.memory_bytes)}{_fits_memory(report)}",
        }
    )
    click.echo()
    print_table(
        f"Shards ({len(report.shards):,}{shard_balance(report.shards)})",
        ["shard", "files", "rows", "bytes"],
        [
            [
                shard.files[0] if len(shard.files) == 1 else f"{shard.files[0]}, …",
                f"{len(shard.files):,}",
                f"{shard.rows:,}",
                format_size(shard.bytes),
            ]
            for shard in report.shards[:MAX_SHOWN_SHARDS]
        ],
        more=_more(len(report.shards), MAX_SHOWN_SHARDS, "shards"),
    )
    _print_dataset_columns(report)
    if report.balance is not None:
        counted = report.balance.rows
        of = f" ({counted:,} rows of it)" if counted < report.rows else ""
        _print_balance(report.balance, of)
    _print_splits(report)
    if report.shuffle_score is not None:
        click.echo(f"\nShuffle score: {sanitize(report.shuffle_score.sentence())}")
    for note in report.notes:
        click.echo(f"\nNote: {sanitize(note)}")
    for library, lines in (report.loaders or {}).items():
        click.echo(f"\n{library}:")
        for line in lines.splitlines():
            click.echo(f"  {sanitize(line)}".rstrip())
    click.echo(f"\nNext:\n  {sanitize(report.next_command)}")


def _print_dataset_columns(report: DatasetReport) -> None:
    click.echo()
    print_table(
        f"Columns ({len(report.columns):,})",
        ["column", "dtype", "nulls", "min", "max", "mean", "std", "in memory"],
        [
            [
                column.name,
                _dtype(column.dtype, column.n_categories),
                f"{column.nulls:,}" if column.nulls else None,
                number_text(column.minimum),
                number_text(column.maximum),
                number_text(column.mean),
                number_text(column.std),
                format_size(column.bytes),
            ]
            for column in report.columns[:MAX_SHOWN_COLUMNS]
        ],
        more=_more(len(report.columns), MAX_SHOWN_COLUMNS, "columns"),
        hide_first=("in memory", "std", "mean"),
    )


def _print_splits(report: DatasetReport) -> None:
    """Print the splits, and the shares of the classes of the label in each."""
    if not report.splits:
        return
    balances = [split.balance for split in report.splits]
    classes = report.balance.values[:MAX_SHOWN_CLASSES] if report.balance is not None else ()
    click.echo()
    print_table(
        f"Splits ({len(report.splits):,})",
        ["split", "rows", "share", "shards", "bytes"],
        [
            [
                split.name,
                f"{split.rows:,}",
                f"{100 * split.rows / max(report.rows, 1):.3g} %",
                f"{split.shards:,}",
                format_size(split.bytes),
            ]
            for split in report.splits
        ],
    )
    if not classes:
        return
    click.echo()
    print_table(
        f"Classes of {report.label} in each split",
        ["value", *(split.name for split in report.splits)],
        [
            [shorten(value, width=_MAX_TEXT), *(_class_share(one, value) for one in balances)]
            for value in classes
        ],
    )


def _class_share(balance: ClassBalance | None, value: str) -> str | None:
    """How many rows of a split are of a class, and their share of those that were counted."""
    if balance is None:
        return None
    counts = dict(zip(balance.values, balance.counts, strict=True))
    count = counts.get(value, 0)
    return f"{count:,} ({100 * count / max(balance.rows, 1):.3g} %)"


def _fits_memory(report: DatasetReport) -> str:
    if report.room is None:
        return ""
    fits = report.memory_bytes <= report.room.memory_bytes
    source = "--memory" if report.room.has_memory_limit else "free"
    size = format_size(report.room.memory_bytes)
    return f" ({'fits' if fits else 'does not fit'} {size}, {source})"


def _dtype(dtype: str, n_categories: int | None) -> str:
    return dtype if n_categories is None else f"{dtype} ({n_categories:,})"


def _times(before: int, after: int) -> str | None:
    return f"{before / after:.1f}×" if after else None


def _more(count: int, shown: int, what: str) -> str | None:
    return f"… and {count - shown:,} more {what} (all of them: --json)" if count > shown else None
