"""`predict`: the predictions of a model, or of a bag, for each row of a dataset or of a file."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

from bigdata_cli.dataset import Dataset
from bigdata_cli.errors import UsageError
from bigdata_cli.io.whole_file import open_whole_file
from bigdata_cli.printable import ShortRepr
from bigdata_cli.resources.budget import memory_errors
from bigdata_cli.resources.progress import ProgressState
from bigdata_cli.resources.recorder import MemoryRecord, record_memory
from bigdata_cli.resources.stages import begin_phase, report_decision
from bigdata_cli.training.bag import Bag, load_predictor
from bigdata_cli.training.evaluate import Evaluation
from bigdata_cli.training.metrics import METRICS, TaskMetrics
from bigdata_cli.training.predict_options import PredictOptions
from bigdata_cli.training.predict_rows import RowsToPredict, rows_to_predict
from bigdata_cli.training.prediction_table import PredictionColumns, TableWriter, decoded_column
from bigdata_cli.training.saved import TrainedModel
from bigdata_cli.training.tree_model import TreeModel
from bigdata_cli.url import Place

STDOUT = "-"
SUFFIXES = (".parquet", ".csv")


@dataclass(frozen=True, kw_only=True)
class PredictProgress:
    """How many rows are predicted, of how many: about, of files; None where nobody knows."""

    rows: int
    total_rows: int | None

    @property
    def state(self) -> ProgressState:
        """The same in the form of all progress."""
        total = 0 if self.total_rows is None else max(self.total_rows, self.rows)
        return ProgressState("predicting", self.rows, total, "rows", "")


ProgressListener = Callable[[PredictProgress], None]


@dataclass(frozen=True, kw_only=True, repr=False)
class PredictReport(ShortRepr):
    """The report of a prediction.

    Attributes:
        model: The file of the model; None where it was in memory.
        output: The file of the predictions; None for standard output.
        members: How many models were averaged.
        columns: The columns of the file, in order.
        positive: The value of a binary label that `probability` is of.
        not_finite: Rows whose prediction is NaN or infinite, and written as null.
        evaluation: Against the label of the dataset; None where it has none.
        memory: Over time, with its phases.
    """

    shown = ("model", "dataset", "output", "label", "rows", "not_finite", "seconds", "notes")

    model: Path | None
    dataset: Place
    output: Path | None
    label: str
    task: str
    members: int
    columns: tuple[str, ...]
    positive: str | None
    rows: int
    not_finite: int
    seconds: float
    rows_per_second: float
    evaluation: Evaluation | None
    notes: tuple[str, ...]
    backend: str
    peak_memory_bytes: int = 0
    memory: MemoryRecord | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        values = dict(vars(self))
        values["phases"] = None if self.memory is None else self.memory.phase_seconds()
        del values["memory"]
        values["model"] = None if self.model is None else str(self.model)
        values["dataset"] = str(self.dataset)
        values["output"] = STDOUT if self.output is None else str(self.output)
        values["columns"], values["notes"] = list(self.columns), list(self.notes)
        values["evaluation"] = None if self.evaluation is None else self.evaluation.to_json()
        return values


def run(
    model: str | Path | TrainedModel | TreeModel | Bag,
    dataset: str | Path | Dataset,
    options: PredictOptions,
    progress: ProgressListener | None = None,
) -> PredictReport:
    """Predict every row of a dataset into a file; memory holds `options.batch_size` rows."""
    target = check_output(options.output, force=options.force)
    with record_memory(options.record, title="bigdata predict") as recorder, memory_errors():
        begin_phase("loading")
        path = Path(model) if isinstance(model, str | Path) else None
        if isinstance(model, str | Path):
            model = load_predictor(model, backend=options.backend)
        rows = rows_to_predict(dataset, model, options)
        predictions = _Predictions(model, rows, options)
        report_decision(f"predictions: {', '.join(predictions.names)}, of the rows of {dataset}")
        begin_phase("predicting")
        began = time.perf_counter()
        with _sink(target) as sink:
            is_csv = target is None or target.suffix == ".csv"
            predictions.write(TableWriter(sink, is_csv=is_csv), options.batch_size, progress)
        seconds = time.perf_counter() - began
    record = recorder.record()
    report = predictions.report(path, target, seconds)
    return replace(report, peak_memory_bytes=record.peak_bytes, memory=record)


def check_output(output: str | Path, *, force: bool) -> Path | None:
    """Return the file to write, None for standard output; raise UsageError where it cannot be."""
    if str(output) == STDOUT:
        return None
    path = Path(output)
    if path.suffix not in SUFFIXES:
        raise UsageError(
            f"{path}: predictions are written as {' or '.join(SUFFIXES)}",
            hint=f"-o {path.with_suffix('.parquet').name}, or -o - for CSV on standard output",
        )
    if path.is_dir():
        raise UsageError(f"{path} is a folder", hint=f"-o {path / 'predictions.parquet'}")
    if path.exists() and not force:
        raise UsageError(f"{path} exists already", hint="--force replaces it, or -o OTHER")
    if not path.parent.is_dir():
        raise UsageError(
            f"{path}: there is no folder {path.parent}", hint=f"mkdir -p '{path.parent}'"
        )
    return path


@contextmanager
def _sink(path: Path | None) -> Iterator[IO[bytes]]:
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with open_whole_file(path) as file:
        yield file


class _Predictions:
    """The predictions of a dataset, and their metric."""

    def __init__(
        self,
        model: TrainedModel | TreeModel | Bag,
        rows: RowsToPredict,
        options: PredictOptions,
    ) -> None:
        self._model = model
        self._rows = rows
        self._names = options.columns
        self._encoder = model.encoder(rows)
        self._columns = PredictionColumns(model.target, probabilities=options.probabilities)
        repeated = set(self._names) & set(self._columns.names)
        if repeated:
            raise UsageError(
                f'the column "{min(repeated)}" would be there twice: in the dataset and predicted',
                hint=f"--columns without {min(repeated)}",
            )
        self._metrics = TaskMetrics(model.target.task, scale=model.target.scale)
        self._n_rows = 0

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that are written."""
        return (*self._names, *self._columns.names)

    def write(
        self,
        writer: TableWriter,
        batch_size: int,
        progress: ProgressListener | None,
    ) -> None:
        """Predict and write block after block."""
        own = (column.name for column in self._encoder.columns)
        names = tuple(dict.fromkeys((*own, *self._names)))
        total_rows = self._rows.total_rows
        with writer:
            for batch in self._rows.blocks(names, batch_size):
                examples = self._encoder.examples(batch)
                logits = self._model.predict(examples)
                self._metrics.add(logits, examples.y)
                self._write_block(writer, batch, logits)
                self._n_rows += batch.num_rows
                if progress is not None:
                    progress(PredictProgress(rows=self._n_rows, total_rows=total_rows))
            if not self._n_rows:
                no_logits = np.empty((0, max(1, len(self._model.target.start))))
                self._write_block(writer, self._rows.schema.arrow().empty_table(), no_logits)

    def _write_block(
        self, writer: TableWriter, rows: pa.RecordBatch | pa.Table, logits: np.ndarray
    ) -> None:
        columns = {name: decoded_column(rows.column(name)) for name in self._names}
        writer.write(columns | self._columns.of(logits))

    def report(self, model: Path | None, output: Path | None, seconds: float) -> PredictReport:
        """Return the report of what was written."""
        target = self._model.target
        notes = [*self._rows.notes, *self._encoder.notes]
        evaluation = None
        if self._encoder.has_label:
            evaluation = Evaluation.of(self._metrics)
        else:
            notes.append(f"no {METRICS[self._metrics.name].label}: {self._encoder.label_problem}")
        not_finite = self._columns.not_finite
        if not_finite:
            notes.append(f"{not_finite:,} rows have no prediction, as it is not finite")
        return PredictReport(
            model=model,
            dataset=self._rows.path,
            output=output,
            label=target.column.name,
            task=str(target.task),
            members=len(self._model.members) if isinstance(self._model, Bag) else 1,
            columns=(*self._names, *self._columns.names),
            positive=self._columns.positive,
            rows=self._n_rows,
            not_finite=not_finite,
            seconds=seconds,
            rows_per_second=self._n_rows / max(seconds, 1e-9),
            evaluation=evaluation,
            notes=tuple(notes),
            backend=self._model.backend,
        )


def metric_text(evaluation: Evaluation) -> str:
    """Return the value of a metric, with the bound of its error where it is not exact.

    >>> metric_text(Evaluation(loss=0.1, metric="AUC", value=0.98765, error_bound=0.0, rows=9,
    ...     null_labels=0))
    '0.9877'
    """
    if evaluation.value is None or not math.isfinite(evaluation.value):
        return "not defined"
    bound = f" ± {evaluation.error_bound:.1g}" if evaluation.error_bound else ""
    return f"{evaluation.value:.4g}{bound}"
