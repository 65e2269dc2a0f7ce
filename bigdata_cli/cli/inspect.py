"""`bigdata inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bigdata_cli.cli.options import json_option
from bigdata_cli.cli.source_options import source_options, take_source_options

if TYPE_CHECKING:
    from bigdata_cli.inspect.report import CsvReport, DatasetReport

MAX_SHOWN_COLUMNS = 200
MAX_SHOWN_SHARDS = 20
_MAX_TEXT = 24


@click.command("inspect")
@click.argument("path", type=click.Path(path_type=Path), metavar="PATH")
@source_options
@json_option
def inspect_command(path: Path, *, as_json: bool, **options: Any) -> None:
    """Show what is in a file or a dataset, and what it costs.

    Of CSV, text or Parquet (a file, a pattern or a folder): how it is written, as flags to paste,
    the columns with the type that each would get, and the memory that pandas would need against
    the memory in those types, measured on a sample. Of a dataset: its shards, and its columns with
    their statistics.

    \b
    bigdata inspect trips.csv
    bigdata inspect trips-parquet
    """
    from bigdata_cli.cli.render import emit_json
    from bigdata_cli.inspect.report import DatasetReport
    from bigdata_cli.inspect.run import inspect_path

    report = inspect_path(path, take_source_options(options))
    if as_json:
        emit_json(report.to_json())
    elif isinstance(report, DatasetReport):
        print_dataset(report)
    else:
        print_source(report)


def print_source(report: CsvReport) -> None:
    """Print the report of a CSV or text file."""
    import shlex

    from bigdata_cli.cli.render import (
        confidence_text,
        dialect_text,
        print_pairs,
        print_table,
        sanitize,
    )
    from bigdata_cli.resources.sizes import format_size

    about = "" if report.exact else "about " if report.size_known else "at least "
    size = format_size(report.source_bytes) if report.source_bytes else "size not known"
    print_pairs(
        {
            "source": f"{report.path} ({size})",
            "dialect": dialect_text(report.dialect),
            "flags": shlex.join(report.flags) or None,
            "confidence": confidence_text(report.confidence, report.reasons),
            "rows": f"{about}{report.rows:,}",
            "sample": "the whole file"
            if report.exact
            else f"{report.sample_rows:,} rows, {format_size(report.sample_bytes)}",
        }
    )
    click.echo()
    rows: list[list[Any]] = [
        [
            column.name,
            _dtype(column.dtype, column.n_categories),
            f"{100 * column.nulls_share:.3g} %" if column.nulls_share else None,
            column.pandas_dtype,
            format_size(column.pandas_bytes),
            format_size(column.bytes),
            _times(column.pandas_bytes, column.bytes),
            ", ".join(shorten(value) for value in column.examples),
        ]
        for column in report.columns[:MAX_SHOWN_COLUMNS]
    ]
    total = [
        "total",
        None,
        None,
        None,
        format_size(report.pandas_bytes),
        format_size(report.bytes),
        _times(report.pandas_bytes, report.bytes),
        None,
    ]
    print_table(
        "Columns, with the memory that all rows need",
        ["column", "dtype", "nulls", "pandas dtype", "in pandas", "here", "saving", "examples"],
        [*rows, total],
        more=_more(len(report.columns), MAX_SHOWN_COLUMNS, "columns"),
    )
    if not report.exact:
        click.echo("Types are those of the sample; a conversion checks every value.")
    click.echo(f"\nNext:\n  {sanitize(report.next_command)}")


def print_dataset(report: DatasetReport) -> None:
    """Print the report of a dataset."""
    from bigdata_cli.cli.render import print_pairs, print_table, sanitize
    from bigdata_cli.resources.sizes import format_size

    print_pairs(
        {
            "dataset": f"{report.path} ({report.format}, layout {report.layout})",
            "label": report.label,
            "rows": f"{report.rows:,}",
            "rejected rows": f"{report.rejected_rows:,}" if report.rejected_rows else None,
            "bytes": format_size(report.bytes),
            "source": f"{', '.join(report.sources)} ({format_size(report.source_bytes)})",
        }
    )
    click.echo()
    print_table(
        f"Shards ({len(report.shards):,})",
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
    click.echo()
    print_table(
        f"Columns ({len(report.columns):,})",
        ["column", "dtype", "nulls", "min", "max", "mean", "std"],
        [
            [
                column.name,
                _dtype(column.dtype, column.n_categories),
                f"{column.nulls:,}" if column.nulls else None,
                _number(column.minimum),
                _number(column.maximum),
                _number(column.mean),
                _number(column.std),
            ]
            for column in report.columns[:MAX_SHOWN_COLUMNS]
        ],
        more=_more(len(report.columns), MAX_SHOWN_COLUMNS, "columns"),
    )
    click.echo(f"\nNext:\n  {sanitize(report.next_command)}")


def shorten(text: str, *, width: int = _MAX_TEXT) -> str:
    """The text, cut with an ellipsis where it is longer than `width`.

    >>> shorten("abcdef", width=4)
    'abc…'
    """
    return text if len(text) <= width else text[: width - 1] + "…"


def _dtype(dtype: str, n_categories: int | None) -> str:
    return dtype if n_categories is None else f"{dtype} ({n_categories:,})"


def _times(before: int, after: int) -> str | None:
    return f"{before / after:.1f}×" if after else None


def _number(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(int(value))


def _more(count: int, shown: int, what: str) -> str | None:
    return f"… and {count - shown:,} more {what} (all of them: --json)" if count > shown else None
