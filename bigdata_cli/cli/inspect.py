"""`bigdata inspect`."""

from __future__ import annotations

from typing import Any

import click

from bigdata_cli.cli.options import (
    PlaceOf,
    RequestCommand,
    json_option,
    request_options,
    verbose_option,
)
from bigdata_cli.inspection.options import InspectOptions
from bigdata_cli.options import given_options, request_of
from bigdata_cli.url import Place


@click.command("inspect", cls=RequestCommand)
@click.argument("path", type=PlaceOf(), metavar="PATH")
@click.argument("other", type=PlaceOf(), metavar="[OTHER --compare]", required=False)
@request_options(InspectOptions)
@click.option(
    "--compare", is_flag=True, help="Show how the columns of two files or datasets drift."
)
@json_option
@verbose_option
def inspect_command(
    path: Place, other: Place | None, *, compare: bool, as_json: bool, verbose: bool, **given: Any
) -> None:
    """Show what is in a file or a dataset, and what it costs.

    Of CSV, text or Parquet (a file, a pattern, a folder, or - for standard input): how it is
    written, as flags to paste; the columns with the type that each would get, what their values
    are, and the memory that pandas would need against the memory in those types; and what
    each format and layout would take in bytes, time and memory. A sample tells, in seconds,
    whatever the size. Of a dataset: its shards, its columns with their statistics, and the lines
    that load it.

    \b
    bigdata inspect trips.csv
    bigdata inspect trips.csv --label fare --disk 20GB --memory 16GB --html trips.html
    bigdata inspect trips-parquet
    bigdata inspect january.csv february.csv --compare
    """
    if compare or other is not None:
        if other is None or not compare:
            raise click.UsageError("--compare takes two: inspect A B --compare")
        options = request_of(InspectOptions, given)
        _compare(path, other, options, as_json=as_json, verbose=verbose)
        return
    from bigdata_cli.cli.progress import ProgressDisplay
    from bigdata_cli.cli.render import emit_json
    from bigdata_cli.cli.verbose import verbose_log
    from bigdata_cli.inspection.run import run

    options = request_of(InspectOptions, given)
    with (
        ProgressDisplay(quiet=not (options.full or verbose)) as progress,
        verbose_log(progress.say, is_on=verbose),
    ):
        report = run(path, options, progress=progress)
    if as_json:
        emit_json(report.to_json())
        return
    from bigdata_cli.cli.inspect_text import print_dataset, print_source
    from bigdata_cli.inspection.report import DatasetReport

    if isinstance(report, DatasetReport):
        print_dataset(report)
    else:
        print_source(report)
    if options.html is not None:
        from bigdata_cli.cli.render import sanitize

        click.echo(f"\nWritten: {sanitize(options.html)}")


def _compare(a: Place, b: Place, options: InspectOptions, *, as_json: bool, verbose: bool) -> None:
    """Show how two files or datasets differ, by samples or all of their rows."""
    from bigdata_cli.cli.diff_text import print_diff
    from bigdata_cli.cli.progress import ProgressDisplay
    from bigdata_cli.cli.render import emit_json
    from bigdata_cli.cli.verbose import verbose_log
    from bigdata_cli.comparison.options import DiffOptions
    from bigdata_cli.comparison.run import compare_samples, run

    given: dict[str, Any] = {
        "--label": options.label,
        "--memory": options.memory_bytes,
        "--disk": options.disk_bytes,
        "--html": options.html,
        "--shuffle-score": options.shuffle_score or None,
    }
    for part in (options.shape, options.splits, options.order):
        given |= {one.flag: value for one, value in given_options(part)}
    for flag, value in given.items():
        if value is not None:
            raise click.UsageError(f"{flag} does not go with --compare")
    with (
        ProgressDisplay(quiet=not (options.full or verbose)) as progress,
        verbose_log(progress.say, is_on=verbose),
    ):
        if options.full:
            report = run(a, b, DiffOptions(source=options.source), progress=progress)
        else:
            report = compare_samples(a, b, options.source, sample_bytes=options.sample_bytes)
    if as_json:
        emit_json(report.to_json())
    else:
        print_diff(report)
