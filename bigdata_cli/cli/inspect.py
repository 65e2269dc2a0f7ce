"""`bigdata inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bigdata_cli.cli.options import Size, compose, json_option
from bigdata_cli.cli.source_options import source_options, take_source_options

planner_options = compose(
    click.option("--label", metavar="COL", help="Count the classes of this column; plan with it."),
    click.option(
        "--sample-size",
        "sample_bytes",
        type=Size(),
        help="How much of the source to look at, such as 64MB.  [default: 8MiB]",
    ),
    click.option("--full", is_flag=True, help="Read all of it: figures of columns are exact."),
    click.option(
        "--memory",
        "memory_bytes",
        type=Size(),
        help="Memory of the machine to plan for, such as 16GB.  [default: what is free here]",
    ),
    click.option(
        "--disk",
        "disk_bytes",
        type=Size(),
        help="Disk of the machine to plan for.  [default: what is free here, less 5 %]",
    ),
    click.option(
        "--html",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Write the report as a page that needs nothing else.",
    ),
)


@click.command("inspect")
@click.argument("path", type=click.Path(path_type=Path), metavar="PATH")
@planner_options
@source_options
@json_option
def inspect_command(path: Path, *, as_json: bool, **options: Any) -> None:
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
    from bigdata_cli.inspection.run import InspectOptions, inspect_path

    source = take_source_options(options)
    given = InspectOptions(source=source, **options)
    with ProgressDisplay(quiet=not given.full) as progress:
        report = inspect_path(path, given, progress=progress)
    if as_json:
        emit_json(report.to_json())
        return
    from bigdata_cli.cli.inspect_text import print_dataset, print_source
    from bigdata_cli.inspection.report import DatasetReport

    if isinstance(report, DatasetReport):
        print_dataset(report)
    else:
        print_source(report)
    if given.html is not None:
        from bigdata_cli.cli.render import sanitize

        click.echo(f"\nWritten: {sanitize(given.html)}")
