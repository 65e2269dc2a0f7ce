"""`train`: a small model on a dataset, as the proof that the dataset can be trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bigdata_cli.dataset import Dataset, open_dataset
from bigdata_cli.resources.budget import memory_errors
from bigdata_cli.resources.recorder import RecordFiles, record_memory
from bigdata_cli.resources.stages import begin_phase
from bigdata_cli.training.backends import DeviceOptions
from bigdata_cli.training.loop import ProgressListener
from bigdata_cli.training.model import DROPOUT, HIDDEN_UNITS
from bigdata_cli.training.options import BATCH_SIZE, TrainOptions
from bigdata_cli.training.report import TrainReport
from bigdata_cli.training.sampling import RowSample
from bigdata_cli.training.train_bag import train_bag
from bigdata_cli.training.training import Training


def train(
    dataset: str | Path | Dataset,
    *,
    label: str | None = None,
    epochs: int | None = None,
    batch_size: int = BATCH_SIZE,
    seed: int = 0,
    hidden: Sequence[int] = HIDDEN_UNITS,
    dropout: float = DROPOUT,
    hashed: Mapping[str, int] | None = None,
    balanced: bool = False,
    sample: RowSample | None = None,
    evaluate_on: str | Path | Dataset | None = None,
    save: str | Path | None = None,
    resume: bool = False,
    force: bool = False,
    backend: str | None = None,
    strategy: str = "auto",
    devices: int | None = None,
    require_gpu: bool = False,
    bag: int | None = None,
    memory_plot: str | Path | None = None,
    memory_log: str | Path | None = None,
    progress: ProgressListener | None = None,
) -> TrainReport:
    """Train a small perceptron on a dataset, streamed from its shards, and judge it.

    label: a column, by default the manifest's. bool, 0 and 1, or two categories: binary
    cross-entropy and AUC; integers or categories with up to 100 values: cross-entropy and
    accuracy; other numbers and times: mean squared error and RMSE. epochs: by default enough for
    about 2,000 steps, at least 1. A fifth of the rows, up to 64 MB of them, is held out, unless
    `evaluate_on` is another dataset for the metric, or a slice of the rows. `options.TrainOptions`
    describes the rest; strategy, devices, require_gpu: see `backends.DeviceOptions`. memory_plot,
    memory_log: files for a picture of the memory over time, and for its samples.

    The report says whether the model learned; a model that did not is no exception. Raises
    UsageError for a label that cannot be learned, or devices that are not there,
    MissingDependencyError without the backend, VerificationError where the shards are not what the
    manifest says.
    """
    options = TrainOptions(
        label=label,
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        hidden=tuple(hidden),
        dropout=dropout,
        hashed=hashed or {},
        balanced=balanced,
        sample=sample,
        evaluate_on=evaluate_on,
        save=None if save is None else Path(save),
        resume=resume,
        force=force,
        backend=backend,
        devices=DeviceOptions(strategy=strategy, devices=devices, require_gpu=require_gpu),
        bag=bag,
    )
    files = RecordFiles.of(memory_plot, memory_log)
    with record_memory(files, title="bigdata train") as recorder, memory_errors():
        begin_phase("loading")
        opened = dataset if isinstance(dataset, Dataset) else open_dataset(dataset)
        if options.bag is None:
            _, report = Training(opened, options).run(progress)
        else:
            report = train_bag(opened, options, progress)
    record = recorder.record()
    return replace(report, peak_memory_bytes=record.peak_bytes, memory=record)
