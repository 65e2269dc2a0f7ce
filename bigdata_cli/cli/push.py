"""`bigdata push`."""

from __future__ import annotations

import sys
from functools import partial
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
from bigdata_cli.options import request_of
from bigdata_cli.publishing.options import PushOptions
from bigdata_cli.url import Place


@click.command("push", cls=RequestCommand)
@click.argument("dataset", type=PlaceOf(), metavar="DATASET")
@click.argument("target", metavar="TARGET")
@request_options(PushOptions)
@json_option
@quiet_option
@verbose_option
def push_command(
    dataset: Place, target: str, *, as_json: bool, quiet: bool, verbose: bool, **given: Any
) -> None:
    """Publish a dataset, with a card that says what is in it.

    TARGET is hf://datasets/USER/NAME, a repository of Hugging Face, which is made where it is not
    there: load_dataset("USER/NAME") and open_dataset("hf://datasets/USER/NAME") read it then. For
    kaggle://USER/NAME the file that Kaggle needs is written beside the dataset, and the command is
    printed that sends it.

    \b
    bigdata push trips-parquet hf://datasets/me/trips
    bigdata push trips-parquet kaggle://me/trips
    """
    from bigdata_cli.cli.render import emit_json, sanitize
    from bigdata_cli.cli.verbose import verbose_log
    from bigdata_cli.publishing.push import run
    from bigdata_cli.resources.sizes import format_size

    has_bars = not quiet and sys.stderr.isatty()
    check_quiet(quiet=quiet, verbose=verbose)
    with verbose_log(partial(click.echo, err=True), is_on=verbose):
        report = run(dataset, target, request_of(PushOptions, given), has_bars=has_bars)
    if as_json:
        emit_json(report.to_json())
        return
    if quiet and report.command is None:
        return
    if report.is_dry_run:
        for name in report.files:
            click.echo(sanitize(name))
    if report.command is not None:
        verb = "would write" if report.is_dry_run else "wrote"
        click.echo(f"{verb} {report.files[-1]}; this sends the dataset:", err=True)
        click.echo(report.command)
        return
    verb = "Would push" if report.is_dry_run else "Pushed"
    click.echo(
        f"{verb} {len(report.files):,} files ({format_size(report.bytes)}) to "
        f"{sanitize(report.url or report.target)}"
    )
