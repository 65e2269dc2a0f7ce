"""`bigdata predict`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from bigdata_cli.cli.options import (
    ColumnList,
    Name,
    joined,
    json_option,
    memory_record_options,
    quiet_option,
)

if TYPE_CHECKING:
    from bigdata_cli.training.predict import PredictProgress, PredictReport

SECONDS_BETWEEN_LINES = 5.0
BACKENDS = ("tensorflow", "torch", "jax")


@click.command("predict")
@click.argument("model", type=click.Path(path_type=Path), metavar="MODEL")
@click.argument("dataset", type=click.Path(path_type=Path), metavar="DATASET")
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    help="A .parquet or .csv file, or - for CSV on standard output.",
)
@click.option(
    "--columns",
    type=ColumnList(),
    multiple=True,
    callback=joined,
    help="Columns of the dataset to write before the predictions; separated by commas.",
)
@click.option(
    "--probabilities", is_flag=True, help="Also write the probability of every value of the label."
)
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=16_384,
    show_default=True,
    help="Rows that are in memory at a time.",
)
@click.option(
    "--backend",
    type=Name(BACKENDS),
    help="What Keras runs on.  [default: what the model was trained on]",
)
@click.option("--force", is_flag=True, help="Replace the output where it exists.")
@memory_record_options
@json_option
@quiet_option
def predict_command(
    model: Path,
    dataset: Path,
    *,
    output: str,
    columns: tuple[str, ...],
    probabilities: bool,
    batch_size: int,
    backend: str | None,
    force: bool,
    memory_plot: Path | None,
    memory_log: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write what a trained model says of every row of a dataset, in its order.

    MODEL is a file that `bigdata train --save` wrote, or the folder of a bag (`--bag`), whose
    members' predictions are averaged. Written are, for a label of two values, the probability of
    the second one; for classes the likeliest and its probability; for a number its value. Where the
    dataset has the label, the summary says how good the predictions are.

    \b
    bigdata predict model.keras trips-tfrecord -o tips.parquet --columns id
    """
    from bigdata_cli.cli.render import emit_json
    from bigdata_cli.training.predict import STDOUT, predict

    to_stdout = output == STDOUT
    if to_stdout and as_json:
        raise click.UsageError(
            "-o - and --json would both write on standard output; -o FILE writes the predictions",
            click.get_current_context(),
        )
    display = PredictDisplay(sys.stderr, quiet=quiet)
    try:
        report = predict(
            model,
            dataset,
            output=output,
            columns=columns,
            probabilities=probabilities,
            batch_size=batch_size,
            backend=backend,
            force=force,
            memory_plot=memory_plot,
            memory_log=memory_log,
            progress=display.show,
        )
    finally:
        display.close()
    if as_json:
        emit_json(report.to_json())
    elif not quiet:
        print_report(report, to_stderr=to_stdout)


class PredictDisplay:
    """Shows how far predictions are: a bar on a terminal, a line every few seconds elsewhere."""

    def __init__(self, stream: TextIO, *, quiet: bool) -> None:
        self._stream = stream
        self._quiet = quiet
        self._bar: Any = None
        self._next_line = time.monotonic() + SECONDS_BETWEEN_LINES

    def show(self, progress: PredictProgress) -> None:
        """Show where the predictions stand, where that is due."""
        if self._quiet:
            return
        if self._stream.isatty():
            self._show_bar(progress)
        elif time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + SECONDS_BETWEEN_LINES
            line = f"predicting: {progress.rows:,} of {progress.total_rows:,} rows"
            print(line, file=self._stream, flush=True)

    def _show_bar(self, progress: PredictProgress) -> None:
        from tqdm import tqdm

        if self._bar is None:
            self._bar = tqdm(
                total=progress.total_rows,
                desc="predicting",
                unit=" rows",
                unit_scale=True,
                file=self._stream,
                dynamic_ncols=True,
            )
        self._bar.update(progress.rows - self._bar.n)

    def close(self) -> None:
        """Leave the terminal's line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def print_report(report: PredictReport, *, to_stderr: bool = False) -> None:
    """Print what was predicted; on stderr where stdout has the predictions."""
    from bigdata_cli.cli.progress import format_duration
    from bigdata_cli.cli.render import print_memory, print_pairs, sanitize
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
