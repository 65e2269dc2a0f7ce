"""A bag of models: one after the other, each on its own sample, in the memory of one."""

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
from bigdata_cli.training.bagging import BAG_NAME, averaged, member_name, write_bag
from bigdata_cli.training.judgement import judge, metric_value
from bigdata_cli.training.loop import ProgressListener
from bigdata_cli.training.options import TrainOptions
from bigdata_cli.training.outcome import Outcome
from bigdata_cli.training.report import TrainReport
from bigdata_cli.training.saved import MODEL_SUFFIX
from bigdata_cli.training.training import Training

_MEMBERS = re.compile(r"_?(member-\d+(\.partial)?\.keras|bag(\.partial)?\.json)")
SEED_STEP = 1_000_003
"""Between the seeds of two members, so that the bag of the next seed has none of this one's."""


def train_bag(
    dataset: Dataset, options: TrainOptions, progress: ProgressListener | None
) -> TrainReport:
    """Train `options.bag` models; the report's metric and judgement are of their average.

    Each has seeds of its own, of its sample and of its model. The rows that are held out are the
    same for all, and no member is trained on them.
    """
    assert options.bag is not None
    folder = options.save
    if folder is not None:
        _make_folder(folder, options)
    average = _Average()
    for index in range(options.bag):
        member = replace(
            options,
            bag=None,
            seed=options.seed + index * SEED_STEP,
            save=None if folder is None else folder / member_name(index),
        )
        with _member_told(index, options.bag):
            outcome, report = Training(dataset, member, is_member=True).run(progress)
        average.add(outcome, report)
        del outcome
        gc.collect()  # graphs and variables refer to each other in circles
    report = average.report(folder)
    if folder is not None and all(one.saved is not None for one in average.reports):
        write_bag(folder, options.bag, report.to_json())
    return report


def _make_folder(folder: Path, options: TrainOptions) -> None:
    """Make the folder of a bag; UsageError where it cannot be, or has one already."""
    if folder.suffix == MODEL_SUFFIX or folder.is_file():
        raise UsageError(
            f"--save: a bag is a folder, not a file {folder}", hint=f"--save {folder.stem}-bag"
        )
    bag = folder / BAG_NAME
    if bag.exists() and not options.force:
        raise UsageError(f"--save: {folder} has a bag that is finished", hint="--force replaces it")
    if not folder.parent.is_dir():
        raise UsageError(
            f"--save: there is no folder {folder.parent}", hint=f"mkdir -p '{folder.parent}'"
        )
    if folder.is_dir():
        others = [p.name for p in folder.iterdir() if not _MEMBERS.fullmatch(p.name)]
        if others and not bag.exists():
            raise UsageError(
                f"--save: {folder} holds {min(others)}, which is no part of a bag",
                hint="--save names another folder",
            )
    folder.mkdir(exist_ok=True)
    bag.unlink(missing_ok=True)  # until its members are trained it is none


@contextmanager
def _member_told(index: int, count: int) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as error:
        error.add_note(f"model {index + 1} of {count} was being trained; with --resume, goes on")
        raise


class _Average:
    """The members' predictions of the held-out rows, and their reports."""

    def __init__(self) -> None:
        self.reports: list[TrainReport] = []
        self._logits: list[np.ndarray] = []
        self._last: Outcome | None = None

    def add(self, outcome: Outcome, report: TrainReport) -> None:
        """Count a member in."""
        self.reports.append(report)
        self._logits.append(outcome.held.logits)
        # What is heavy in it (its examples to measure with) is not needed any more.
        self._last = replace(outcome, result=replace(outcome.result, batch=None))

    def report(self, saved: Path | None) -> TrainReport:
        """The report of the bag: sums over its members, and the judgement of their average."""
        last, reports = self._last, self.reports
        assert last is not None
        target, held = last.target, last.held
        logits = averaged(target.task, self._logits)
        value = metric_value(target.task, logits, held.y, scale=target.scale)
        trained = [report for report in reports if report.steps]
        if trained:
            first_loss = float(np.mean([report.first_loss for report in trained]))
            last_loss = float(np.mean([report.last_loss for report in trained]))
        else:  # all were finished before
            first_loss = held.mean_loss(target.task, last.constant[np.newaxis])
            last_loss = held.mean_loss(target.task, logits)
        passed, reason, doubts = _failed(reports)
        if passed:
            verdict = judge(
                target.task,
                logits,
                last.constant,
                held.y,
                trained_losses=(first_loss, last_loss),
                weights=held.weights,
            )
            passed, reason, doubts = verdict.passed, verdict.reason, verdict.doubts
        seconds = sum(report.seconds for report in reports)
        rows = sum(report.rows_per_second * report.seconds for report in reports)
        notes = dict.fromkeys(note for report in reports for note in report.notes)
        return replace(
            reports[-1],
            saved=saved if all(report.saved is not None for report in reports) else None,
            steps=sum(report.steps for report in reports),
            seconds=seconds,
            rows_per_second=rows / max(seconds, 1e-9),
            first_loss=first_loss,
            last_loss=last_loss,
            held_out_loss=held.mean_loss(target.task, logits),
            metric_value=value if math.isfinite(value) else None,
            member_metrics=tuple(report.metric_value for report in reports),
            notes=(*notes, *doubts),
            passed=passed,
            reason=reason,
        )


def _failed(reports: Sequence[TrainReport]) -> tuple[bool, str, tuple[str, ...]]:
    """The first member whose loss was not finite, as a verdict."""
    for index, report in enumerate(reports):
        if report.steps and not math.isfinite(report.last_loss):
            return False, f"model {index + 1} of {len(reports)}: {report.reason}", ()
    return True, "", ()
