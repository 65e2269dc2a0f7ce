"""`bigdata predict`."""

from __future__ import annotations

import sys
from pathlib import Path
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
from bigdata_cli.training.predict_options import PredictOptions
from bigdata_cli.url import Place

if TYPE_CHECKING:
    from bigdata_cli.training.predict import PredictReport


@click.command("predict", cls=RequestCommand)
@click.argument("model", type=click.Path(path_type=Path), metavar="MODEL")
@click.argument("dataset", type=PlaceOf(), metavar="DATASET|FILE")
@request_options(PredictOptions)
@json_option
@quiet_option
@verbose_option
def predict_command(
    model: Path, dataset: Place, *, as_json: bool, quiet: bool, verbose: bool, **given: Any
) -> None:
    """Predict every row of a dataset, or of a file, with a saved model.

    The rows of a file (CSV, JSON lines, Parquet) become such of the dataset that the model was
    trained on first: by the same steps, statistics, types and categories.

    MODEL is a file that `bigdata train --save` wrote, or the folder of a bag (`--bag`), whose
    members' predictions are averaged. Written are, for a label of two values, the probability of
    the second one; for classes the likeliest and its probability; for a number its value. Where the
    dataset has the label, the summary says how good the predictions are.

    \b
    bigdata predict model.keras trips-tfrecord -o tips.parquet --columns id
    bigdata predict model.keras july.csv -o tips.csv
    """
    from bigdata_cli.cli.render import emit_json
    from bigdata_cli.cli.verbose import verbose_log
    from bigdata_cli.training.predict import STDOUT, run

    check_quiet(quiet=quiet, verbose=verbose)
    options = request_of(PredictOptions, given)
    to_stdout = options.output == STDOUT
    if to_stdout and as_json:
        raise click.UsageError(
            "-o - and --json would both write on standard output; -o FILE writes the predictions",
            click.get_current_context(),
        )
    with (
        ProgressDisplay(quiet=quiet) as progress,
        verbose_log(progress.say, is_on=verbose),
    ):
        report = run(model, dataset, options, progress=progress)
    if as_json:
        emit_json(report.to_json())
    elif not quiet:
        print_report(report, to_stderr=to_stdout)


def print_report(report: PredictReport, *, to_stderr: bool = False) -> None:
    """Print what was predicted; on stderr where stdout has the predictions."""
    from bigdata_cli.cli.progress import format_duration
    from bigdata_cli.cli.render import print_pairs, sanitize
    from bigdata_cli.cli.sparkline import print_memory
    from bigdata_cli.resources.sizes import format_size
    from bigdata_cli.training.predict import metric_text

    members = f" ({report.members:,} models)" if report.members > 1 else ""
    of = f" of {report.positive}" if report.positive is not None else ""
    evaluation = report.evaluation
    pairs: dict[str, object] = {
        "model": f"{report.model}{members}",
        "dataset": report.dataset,
        "label": f"{report.label} ({report.task})",
        "output": "standard output" if report.output is None else report.output,
        "columns": ", ".join(
            name + of if name == "probability" else name for name in report.columns
        ),
        "rows": f"{report.rows:,}",
        "time": f"{format_duration(report.seconds)} ({report.rows_per_second:,.0f} rows/s)",
    }
    if evaluation is not None:
        without = f", {evaluation.null_labels:,} without" if evaluation.null_labels else ""
        pairs[evaluation.metric] = (
            f"{metric_text(evaluation)} ({evaluation.rows:,} rows with a label{without})"
        )
    pairs["peak memory"] = format_size(report.peak_memory_bytes)
    print_pairs(pairs, file=sys.stderr if to_stderr else None)
    if report.memory is not None and not to_stderr:
        print_memory(report.memory)
    for note in report.notes:
        click.echo(f"Note: {sanitize(note)}", err=to_stderr)
