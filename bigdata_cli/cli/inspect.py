"""`bigdata inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bigdata_cli.cli.options import RequestCommand, json_option, request_options
from bigdata_cli.inspection.options import InspectOptions
from bigdata_cli.options import request_of


@click.command("inspect", cls=RequestCommand)
@click.argument("path", type=click.Path(path_type=Path), metavar="PATH")
@request_options(InspectOptions)
@json_option
def inspect_command(path: Path, *, as_json: bool, **given: Any) -> None:
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
    """
    from bigdata_cli.cli.progress import ProgressDisplay
    from bigdata_cli.cli.render import emit_json
    from bigdata_cli.inspection.run import run

    options = request_of(InspectOptions, given)
    with ProgressDisplay(quiet=not options.full) as progress:
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
