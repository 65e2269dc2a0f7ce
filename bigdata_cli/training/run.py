"""`train`: a small model on a dataset, as the proof that the dataset can be trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from bigdata_cli.dataset import Dataset
from bigdata_cli.io.whole_file import write_whole_file
from bigdata_cli.resources.budget import memory_errors
from bigdata_cli.resources.recorder import record_memory
from bigdata_cli.resources.stages import begin_phase
from bigdata_cli.training.bagging import train_bag
from bigdata_cli.training.course import LoopResult, ProgressListener
from bigdata_cli.training.cross_validation import cross_validate
from bigdata_cli.training.evaluate import as_dataset
from bigdata_cli.training.history import write_history
from bigdata_cli.training.loss_plot import draw_losses
from bigdata_cli.training.models import training_of
from bigdata_cli.training.options import TrainOptions
from bigdata_cli.training.page import training_page
from bigdata_cli.training.report import TrainReport
from bigdata_cli.training.splits import training_split


def run(
    dataset: str | Path | Dataset, options: TrainOptions, progress: ProgressListener | None = None
) -> TrainReport:
    """Train a model, or a bag of them, and judge it."""
    write_page: Callable[[TrainReport], str] | None = None
    with record_memory(options.record, title="bigdata train") as recorder, memory_errors():
        begin_phase("loading")
        opened = as_dataset(dataset, options.cached)
        opened, options = training_split(opened, options)
        if options.measuring.folds is not None:
            options.files.check()
            hold_out, target, report = cross_validate(opened, options, progress)
            write_page = partial(training_page, hold_out=hold_out, target=target, course=None)
        elif options.bag is None:
            result, report = training_of(opened, options).run(progress)
            course, target = result.course or result.loop, result.stream.target
            write_page = partial(
                training_page, hold_out=result.hold_out, target=target, course=course
            )
            if report.worker == 0:
                _write_files(options, course, report, result.first_epoch)
            del result
        else:
            report = train_bag(opened, options, progress)
    record = recorder.record()
    report = replace(report, peak_memory_bytes=record.peak_bytes, memory=record)
    path = options.files.report
    if path is not None and write_page is not None and report.worker == 0:
        write_whole_file(path, write_page(report))
    return report


def _write_files(
    options: TrainOptions, course: LoopResult, report: TrainReport, first_epoch: int
) -> None:
    """Write the history and the picture of a training."""
    files = options.files
    if files.history is not None:
        write_history(files.history, course, first_epoch=first_epoch)
    if files.plot is not None:
        title = f"bigdata train {report.dataset}"
        unit = "tree" if options.is_trees else "step"
        draw_losses(files.plot, course, title=title, unit=unit)
