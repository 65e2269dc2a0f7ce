"""`train`: a small model on a dataset, as the proof that the dataset can be trained on."""

from __future__ import annotations

import math
import platform
from dataclasses import replace
from pathlib import Path

import numpy as np

from bigdata_cli.dataset import Dataset, open_dataset
from bigdata_cli.errors import UsageError
from bigdata_cli.resources.budget import memory_errors
from bigdata_cli.resources.recorder import RecordFiles, record_memory
from bigdata_cli.resources.stages import begin_phase
from bigdata_cli.training.examples import Examples, ExampleStream
from bigdata_cli.training.features import plan_features
from bigdata_cli.training.judgement import Verdict, judge, metric_value, row_losses
from bigdata_cli.training.loop import LoopResult, ProgressListener, run_epochs
from bigdata_cli.training.report import TrainReport
from bigdata_cli.training.target import Target, Task, plan_target

DEFAULT_STEPS = 2_000
"""Where the number of epochs is left open, there are enough for about so many steps."""
MOST_DEFAULT_EPOCHS = 100
SHORTEST_LAST_STEPS = 64


def train(
    dataset: str | Path | Dataset,
    *,
    label: str | None = None,
    epochs: int | None = None,
    batch_size: int = 512,
    seed: int = 0,
    memory_plot: str | Path | None = None,
    memory_log: str | Path | None = None,
    progress: ProgressListener | None = None,
) -> TrainReport:
    """Train a small perceptron on a dataset, streamed from its shards, and judge it.

    label: a column, by default the manifest's. bool, 0 and 1, or two categories: binary
    cross-entropy and AUC; integers or categories with up to 100 values: cross-entropy and
    accuracy; other numbers and times: mean squared error and RMSE. epochs: by default enough for
    about 2,000 steps, at least 1. A fifth of the rows, up to 64 MB of them, is held out.
    memory_plot, memory_log: files for a picture of the memory over time, and for its samples.

    The report says whether the model learned; a model that did not is no exception. Raises
    UsageError for a label that cannot be learned, MissingDependencyError without TensorFlow,
    VerificationError where the shards are not what the manifest says.
    """
    _check("batch_size", batch_size)
    if epochs is not None:
        _check("epochs", epochs)
    files = RecordFiles.of(memory_plot, memory_log)
    with record_memory(files, title="bigdata train") as recorder, memory_errors():
        report = _train(dataset, label, epochs, batch_size, seed, progress)
    record = recorder.record()
    return replace(report, peak_memory_bytes=record.peak_bytes, memory=record)


def _train(
    dataset: str | Path | Dataset,
    label: str | None,
    epochs: int | None,
    batch_size: int,
    seed: int,
    progress: ProgressListener | None,
) -> TrainReport:
    begin_phase("loading")
    opened = dataset if isinstance(dataset, Dataset) else open_dataset(dataset)
    target = plan_target(opened, label)
    features = plan_features(opened, target.column.name)

    from bigdata_cli.training.model import Perceptron

    stream = ExampleStream(opened, features, target, batch_size=batch_size, seed=seed)
    model = Perceptron(features, target, seed=seed)
    begin_phase("training")
    n_epochs = epochs or _default_epochs(stream.expected_batches)
    result = run_epochs(model, stream, epochs=n_epochs, batch_size=batch_size, progress=progress)
    begin_phase("evaluating")
    held_out = stream.held_out()
    logits = model.predict(held_out)
    constant = stream.best_constant()
    last_steps = _last_steps(len(result.losses), n_epochs)
    first_loss, last_loss = result.last(last_steps)
    value = metric_value(target.task, logits, held_out.y, scale=target.scale)
    verdict = _judge(result, last_steps, target, logits, constant, held_out)
    devices, versions = _machine()
    return TrainReport(
        dataset=opened.path,
        label=target.column.name,
        task=str(target.task),
        features=features.column_names,
        devices=devices,
        backend="tensorflow",
        versions=versions,
        rows=opened.rows,
        trained_rows=stream.trained_rows,
        held_out_rows=len(held_out),
        null_labels=stream.null_labels,
        epochs=n_epochs,
        batch_size=batch_size,
        steps=len(result.losses),
        seconds=result.seconds,
        rows_per_second=result.rows / max(result.seconds, 1e-9),
        first_loss=first_loss,
        last_loss=last_loss,
        held_out_loss=_mean_loss(target.task, logits, held_out.y),
        constant_loss=_mean_loss(target.task, constant[np.newaxis], held_out.y),
        metric=target.metric,
        metric_value=value if math.isfinite(value) else None,
        notes=(*features.notes, *_label_notes(target, stream), *verdict.doubts),
        passed=verdict.passed,
        reason=verdict.reason,
    )


def _check(name: str, value: int) -> None:
    if isinstance(value, bool) or not hasattr(value, "__index__") or value < 1:
        raise UsageError(
            f"{name} is {value!r}; it is a positive number",
            hint=f"--{name.replace('_', '-')} {512 if name == 'batch_size' else 1}",
        )


def _default_epochs(steps_of_an_epoch: int) -> int:
    return min(MOST_DEFAULT_EPOCHS, math.ceil(DEFAULT_STEPS / steps_of_an_epoch))


def _last_steps(steps: int, epochs: int) -> int:
    """The steps that the first and last loss are of: the last epoch, or the end of the only one."""
    if epochs > 1:
        return max(1, steps // epochs)
    return min(max(1, steps), max(SHORTEST_LAST_STEPS, steps // 10))


def _mean_loss(task: Task, logits: np.ndarray, y: np.ndarray) -> float:
    return float(row_losses(task, logits, y).mean()) if len(y) else math.nan


def _judge(
    result: LoopResult,
    last_steps: int,
    target: Target,
    logits: np.ndarray,
    constant: np.ndarray,
    held_out: Examples,
) -> Verdict:
    """Whether the model passes, and why."""
    if len(result.losses) == 0:
        return Verdict(False, "no row has a label")
    if not result.finite:
        step = int(np.flatnonzero(~np.isfinite(result.losses))[0])
        return Verdict(False, f"the loss became {result.losses[step]} in step {step + 1:,}")
    return judge(target.task, logits, constant, held_out.y, trained_losses=result.last(last_steps))


def _label_notes(target: Target, stream: ExampleStream) -> tuple[str, ...]:
    notes = []
    if stream.null_labels:
        notes.append(f"{stream.null_labels:,} rows without a label are left out")
    vocabulary = target.column.vocabulary
    if target.task is Task.BINARY and vocabulary is not None:
        notes.append(f'"{vocabulary[1]}" is the positive class of the label')
    return tuple(notes)


def _machine() -> tuple[tuple[str, ...], dict[str, str]]:
    """The devices that TensorFlow sees, and versions."""
    import keras
    import tensorflow as tf

    devices = []
    for device in tf.config.list_physical_devices():
        details = tf.config.experimental.get_device_details(device)
        name = device.name.removeprefix("/physical_device:")
        model = details.get("device_name")
        devices.append(f"{name} ({model})" if model else name)
    versions = {
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "python": platform.python_version(),
    }
    return tuple(devices), versions
