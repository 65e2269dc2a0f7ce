"""`predict`: what a model, or a bag of them, says of each row of a dataset, into a file."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from bigdata_cli.dataset import Dataset, open_dataset
from bigdata_cli.errors import UsageError
from bigdata_cli.io.whole_file import whole_file
from bigdata_cli.resources.budget import memory_errors
from bigdata_cli.resources.recorder import MemoryRecord, record_memory
from bigdata_cli.resources.stages import begin_phase
from bigdata_cli.training.evaluate import Evaluation
from bigdata_cli.training.options import PredictOptions

if TYPE_CHECKING:
    from bigdata_cli.training.bagging import Bag
    from bigdata_cli.training.saved import TrainedModel

STDOUT = "-"
SUFFIXES = (".parquet", ".csv")


@dataclass(frozen=True, kw_only=True)
class PredictProgress:
    """How many rows are predicted, of how many."""

    rows: int
    total_rows: int


ProgressListener = Callable[[PredictProgress], None]


@dataclass(frozen=True, kw_only=True)
class PredictReport:
    """What was predicted.

    model: where it was loaded from, None where it was in memory. output: the file, None for
    standard output. members: models whose predictions are averaged. columns: of the file, in order.
    positive: the value of a binary label that `probability` is of. not_finite: rows whose
    prediction is NaN or infinite, which are written without one. evaluation: against the dataset's
    label, None where it has none. memory: over time, with its phases.
    """

    model: Path | None
    dataset: Path
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
        """The report as plain JSON values."""
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
    model: str | Path | TrainedModel | Bag,
    dataset: str | Path | Dataset,
    options: PredictOptions,
    progress: ProgressListener | None = None,
) -> PredictReport:
    """Predict every row of a dataset into a file; memory holds `options.batch_size` rows."""
    target = check_output(options.output, force=options.force)
    with record_memory(options.record, title="bigdata predict") as recorder, memory_errors():
        begin_phase("loading")
        opened = dataset if isinstance(dataset, Dataset) else open_dataset(dataset)
        carried: tuple[str, ...] = ()
        if options.columns:
            carried = tuple(column.name for column in opened.select(options.columns))
        predictor, path = _loaded(model, options.backend)
        predictions = _Predictions(predictor, opened, carried, probabilities=options.probabilities)
        begin_phase("predicting")
        began = time.perf_counter()
        with _sink(target) as sink:
            is_csv = target is None or target.suffix == ".csv"
            predictions.write(sink, is_csv=is_csv, batch_size=options.batch_size, progress=progress)
        seconds = time.perf_counter() - began
    record = recorder.record()
    report = predictions.report(path, target, seconds)
    return replace(report, peak_memory_bytes=record.peak_bytes, memory=record)


def check_output(output: str | Path, *, force: bool) -> Path | None:
    """Where to write, None for standard output; UsageError where that cannot be."""
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


def _loaded(
    model: str | Path | TrainedModel | Bag, backend: str | None
) -> tuple[TrainedModel | Bag, Path | None]:
    from bigdata_cli.training.bagging import load_predictor

    if isinstance(model, str | Path):
        return load_predictor(model, backend=backend), Path(model)
    return model, None


@contextmanager
def _sink(path: Path | None) -> Iterator[IO[bytes]]:
    if path is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    with whole_file(path) as partial, partial.open("wb") as file:
        yield file


class _Predictions:
    """Predictions of a dataset, and what they come to."""

    def __init__(
        self,
        model: TrainedModel | Bag,
        dataset: Dataset,
        carried: tuple[str, ...],
        *,
        probabilities: bool,
    ) -> None:
        from bigdata_cli.training.metrics import TaskMetrics
        from bigdata_cli.training.prediction import PredictionColumns

        self._model = model
        self._dataset = dataset
        self._carried = carried
        self._encoder = model.check(dataset)
        self._predictions = PredictionColumns(model.target, probabilities=probabilities)
        twice = set(carried) & set(self._predictions.names)
        if twice:
            raise UsageError(
                f'the column "{min(twice)}" would be there twice, from the dataset and predicted',
                hint=f"--columns without {min(twice)}",
            )
        self._metrics = TaskMetrics(model.target.task, scale=model.target.scale)
        self._rows = 0

    def write(
        self,
        sink: IO[bytes],
        *,
        is_csv: bool,
        batch_size: int,
        progress: ProgressListener | None,
    ) -> None:
        """Predict block after block, and write each."""
        from bigdata_cli.training.evaluate import blocks
        from bigdata_cli.training.prediction import TableWriter, carried_column

        total = self._dataset.rows
        with TableWriter(sink, is_csv=is_csv) as writer:
            for batch in blocks(self._dataset, self._encoder, batch_size, columns=self._carried):
                examples = self._encoder.encode(batch)
                logits = self._model.predict(examples)
                self._metrics.add(logits, examples.y)
                columns = {name: carried_column(batch.column(name)) for name in self._carried}
                writer.write(columns | self._predictions.of(logits))
                self._rows += batch.num_rows
                if progress is not None:
                    progress(PredictProgress(rows=self._rows, total_rows=total))
            if not self._rows:
                empty = self._dataset.schema.arrow().empty_table()
                columns = {name: carried_column(empty.column(name)) for name in self._carried}
                writer.write(columns | self._predictions.of_no_rows())

    def report(self, model: Path | None, output: Path | None, seconds: float) -> PredictReport:
        """What was written, and how good it is."""
        import keras

        from bigdata_cli.training.bagging import Bag

        target = self._model.target
        notes = list(self._encoder.notes)
        evaluation = None
        if self._encoder.has_label:
            evaluation = Evaluation.of(self._metrics, target)
        else:
            notes.append(f"no {target.metric}: {self._encoder.label_problem}")
        not_finite = self._predictions.not_finite
        if not_finite:
            notes.append(f"{not_finite:,} rows have no prediction, as it is not finite")
        return PredictReport(
            model=model,
            dataset=self._dataset.path,
            output=output,
            label=target.column.name,
            task=str(target.task),
            members=len(self._model.members) if isinstance(self._model, Bag) else 1,
            columns=(*self._carried, *self._predictions.names),
            positive=self._predictions.positive,
            rows=self._rows,
            not_finite=not_finite,
            seconds=seconds,
            rows_per_second=self._rows / max(seconds, 1e-9),
            evaluation=evaluation,
            notes=tuple(notes),
            backend=keras.backend.backend(),
        )


def metric_text(evaluation: Evaluation) -> str:
    """The value of the metric, with what it may be wrong by where that is not nothing.

    >>> metric_text(Evaluation(loss=0.1, metric="AUC", value=0.98765, error_bound=0.0, rows=9,
    ...     null_labels=0))
    '0.9877'
    """
    if evaluation.value is None or not math.isfinite(evaluation.value):
        return "not defined"
    bound = f" ± {evaluation.error_bound:.1g}" if evaluation.error_bound else ""
    return f"{evaluation.value:.4g}{bound}"
