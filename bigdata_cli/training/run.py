"""`train`: a small model on a dataset, as the proof that the dataset can be trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bigdata_cli.dataset import Dataset
from bigdata_cli.resources.budget import memory_errors
from bigdata_cli.resources.recorder import record_memory
from bigdata_cli.resources.stages import begin_phase
from bigdata_cli.training.bagging import train_bag
from bigdata_cli.training.evaluate import as_dataset
from bigdata_cli.training.loop import ProgressListener
from bigdata_cli.training.models import training_of
from bigdata_cli.training.options import TrainOptions
from bigdata_cli.training.report import TrainReport
from bigdata_cli.training.splits import training_split


def run(
    dataset: str | Path | Dataset, options: TrainOptions, progress: ProgressListener | None = None
) -> TrainReport:
    """Train a model, or a bag of them, and judge it."""
    with record_memory(options.record, title="bigdata train") as recorder, memory_errors():
        begin_phase("loading")
        opened = as_dataset(dataset, options.cached)
        opened, options = training_split(opened, options)
        if options.bag is None:
            _, report = training_of(opened, options).run(progress)
        else:
            report = train_bag(opened, options, progress)
    record = recorder.record()
    return replace(report, peak_memory_bytes=record.peak_bytes, memory=record)
