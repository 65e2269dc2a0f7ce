"""`bigdata verify`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bigdata_cli.cli.options import json_option, quiet_option

if TYPE_CHECKING:
    from bigdata_cli.verify import VerifyProgress, VerifyReport

SHOWN_FINDINGS = 50


@click.command("verify")
@click.argument("dataset", type=click.Path(path_type=Path), metavar="DATASET")
@json_option
@quiet_option
def verify_command(dataset: Path, *, as_json: bool, quiet: bool) -> None:
    """Check every shard of a dataset against its manifest.

    Size and SHA-256 of every file, and the rows of every shard as the library of its format reads
    them. Goes on after a difference, so that all are reported. Exit status 5 where there is one.

    \b
    bigdata verify trips-parquet
    """
    from bigdata_cli.cli.progress import ProgressDisplay
    from bigdata_cli.convert.options import Progress
    from bigdata_cli.verify import verify

    with ProgressDisplay(quiet=quiet) as display:

        def show(progress: VerifyProgress) -> None:
            display(
                Progress(
                    phase="verifying",
                    bytes_done=progress.bytes_done,
                    bytes_total=progress.bytes_total,
                    rows=progress.rows,
                )
            )

        report = verify(dataset, progress=show)
    if as_json:
        from bigdata_cli.cli.render import emit_json

        emit_json(report.to_json())
    if not report.passed:
        _raise(report, listed=not as_json)
    if not as_json and not quiet:
        click.echo(summary(report))


def _raise(report: VerifyReport, *, listed: bool) -> None:
    from bigdata_cli.cli.render import sanitize
    from bigdata_cli.errors import VerificationError

    count = len(report.findings)
    lines = [
        sanitize(f"{report.path} is not what its manifest says: {count:,} ")
        + ("difference" if count == 1 else "differences")
    ]
    if listed:
        lines += [f"  {sanitize(finding)}" for finding in report.findings[:SHOWN_FINDINGS]]
        if count > SHOWN_FINDINGS:
            lines.append(f"  … and {count - SHOWN_FINDINGS:,} more (all of them: --json)")
    raise VerificationError(
        "\n".join(lines),
        hint="convert the source again: "
        f"bigdata convert SOURCE --to {report.format} -o {shlex.quote(str(report.path))} --force",
    )


def summary(report: VerifyReport) -> str:
    """What was verified, on one line."""
    from bigdata_cli.cli.render import sanitize
    from bigdata_cli.resources.sizes import format_size

    def count(number: int, name: str) -> str:
        return f"{number:,} {name}{'' if number == 1 else 's'}"

    return sanitize(
        f"{report.path}: {count(report.n_shards, 'shard')} in {count(report.n_files, 'file')} "
        f"({report.format}, layout {report.layout}), {count(report.rows, 'row')}, "
        f"{format_size(report.bytes)}: all as the manifest says"
    )
