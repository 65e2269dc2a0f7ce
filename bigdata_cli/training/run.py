"""`train`: a small model on a dataset, as the proof that the dataset can be trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bigdata_cli.dataset import Dataset
from bigdata_cli.resources.budget import memory_errors
from bigdata_cli.resources.recorder import record_memory
from bigdata_cli.resources.stages import begin_phase
from bigdata_cli.training.bagging import train_bag
from bigdata_cli.training.course import ProgressListener
from bigdata_cli.training.cross_validation import cross_validate
from bigdata_cli.training.evaluate import as_dataset
from bigdata_cli.training.history import write_history
from bigdata_cli.training.loss_plot import draw_losses
from bigdata_cli.training.models import training_of
from bigdata_cli.training.options import TrainOptions
from bigdata_cli.training.report import TrainingResult, TrainReport
from bigdata_cli.training.splits import training_split
from bigdata_cli.training.train_files import TrainFiles


def run(
    dataset: str | Path | Dataset, options: TrainOptions, progress: ProgressListener | None = None
) -> TrainReport:
    """Train a model, or a bag of them, and judge it."""
    with record_memory(options.record, title="bigdata train") as recorder, memory_errors():
        begin_phase("loading")
        opened = as_dataset(dataset, options.cached)
        opened, options = training_split(opened, options)
        if options.measuring.folds is not None:
            _, report = cross_validate(opened, options, progress)
        elif options.bag is None:
            result, report = training_of(opened, options).run(progress)
            if report.worker == 0:
                _write_files(options.files, result)
            del result
        else:
            report = train_bag(opened, options, progress)
    record = recorder.record()
    return replace(report, peak_memory_bytes=record.peak_bytes, memory=record)


def _write_files(files: TrainFiles, result: TrainingResult) -> None:
    """Write the history and the picture of a training."""
    course = result.course or result.loop
    if files.history is not None:
        write_history(files.history, course, first_epoch=result.first_epoch)
    if files.plot is not None:
        title = f"bigdata train {result.stream.dataset.path}"
        unit = "tree" if result.options.is_trees else "step"
        draw_losses(files.plot, course, title=title, unit=unit)
