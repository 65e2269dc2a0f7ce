"""`bigdata cat`."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from bigdata_cli.cli.options import PlaceOf, RequestCommand, request_options, verbose_option
from bigdata_cli.export.options import CatOptions
from bigdata_cli.options import request_of
from bigdata_cli.url import Place


@click.command("cat", cls=RequestCommand)
@click.argument("path", type=PlaceOf(), metavar="DATASET")
@request_options(CatOptions)
@verbose_option
def cat_command(path: Place, *, verbose: bool, **given: Any) -> None:
    """Write the rows of a dataset to standard output, for other programs.

    DATASET is a dataset of any format and layout, or whatever `bigdata convert` takes. CSV is read
    back as the same values: a null is nothing between two commas, the empty text is "", floats have
    as many digits as they need. What does not fit memory passes through in pieces.

    \b
    bigdata cat trips-parquet | gzip > trips.csv.gz
    bigdata cat trips-tfrecord --columns id,fare -n 1000 --format jsonl
    bigdata cat trips-npy --format arrow | python -c 'import polars; ...'
    """
    from bigdata_cli.cli.verbose import verbose_log
    from bigdata_cli.export.cat import run

    options = request_of(CatOptions, given)
    with verbose_log(partial(click.echo, err=True), is_on=verbose):
        report = run(path, options)
    if report.lost_values:
        what = (
            "are NaN, which readers take for null"
            if options.format == "csv"
            else "are NaN or infinite, and null in JSON"
        )
        click.echo(f"Note: {report.lost_values:,} values {what}", err=True)
    if report.rejected_rows:
        click.echo(
            f"Note: {report.rejected_rows:,} records cannot be kept, and were left out", err=True
        )
