"""`bigdata sample`: sample data from a seed, of any size."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from bigdata_cli.cli.options import Size
from bigdata_cli.sample import DEFAULT_FRAUD_SHARE, KINDS


@click.command("sample", hidden=True)
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.option("--rows", "n_rows", type=click.IntRange(min=0), help="Rows, without the header.")
@click.option("--size", type=Size(), help="Make about so many bytes instead, such as 100MB.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="The same seed makes the same bytes.",
)
@click.option(
    "--fraud-share",
    type=click.FloatRange(0, 1),
    default=DEFAULT_FRAUD_SHARE,
    show_default=True,
    help="Share of fraud among the transactions.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write; without it, standard output.",
)
def sample_command(
    kind: str,
    n_rows: int | None,
    size: int | None,
    seed: int,
    fraud_share: float,
    output: Path | None,
) -> None:
    """Make sample data: transactions, sensors, messy or log."""
    from bigdata_cli.errors import UsageError
    from bigdata_cli.sample import SampleOptions, rows_of_size, write_sample

    if (n_rows is None) == (size is None):
        raise UsageError("say how much: either --rows or --size", hint="--rows 10000")
    if size is not None:
        n_rows = rows_of_size(kind, size, seed=seed)
    options = SampleOptions(kind=kind, n_rows=n_rows or 0, seed=seed, fraud_share=fraud_share)
    if output is None:
        write_sample(options, sys.stdout.buffer)
        return
    try:
        stream = output.open("wb")
    except OSError as error:
        raise UsageError(
            f"{output} cannot be written: {error.strerror}", hint="-o FILE in another folder"
        ) from error
    with stream:
        write_sample(options, stream)
