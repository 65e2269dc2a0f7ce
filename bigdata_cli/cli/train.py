"""`bigdata train`."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import pstdev
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
from bigdata_cli.cli.progress import ProgressDisplay
from bigdata_cli.options import request_of
from bigdata_cli.training.options import TrainOptions
from bigdata_cli.url import Place

if TYPE_CHECKING:
    from bigdata_cli.training.report import TrainReport

MAX_COLUMNS = 20
"""Of the table of importance."""


@click.command("train", cls=RequestCommand)
@click.argument("dataset", type=PlaceOf(), metavar="DATASET")
@request_options(TrainOptions)
@json_option
@quiet_option
@verbose_option
def train_command(
    dataset: Place, *, as_json: bool, quiet: bool, verbose: bool, **given: Any
) -> None:
    """Train a small model on a dataset, to prove that it works.

    A perceptron, streamed from the shards and normalised by the manifest's statistics, or boosted
    trees (--model xgboost, lightgbm). A fifth of
    the rows is held out for the metric: AUC for a label of two values, accuracy for few, RMSE for a
    number. Exit status 1 where the loss is not finite, did not fall, or fell by memorising only.

    \b
    bigdata train trips-tfrecord --label tipped --save tips.keras
    """
    from bigdata_cli.cli.render import emit_json
    from bigdata_cli.cli.verbose import verbose_log
    from bigdata_cli.errors import SmokeTestError
    from bigdata_cli.training.run import run

    check_quiet(quiet=quiet, verbose=verbose)
    options = request_of(TrainOptions, given)
    with (
        ProgressDisplay(quiet=quiet) as progress,
        verbose_log(progress.say, is_on=verbose),
    ):
        report = run(dataset, options, progress=progress)
    if report.worker == 0:
        if as_json:
            emit_json(report.to_json())
        elif not quiet:
            print_report(report)
    if not report.passed:
        raise SmokeTestError(
            f"{report.dataset}, label {report.label}: {report.reason}",
            hint="--epochs trains longer; bigdata inspect shows the columns",
        )


def print_report(report: TrainReport) -> None:
    """Print what a training did."""
    from bigdata_cli.cli.progress import format_duration
    from bigdata_cli.cli.render import print_pairs, sanitize
    from bigdata_cli.cli.sparkline import print_memory
    from bigdata_cli.resources.sizes import format_size

    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    held_out = f"{report.held_out_rows:,} held out"
    pairs: dict[str, object] = {
        "dataset": report.dataset,
        "label": f"{report.label} ({report.task})",
        "devices": _devices(report),
        "versions": versions,
        "features": f"{len(report.features):,} columns",
        "rows": f"{report.rows:,}: {report.trained_rows:,} trained on, "
        + (held_out if report.evaluated_on is None else "none held out"),
        "training": _course(report),
        "time": f"{format_duration(report.seconds)} ({report.rows_per_second:,.0f} rows/s)",
        **({} if report.pace is None else {"pace": report.pace.sentence()}),
        "first loss": f"{report.first_loss:.4g}",
        "last loss": f"{report.last_loss:.4g}",
        "loss, held out": f"{report.held_out_loss:.4g} (a constant: {report.constant_loss:.4g})",
        report.metric: _metric(report),
        "peak memory": format_size(report.peak_memory_bytes) + _predicted(report),
    }
    if report.member_metrics:
        pairs["bag"] = _several(report, report.member_metrics, "models")
    if report.fold_metrics:
        pairs["cross-validation"] = _several(report, report.fold_metrics, "folds")
    if report.saved is not None:
        pairs["saved"] = report.saved
    print_pairs(pairs)
    if report.memory is not None:
        print_memory(report.memory)
    _print_importance(report)
    for note in report.notes:
        click.echo(f"Note: {sanitize(note)}")
    if report.passed:
        click.echo(f"Passed: {sanitize(report.reason)}")


def _predicted(report: TrainReport) -> str:
    from bigdata_cli.resources.sizes import format_size

    if report.predicted_memory_bytes is None:
        return ""
    disk = report.predicted_disk_bytes
    cache = f", and a cache of {format_size(disk)}" if disk else ""
    return f" (predicted: {format_size(report.predicted_memory_bytes)}{cache})"


def _devices(report: TrainReport) -> str:
    named = ", ".join(report.devices)
    if report.replicas == 1:
        return named
    workers = f" in {report.workers:,} workers" if report.workers > 1 else ""
    return f"{named} ({report.strategy}: {report.replicas:,} devices{workers})"


def _course(report: TrainReport) -> str:
    """How many epochs, or trees, there were."""
    count, resumed, unit = report.epochs, report.resumed_epochs, "epoch"
    if report.trees:
        count, resumed, unit = report.trees, report.resumed_trees, "tree"
    of = f" of {report.model}" if report.trees else ""
    before = f" ({resumed:,} of them before)" if resumed else ""
    best = "" if report.best_epoch is None else f", {unit} {report.best_epoch:,} is the best"
    steps = "" if report.trees else f", {report.steps:,} steps of {report.batch_size:,} rows"
    return f"{count:,} {unit}{'' if count == 1 else 's'}{of}{before}{best}{steps}"


def _several(report: TrainReport, values: Sequence[float | None], unit: str) -> str:
    known = [value for value in values if value is not None]
    ends = f": {report.metric} {min(known):.4g} to {max(known):.4g} each" if known else ""
    return f"{len(values):,} {unit}{ends}"


def _print_importance(report: TrainReport) -> None:
    """Print by how much the metric gets worse where each column is shuffled."""
    from bigdata_cli.cli.render import print_table

    if not report.importance:
        return
    shown = report.importance[:MAX_COLUMNS]
    hidden = len(report.importance) - len(shown)
    print_table(
        f"Importance: how much worse the {report.metric} is with the column shuffled",
        ("column", "worse by", "±"),
        [(one.column, f"{one.mean:.4g}", f"{one.std:.2g}") for one in shown],
        right=(False, True, True),
        more=f"… and {hidden:,} more columns (--json)" if hidden else None,
    )


def _metric(report: TrainReport) -> str:
    if report.metric_value is None:
        return "not defined"
    bound = f" ± {report.metric_error_bound:.1g}" if report.metric_error_bound else ""
    where = "held out" if report.evaluated_on is None else f"{report.evaluated_on}"
    if report.fold_metrics:
        deviation = pstdev(value for value in report.fold_metrics if value is not None)
        bound, where = f" ± {deviation:.2g}", "mean of the folds"
    return f"{report.metric_value:.4g}{bound} ({where}, {report.evaluated_rows:,} rows)"
