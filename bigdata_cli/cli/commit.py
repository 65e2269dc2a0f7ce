"""`bigdata commit`."""

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
from bigdata_cli.conversion.commit_options import CommitOptions
from bigdata_cli.options import request_of
from bigdata_cli.url import Place


@click.command("commit", cls=RequestCommand)
@click.argument("output", type=PlaceOf(), metavar="FOLDER")
@request_options(CommitOptions)
@json_option
@quiet_option
@verbose_option
def commit_command(
    output: Place, *, as_json: bool, quiet: bool, verbose: bool, **given: Any
) -> None:
    """Make one dataset of what the tasks of a job array have written.

    Each task is `bigdata convert … --task K/N` with the same sources and options. Exit status 7,
    with the tasks, where some are not done or have to do shards again, as rows of others ask for
    another type: run these, and commit again. Nothing is visible before.

    \b
    bigdata convert trips.csv --to parquet -o trips --task 1/2
    bigdata convert trips.csv --to parquet -o trips --task 2/2
    bigdata commit trips
    """
    from bigdata_cli.cli.convert import print_report
    from bigdata_cli.cli.progress import ProgressDisplay
    from bigdata_cli.cli.render import emit_json
    from bigdata_cli.cli.verbose import verbose_log
    from bigdata_cli.conversion.job_array import commit

    check_quiet(quiet=quiet, verbose=verbose)
    with (
        ProgressDisplay(quiet=quiet) as progress,
        verbose_log(progress.say, is_on=verbose),
    ):
        report = commit(output, request_of(CommitOptions, given), progress=progress)
    if as_json:
        emit_json(report.to_json())
    elif not quiet:
        print_report(report)
