"""`bigdata sample`: sample data from a seed, of any size."""

from __future__ import annotations

from typing import Any

import click

from bigdata_cli.cli.options import RequestCommand, request_options
from bigdata_cli.options import request_of
from bigdata_cli.samples.options import KINDS, SampleOptions


@click.command("sample", cls=RequestCommand, hidden=True)
@click.argument("kind", type=click.Choice(list(KINDS)))
@request_options(SampleOptions)
def sample_command(**given: Any) -> None:
    """Make sample data: transactions, sensors, messy or log."""
    from bigdata_cli.samples.write import run

    run(request_of(SampleOptions, given))
