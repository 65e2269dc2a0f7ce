"""`bigdata convert`."""

from __future__ import annotations

import gc
import shlex
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from bigdata_cli.cli.options import (
    RequestCommand,
    exclusive,
    json_option,
    quiet_option,
    request_options,
    verbose_option,
)
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.options import request_of
from bigdata_cli.url import Place

if TYPE_CHECKING:
    from bigdata_cli.conversion.plan import Plan
    from bigdata_cli.conversion.report import ConvertReport
    from bigdata_cli.resources.budget import MemoryBudget

SHOWN_COLUMNS = 30


@click.command("convert", cls=RequestCommand)
@click.argument("sources", nargs=-1, required=True, type=click.Path(), metavar="SOURCE...")
@request_options(ConvertOptions)
@click.option("-n", "--dry-run", is_flag=True, help="Show what would be done; write nothing.")
@json_option
@quiet_option
@verbose_option
def convert_command(
    sources: tuple[str, ...],
    *,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
    **given: Any,
) -> None:
    """Convert CSV, text or Parquet files, or a dataset, into a dataset.

    Every column gets the smallest type that holds all its values. A SOURCE is a file, a pattern
    such as 'data/*.csv', a folder of files, or the folder of a dataset, whose types are kept;
    several with the same columns become one dataset, in the order given.

    \b
    bigdata convert trips.csv --to parquet --dry-run
    bigdata convert trips.csv --to tfrecord --shards 3
    bigdata convert trips.csv --to npy --layout matrix --label fare
    """
    exclusive(shards=given["shards"], shard_size=given["shard_size"])
    exclusive(dry_run=dry_run or None, repair=given["repair"] or None)
    exclusive(quiet=quiet or None, verbose=verbose or None)
    options = request_of(ConvertOptions, given)
    if dry_run:
        _plan(sources, options, as_json=as_json, quiet=quiet, verbose=verbose)
    else:
        _convert(sources, options, as_json=as_json, quiet=quiet, verbose=verbose)


