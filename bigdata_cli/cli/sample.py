"""`bigdata sample`: sample data from a seed, of any size."""

from __future__ import annotations

from typing import Any

import click

from bigdata_cli.cli.options import (
    RequestCommand,
    check_quiet,
    quiet_option,
    request_options,
    verbose_option,
)
from bigdata_cli.options import request_of
from bigdata_cli.samples.options import KINDS, SampleOptions


@click.command("sample", cls=RequestCommand, hidden=True)
@click.argument("kind", type=click.Choice(list(KINDS)))
@request_options(SampleOptions)
@quiet_option
@verbose_option
def sample_command(*, quiet: bool, verbose: bool, **given: Any) -> None:
    """Make sample data: transactions, sensors, messy or log."""
    from bigdata_cli.cli.progress import ProgressDisplay
    from bigdata_cli.cli.verbose import verbose_log
    from bigdata_cli.samples.write import run

    check_quiet(quiet=quiet, verbose=verbose)
    with (
        ProgressDisplay(quiet=quiet) as progress,
        verbose_log(progress.say, is_on=verbose),
    ):
        run(request_of(SampleOptions, given), progress=progress)
