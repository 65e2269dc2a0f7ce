"""Training a bag: one model after the other, each on its own sample, in the memory of one."""

from __future__ import annotations

import gc
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from bigdata_cli.dataset import Dataset
from bigdata_cli.errors import UsageError
from bigdata_cli.io.stores import open_store
from bigdata_cli.loaders.target import Target
from bigdata_cli.training.bag import BAG_NAME, average, member_name, write_bag
from bigdata_cli.training.course import ProgressListener
from bigdata_cli.training.evaluate import Evaluation, HoldOutResult
from bigdata_cli.training.metrics import measure
from bigdata_cli.training.models import training_of
from bigdata_cli.training.options import TrainOptions
from bigdata_cli.training.report import TrainReport
from bigdata_cli.training.saved import MODEL_SUFFIX
from bigdata_cli.training.tree_model import TREES_SUFFIX
from bigdata_cli.training.verdict import Verdict, judge

_MEMBERS = re.compile(r"_?(member-\d+(\.partial)?\.(keras|trees)|bag(\.partial)?\.json)")
SEED_STEP = 1_000_003
"""Between the seeds of two members, so that bags of neighbouring seeds share no member."""


def train_bag(
    dataset: Dataset, options: TrainOptions, progress: ProgressListener | None
) -> TrainReport:
    """Train `options.bag` models; the metric and the verdict of the report are of their average.

    Each has its own seeds, of its sample and of its weights. All hold out the same rows.
    """
    assert options.bag is not None
    folder = options.save
    suffix = TREES_SUFFIX if options.is_trees else MODEL_SUFFIX
    if folder is not None:
        _make_folder(folder, options)
    reports: list[TrainReport] = []
    logits: list[np.ndarray] = []
    for index in range(options.bag):
        member = replace(
            options,
            bag=None,
            seed=options.seed + index * SEED_STEP,
            save=None if folder is None else folder / member_name(index, suffix),
        )
        with _member_note(index, options.bag):
            result, report = training_of(dataset, member, is_member=True).run(progress)
        reports.append(report)
        logits.append(result.hold_out.logits)
        # The rest of the result is not needed, and its examples are large.
        last = result.hold_out, result.constant, result.stream.target
        del result
        gc.collect()  # graphs and variables refer to each other in circles
    report = _bag_report(reports, logits, *last, options.measuring.metric)
    if folder is not None and report.saved is not None:
        write_bag(folder, options.bag, report.to_json(), suffix=suffix)
    return report


def _make_folder(folder: Path, options: TrainOptions) -> None:
    """Make the folder of a bag; raise UsageError where that cannot be, or it has a bag already."""
    if folder.suffix in (MODEL_SUFFIX, TREES_SUFFIX) or folder.is_file():
        raise UsageError(
            f"--save: a bag is a folder, not a file {folder}", hint=f"--save {folder.stem}-bag"
        )
    store = open_store(folder)
    names = store.names()
    if BAG_NAME in names and not options.force:
        raise UsageError(f"--save: {folder} has a finished bag", hint="--force replaces it")
    if not folder.parent.is_dir():
        raise UsageError(
            f"--save: there is no folder {folder.parent}", hint=f"mkdir -p '{folder.parent}'"
        )
    others = [name for name in names if not _MEMBERS.fullmatch(name)]
    if others and BAG_NAME not in names:
        raise UsageError(
            f"--save: {folder} holds {min(others)}, which is no part of a bag",
            hint="--save names another folder",
        )
    store.make()
    store.remove([BAG_NAME])  # it is no bag until its members are trained


@contextmanager
def _member_note(index: int, count: int) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as error:
        error.add_note(
            f"model {index + 1} of {count} was in training; the same command with --resume goes on"
        )
        raise


def _bag_report(
    reports: Sequence[TrainReport],
    logits: Sequence[np.ndarray],
    hold_out: HoldOutResult,
    constant: np.ndarray,
    target: Target,
    metric: str | None,
) -> TrainReport:
    """Return the report of a bag: sums over its members, and the verdict on their average.

    Args:
        reports: The reports of the members.
        logits: Their predictions of the hold-out set, which is the same for all.
        hold_out: That of the last member.
        constant: The logits of the best constant.
        target: What the members learn.
        metric: What they are judged by; None for that of the task.
    """
    mean = average(target.task, logits)
    metrics = measure(target.task, mean, hold_out.y, scale=target.scale, name=metric)
    trained = [report for report in reports if report.steps]
    if trained:
        first_loss = float(np.mean([report.first_loss for report in trained]))
        last_loss = float(np.mean([report.last_loss for report in trained]))
    else:  # all were finished before
        first_loss = hold_out.mean_loss(target.task, constant[np.newaxis])
        last_loss = hold_out.mean_loss(target.task, mean)
    verdict = _failure(reports) or judge(
        target.task,
        mean,
        constant,
        hold_out.y,
        trained_losses=(first_loss, last_loss),
        weights=hold_out.weights,
    )
    seconds = sum(report.seconds for report in reports)
    n_rows = sum(report.rows_per_second * report.seconds for report in reports)
    are_saved = all(report.saved is not None for report in reports)
    saved = reports[-1].saved
    return replace(
        reports[-1],
        saved=saved.parent if saved is not None and are_saved else None,
        steps=sum(report.steps for report in reports),
        seconds=seconds,
        rows_per_second=n_rows / max(seconds, 1e-9),
        first_loss=first_loss,
        last_loss=last_loss,
        held_out_loss=hold_out.mean_loss(target.task, mean),
        metric_value=Evaluation.of(metrics).value,
        member_metrics=tuple(report.metric_value for report in reports),
        notes=(
            *dict.fromkeys(note for report in reports for note in report.notes),
            *verdict.doubts,
        ),
        passed=verdict.passed,
        reason=verdict.reason,
    )


def _failure(reports: Sequence[TrainReport]) -> Verdict | None:
    """Return the verdict of the first member whose loss was not finite, if there is one."""
    for index, report in enumerate(reports):
        if report.steps and not math.isfinite(report.last_loss):
            return Verdict(False, f"model {index + 1} of {len(reports)}: {report.reason}")
    return None