def _plan(
    sources: tuple[str, ...],
    options: ConvertOptions,
    *,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    from bigdata_cli.cli.render import emit_json
    from bigdata_cli.resources.budget import check_limit

    check_limit(options.memory_limit)
    from bigdata_cli.conversion.run import dry_run

    plan = dry_run(sources, options)
    if verbose:
        from bigdata_cli.cli.verbose import VerboseLog

        VerboseLog(partial(click.echo, err=True)).plan(plan)
    if as_json:
        emit_json(plan.to_json())
    elif not quiet:
        print_plan(plan)


def _convert(
    sources: tuple[str, ...],
    options: ConvertOptions,
    *,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    from bigdata_cli.cli.process import fit_heap, set_up_heap
    from bigdata_cli.cli.render import emit_json
    from bigdata_cli.resources.budget import check_limit

    check_limit(options.memory_limit)
    set_up_heap(options.memory_limit)
    gc.disable()  # what is imported stays: there is no garbage to look for among it, now or later
    from bigdata_cli.cli.progress import ProgressDisplay
    from bigdata_cli.conversion.run import run

    gc.freeze()
    gc.enable()
    from bigdata_cli.cli.verbose import verbose_log

    with (
        ProgressDisplay(quiet=quiet) as progress,
        verbose_log(progress.say, is_on=verbose) as log,
    ):
        hooks: dict[str, Any] = {"progress": progress, "on_budget": fit_heap}
        if log is not None:
            hooks["on_plan"] = log.plan
        report = run(sources, options, **hooks)
    if as_json:
        emit_json(report.to_json())
    elif not quiet:
        print_report(report)


def print_plan(plan: Plan) -> None:
    """Print what a conversion would do."""
    from bigdata_cli.cli.render import (
        confidence_text,
        dialect_text,
        print_pairs,
        print_table,
        sanitize,
    )
    from bigdata_cli.resources.sizes import format_size

    source, sample = plan.source, plan.sample
    size = format_size(source.bytes) if sample.size_known else "size not known"
    few = "about " if sample.size_known else "at least "
    click.echo("Nothing is written: this is what bigdata convert would do.\n")
    print_pairs(
        {
            "source": f"{', '.join(file.name for file in source.files)} ({size})",
            "dialect": dialect_text(source.dialect.to_json()),
            "confidence": confidence_text(source.confidence, source.reasons),
            "output": plan.output,
            "format": f"{plan.form.name}, layout {plan.storage.layout}",
            "label": plan.storage.label,
            "shards": ("" if plan.counts_shards else few) + f"{plan.shards.count:,}",
            "rows": f"{few}{sample.estimated_rows:,}",
            "memory limit": _memory_limit(plan.memory),
        }
    )
    click.echo()
    columns = list(sample.schema)
    print_table(
        None,
        ["column", "dtype", "categories"],
        [
            [column.name, column.dtype, f"{column.n_values:,}" if column.vocabulary else None]
            for column in columns[:SHOWN_COLUMNS]
        ],
        more=_more_columns(len(columns)),
    )
    click.echo(sanitize("Types are those of a sample; a conversion checks every value."))


def print_report(report: ConvertReport) -> None:
    """Print what a conversion did, and the next command."""
    from bigdata_cli.cli.progress import format_duration
    from bigdata_cli.cli.render import (
        confidence_text,
        dialect_text,
        print_pairs,
        sanitize,
    )
    from bigdata_cli.cli.sparkline import print_memory
    from bigdata_cli.resources.sizes import format_size

    rate = report.bytes_in / report.seconds if report.seconds > 0 else 0.0
    share = f" ({100 * report.bytes_out / report.bytes_in:.0f} % of it)" if report.bytes_in else ""
    print_pairs(
        {
            "dataset": f"{report.output} ({report.format}, layout {report.layout})",
            "task": None if report.task is None else f"{report.task}, of a dataset that is not yet",
            "rows": f"{report.rows:,}",
            "rejected rows": _rejected(report),
            "filtered rows": f"{report.filtered_rows:,}" if report.filtered_rows else None,
            "unknown values": _counted(report.manifest.unknown_values),
            "shards": f"{report.n_shards:,}"
            + (f" in {report.n_files:,} files" if report.n_files != report.n_shards else ""),
            "shards done before": f"{report.resumed_shards:,}" if report.resumed_shards else None,
            "shards done again": f"{report.redone_shards:,}" if report.redone_shards else None,
            "source": format_size(report.bytes_in),
            "dialect": dialect_text(report.manifest.dialect),
            "confidence": confidence_text(report.confidence, report.reasons),
            "written": format_size(report.bytes_out) + share,
            "time": f"{format_duration(report.seconds)} ({format_size(rate)}/s)",
            "peak memory": format_size(report.peak_memory_bytes),
            "memory limit": _memory_limit(report.budget),
        }
    )
    if report.memory is not None:
        print_memory(report.memory)
    click.echo()
    _print_columns(report)
    _print_stages(report)
    _print_spec(report)
    for note in report.notes:
        click.echo(f"Note: {sanitize(note)}")
    click.echo("\nNext:")
    commands = next_commands(report.output, report.manifest.storage.label)
    if report.task is not None:
        commands = [f"bigdata commit {shlex.quote(str(report.output))}"]
    for command in commands:
        click.echo(f"  {sanitize(command)}")


def _rejected(report: ConvertReport) -> str | None:
    from bigdata_cli.cli.render import rejected_text

    if report.task is not None:  # there is no dataset yet
        return f"{report.rejected_rows:,}" if report.rejected_rows else None
    return rejected_text(report.rejected_rows, report.output)


def _print_spec(report: ConvertReport) -> None:
    """The spec of `tf.train.Example` records, where they are such and have few features."""
    from bigdata_cli.cli.render import sanitize
    from bigdata_cli.formats.example_spec import MAX_SHOWN_FEATURES, spec_text
    from bigdata_cli.formats.registry import get_format

    form = get_format(report.format)
    if not form.traits.holds_examples or report.task is not None:
        return
    spec = form.feature_spec(report.manifest.to_json())
    if len(spec) <= MAX_SHOWN_FEATURES:
        click.echo("\nWhat tf.io.parse_example takes:")
        for line in spec_text(spec).splitlines():
            click.echo(f"  {sanitize(line)}")


def _counted(by_column: Mapping[str, int]) -> str | None:
    """How many there are together, and of how many columns."""
    total = f"{sum(by_column.values()):,}"
    n_columns = len(by_column)
    return f"{total} in {n_columns:,} column{'s' * (n_columns != 1)}" if by_column else None


def _memory_limit(budget: MemoryBudget | None) -> str | None:
    """The limit, and what follows from it."""
    from bigdata_cli.resources.sizes import format_size

    if budget is None:
        return None
    threads = f"{budget.jobs} thread{'' if budget.jobs == 1 else 's'}"
    return (
        f"{format_size(budget.limit_bytes)} ({threads}, "
        f"{format_size(budget.unit_bytes)} of source each at a time)"
    )


def _print_stages(report: ConvertReport) -> None:
    from bigdata_cli.cli.render import print_table
    from bigdata_cli.resources.stages import STAGES

    if report.stages is None:
        return
    total = sum(report.stages.values()) or 1.0
    rows = [
        [name, f"{seconds:.2f}", f"{100 * seconds / total:.0f} %", STAGES[name]]
        for name, seconds in report.stages.items()
    ]
    click.echo()
    if report.memory is not None:
        phases = report.memory.phase_seconds()
        shown = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in phases.items())
        click.echo(f"Time: {shown}\n")
    print_table("Processor time", ["stage", "seconds", "share", "what it is"], rows)


def _print_columns(report: ConvertReport) -> None:
    from bigdata_cli.cli.render import print_pairs, print_table
    from bigdata_cli.resources.sizes import format_size

    def row(name: str, dtype: str | None, nulls: int, pandas_bytes: int, n_bytes: int) -> list[Any]:
        return [
            name,
            dtype,
            f"{nulls:,}" if nulls else None,
            format_size(pandas_bytes),
            format_size(n_bytes),
            saved_percent(pandas_bytes, n_bytes),
        ]

    shown = report.columns[:SHOWN_COLUMNS]
    rows = [
        row(column.name, column.dtype, column.nulls, column.pandas_bytes, column.bytes)
        for column in shown
    ]
    total = row(
        "total",
        None,
        sum(column.nulls for column in report.columns),
        sum(column.pandas_bytes for column in report.columns),
        sum(column.bytes for column in report.columns),
    )
    print_table(
        "Memory of the columns",
        ["column", "dtype", "nulls", "in pandas", "now", "saved"],
        [*rows, total],
        more=_more_columns(len(report.columns)),
    )
    if notes := {column.name: column.note for column in shown if column.note}:
        click.echo()
        print_pairs(notes)


def saved_percent(before: int, after: int) -> str | None:
    """What share of `before` is saved, in percent; None where there was nothing.

    >>> saved_percent(800, 100), saved_percent(0, 0)
    ('88 %', None)
    """
    return f"{100 * (1 - after / before):.0f} %" if before else None


def next_commands(output: Place, label: str | None) -> list[str]:
    """The commands that make sense after a conversion, ready to paste."""
    name = str(output)
    folder = shlex.quote(f"./{name}" if name.startswith("-") else name)
    commands = [f"bigdata inspect {folder}"]
    if label is not None:
        commands.append(f"bigdata train {folder} --label {shlex.quote(label)}")
    return commands


def _more_columns(n_columns: int) -> str | None:
    hidden = n_columns - SHOWN_COLUMNS
    if hidden <= 0:
        return None
    return f"… and {hidden:,} more column{'s' if hidden > 1 else ''} (all of them: --json)"
