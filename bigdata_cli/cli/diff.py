"""`bigdata diff`."""

from __future__ import annotations

from typing import Any

import click

from bigdata_cli.cli.options import (
    PlaceOf,
    RequestCommand,
    check_quiet,
    json_option,
    quiet_option,
    request_options,
    verbose_option,
)
from bigdata_cli.comparison.options import DiffOptions
from bigdata_cli.options import request_of
from bigdata_cli.url import Place

DIFFERENT = 1
"""The exit status where the two differ, as that of `diff` and `cmp`."""


@click.command("diff", cls=RequestCommand)
@click.argument("a", type=PlaceOf(), metavar="A")
@click.argument("b", type=PlaceOf(), metavar="B")
@request_options(DiffOptions)
@json_option
@quiet_option
@verbose_option
@click.pass_context
def diff_command(
    ctx: click.Context,
    a: Place,
    b: Place,
    *,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    **given: Any,
) -> None:
    """Compare two datasets or files: columns, rows, statistics, drift.

    A and B are datasets of any format and layout, or whatever `bigdata convert` takes. Rows are
    compared by their order. Exit status 0 where both have the same columns, dtypes and rows, 1
    where they differ, more where they cannot be compared.

    \b
    bigdata diff trips-parquet trips-npy
    bigdata diff january.csv february.csv --columns fare,distance --json
    """
    from bigdata_cli.cli.diff_text import print_diff
    from bigdata_cli.cli.progress import ProgressDisplay
    from bigdata_cli.cli.render import emit_json
    from bigdata_cli.cli.verbose import verbose_log
    from bigdata_cli.comparison.run import run

    check_quiet(quiet=quiet, verbose=verbose)
    with (
        ProgressDisplay(quiet=quiet) as progress,
        verbose_log(progress.say, is_on=verbose),
    ):
        report = run(a, b, request_of(DiffOptions, given), progress=progress)
    if as_json:
        emit_json(report.to_json())
    elif not quiet:
        print_diff(report)
    if not report.is_equal:
        ctx.exit(DIFFERENT)
