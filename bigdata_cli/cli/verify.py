"""`bigdata verify`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

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
from bigdata_cli.url import Place
from bigdata_cli.verification.options import VerifyOptions

if TYPE_CHECKING:
    from bigdata_cli.verification.report import VerifyReport

SHOWN_FINDINGS = 50
SHOWN_OTHER_FILES = 5


@click.command("verify", cls=RequestCommand)
@click.argument("dataset", type=PlaceOf(), metavar="DATASET")
@click.argument("more_sources", nargs=-1, metavar="")
@request_options(VerifyOptions)
@json_option
@quiet_option
@verbose_option
def verify_command(
    dataset: Place,
    more_sources: tuple[str, ...],
    *,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    **given: Any,
) -> None:
    """Check every file of a dataset, and its values against its source.

    Against the manifest: size and checksum of every file and of the manifest itself, the columns of
    every shard, and its rows as the library of its format reads them. Goes on after a difference,
    so that all are reported. Exit status 5 where there is one.

    \b
    bigdata verify trips-parquet
    bigdata verify trips-parquet --source trips.csv
    """
    from bigdata_cli.cli.progress import ProgressDisplay
    from bigdata_cli.cli.verbose import verbose_log
    from bigdata_cli.verification.run import run

    check_quiet(quiet=quiet, verbose=verbose)
    if more_sources and not given["source"]:
        raise click.UsageError(f"one dataset at a time, not {more_sources[0]} too")
    # `--source a.csv b.csv`, as a shell makes it of a pattern.
    given["source"] = (*(given["source"] or ()), *more_sources) or None
    with (
        ProgressDisplay(quiet=quiet) as progress,
        verbose_log(progress.say, is_on=verbose),
    ):
        report = run(dataset, request_of(VerifyOptions, given), progress=progress)
    if as_json:
        from bigdata_cli.cli.render import emit_json

        emit_json(report.to_json())
    if not report.passed:
        _raise(report, listed=not as_json)
    if not as_json and not quiet:
        from bigdata_cli.cli.render import print_note

        print_note(summary(report))
        if report.other_files:
            print_note(other_files_text(report.other_files))


def _raise(report: VerifyReport, *, listed: bool) -> None:
    from bigdata_cli.cli.render import sanitize
    from bigdata_cli.errors import VerificationError

    count = len(report.findings)
    claims = "its manifest says" if report.compared_rows is None else "its manifest and source say"
    lines = [
        sanitize(f"{report.path} is not what {claims}: {count:,} ")
        + ("difference" if count == 1 else "differences")
    ]
    if listed:
        lines += [f"  {sanitize(finding)}" for finding in report.findings[:SHOWN_FINDINGS]]
        if count > SHOWN_FINDINGS:
            lines.append(f"  … and {count - SHOWN_FINDINGS:,} more (all of them: --json)")
    raise VerificationError(
        "\n".join(lines),
        hint="the command that made it, with --repair, writes damaged shards again: "
        f"bigdata convert SOURCE --to {report.format} -o {shlex.quote(str(report.path))} --repair; "
        "with --force all of them",
    )


def summary(report: VerifyReport) -> str:
    """What was verified, on one line."""
    from bigdata_cli.cli.render import sanitize
    from bigdata_cli.resources.sizes import format_size

    def count(number: int, name: str) -> str:
        return f"{number:,} {name}{'' if number == 1 else 's'}"

    compared = ""
    if report.compared_rows is not None:
        compared = ", and every value as in the source"
        if report.in_any_order:
            compared = ", and all rows those of the source, in whatever order"
    return sanitize(
        f"{report.path}: {count(report.n_shards, 'shard')} in {count(report.n_files, 'file')} "
        f"({report.format}, layout {report.layout}), {count(report.rows, 'row')}, "
        f"{format_size(report.bytes)}: all as the manifest says{compared}"
    )


def other_files_text(names: Sequence[str]) -> str:
    """The files in the folder that are no part of the dataset, on one line."""
    from bigdata_cli.cli.render import sanitize

    shown = ", ".join(names[:SHOWN_OTHER_FILES])
    more = len(names) - SHOWN_OTHER_FILES
    return sanitize(f"not part of the dataset: {shown}" + (f" and {more:,} more" * (more > 0)))
