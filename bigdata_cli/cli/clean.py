"""`bigdata clean`."""

from __future__ import annotations

import click

from bigdata_cli.cli.options import PlaceOf, RequestCommand, json_option
from bigdata_cli.url import Place


@click.command("clean", cls=RequestCommand)
@click.argument("output", type=PlaceOf(), metavar="OUTPUT")
@click.option("-n", "--dry-run", is_flag=True, help="Show what would be removed; remove nothing.")
@json_option
def clean_command(output: Place, *, dry_run: bool, as_json: bool) -> None:
    """Remove what conversions that do not go on have left.

    OUTPUT is a folder or an address. What goes is shards without a dataset, the journal of a
    conversion that was killed, and uploads that nobody finished. A dataset stays as it is. A
    conversion whose dataset was nearly finished is finished.

    \b
    bigdata clean trips-parquet
    bigdata clean s3://bucket/trips --dry-run
    """
    from bigdata_cli.cli.render import emit_json, sanitize
    from bigdata_cli.conversion.clean import run
    from bigdata_cli.resources.sizes import format_size

    report = run(output, dry_run=dry_run)
    if as_json:
        emit_json(report.to_json())
        return
    for name in report.files:
        click.echo(sanitize(name))
    verb = "Would remove" if report.is_dry_run else "Removed"
    uploads = f", {report.uploads:,} unfinished uploads" if report.uploads else ""
    click.echo(
        f"{verb}: {len(report.files):,} files ({format_size(report.bytes)}){uploads} from "
        f"{sanitize(str(report.path))}"
    )
    if report.finished:
        click.echo("The dataset was nearly finished: it is finished now.")
