"""`train_bag`: models on samples of a dataset, one after the other, judged together."""

from __future__ import annotations

import gc
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bigdata_cli.dataset import Dataset, open_dataset
from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.resources.budget import memory_errors
from bigdata_cli.resources.recorder import MemoryRecord, RecordFiles, record_memory
from bigdata_cli.resources.stages import begin_phase
from bigdata_cli.training.bagging import (
    BAG_NAME,
    MOST_MEMBERS,
    Bag,
    BagRecord,
    check_member,
    load_bag,
    member_entry,
    member_name,
    read_bag,
    write_bag,
)
from bigdata_cli.training.checkpoint import fingerprint
from bigdata_cli.training.evaluate import Evaluation, RowChooser, evaluate
from bigdata_cli.training.examples import ExampleStream, HeldOutRows, Reading
from bigdata_cli.training.heldout import KeptPredictions
from bigdata_cli.training.judgement import Verdict, balanced_weights, best_constant, judge
from bigdata_cli.training.options import TrainOptions
from bigdata_cli.training.report import TrainProgress, TrainReport
from bigdata_cli.training.run import check_sample, run_training
from bigdata_cli.training.saved import MODEL_SUFFIX
from bigdata_cli.training.target import Target, Task, plan_target

_SEED_STEP = 1_000_003
"""Between the seeds of two members, so that the next seed's bag has none of this one's."""

_LOSSES = ("first_loss", "last_loss")

BagListener = Callable[[int, TrainProgress], None]
"""Is told which member is trained, from 0 on, and where its training stands."""


@dataclass(frozen=True, kw_only=True)
class BagReport:
    """What training a bag came to.

    members: what each came to as plain JSON: its metric on the same rows as the bag's, losses,
    steps, seconds. trained: how many of them were trained now. evaluation: of all together, on the
    rows held out or on those of evaluated_on; None where a member's training failed. memory: over
    time, with its phases.
    """

    dataset: Path
    folder: Path
    label: str
    task: str
    sample: float
    stratify: bool
    asked: int
    members: tuple[Mapping[str, Any], ...]
    trained: int
    seconds: float
    evaluation: Evaluation | None
    evaluated_on: Path | None
    notes: tuple[str, ...]
    passed: bool
    reason: str
    peak_memory_bytes: int = 0
    memory: MemoryRecord | None = None

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        values = dict(vars(self))
        values["phases"] = None if self.memory is None else self.memory.phase_seconds()
        del values["memory"]
        for name in ("dataset", "folder", "evaluated_on"):
            values[name] = None if values[name] is None else str(values[name])
        values["members"] = [dict(member) for member in self.members]
        values["notes"] = list(self.notes)
        values["evaluation"] = None if self.evaluation is None else self.evaluation.to_json()
        return values


def train_bag(
    dataset: str | Path | Dataset,
    options: TrainOptions,
    *,
    members: int,
    memory_plot: str | Path | None = None,
    memory_log: str | Path | None = None,
    progress: BagListener | None = None,
) -> BagReport:
    """Train several models, each on a sample of its own, into a folder, and judge them as one.

    options: how to train each; `sample` is the share of each, `save` the folder. Members are
    trained one after the other, in the memory of one. All leave out the same rows, on which the bag
    is judged. options.resume: train only the members that are missing; options.force: replace the
    bag that is there.

    A bag that has learned nothing is no exception: the report says so. Raises UsageError where the
    options do not fit, or the folder holds something else, and what `train` raises.
    """
    folder = _check(options, members)
    files = RecordFiles.of(memory_plot, memory_log)
    with record_memory(files, title="bigdata train --bag") as recorder, memory_errors():
        begin_phase("loading")
        opened = dataset if isinstance(dataset, Dataset) else open_dataset(dataset)
        report = _BagTraining(opened, options, folder, members).run(progress)
    record = recorder.record()
    return replace(report, peak_memory_bytes=record.peak_bytes, memory=record)


def member_options(options: TrainOptions, folder: Path, index: int) -> TrainOptions:
    """How a member is trained: with a seed, a sample and a file of its own."""
    assert options.sample is not None
    seed = options.seed + index * _SEED_STEP
    return replace(
        options,
        seed=seed,
        sample=replace(options.sample, seed=seed),
        save=folder / member_name(index),
        resume=False,
        force=True,  # what is there is of a training that was not finished
    )


def _check(options: TrainOptions, members: int) -> Path:
    """The folder of the bag; UsageError where options do not make one."""
    if isinstance(members, bool) or not 2 <= members <= MOST_MEMBERS:
        raise UsageError(
            f"a bag of {members!r} models; it has 2 to {MOST_MEMBERS}", hint="--bag 10"
        )
    if options.sample is None or options.sample.share == 1:
        raise UsageError(
            "--bag: the members of a bag differ by their samples", hint="--sample 0.1 --bag 10"
        )
    if options.save is None:
        raise UsageError("--bag needs a folder for its members", hint="--save FOLDER")
    if options.save.suffix == MODEL_SUFFIX:
        raise UsageError(
            f"--save {options.save}: a bag is a folder, not a {MODEL_SUFFIX} file",
            hint=f"--save {options.save.with_suffix('')}",
        )
    several = "TF_CONFIG" in os.environ or os.environ.get("WORLD_SIZE", "1") != "1"
    strategy = options.devices.strategy
    if strategy == "multiworker" or (several and strategy == "auto"):
        raise UsageError(
            "--bag: the members of a bag are trained by one process",
            hint="--strategy none or mirrored, without TF_CONFIG or torchrun",
        )
    return options.save


class _BagTraining:
    """The training of a bag in a folder, from what is there already to its report."""

    def __init__(self, dataset: Dataset, options: TrainOptions, folder: Path, members: int) -> None:
        self._dataset = dataset
        self._options = options
        self._folder = folder
        self._target = plan_target(dataset, options.label)
        assert options.sample is not None
        self._sample = options.sample
        check_sample(self._sample, self._target)
        self._trained_as = {
            **options.settled(),
            "label": self._target.column.name,
            "epochs": options.epochs,
            "bag": members,
            "dataset": fingerprint(dataset),
        }
        self._record = self._begun(members)

    def _begun(self, members: int) -> BagRecord:
        """What is in the folder already; UsageError where it is something else."""
        folder, options = self._folder, self._options
        fresh = BagRecord(asked=members, trained_as=self._trained_as)
        if not folder.exists():
            if not folder.absolute().parent.is_dir():
                raise UsageError(
                    f"--save: there is no folder {folder.parent}",
                    hint=f"mkdir -p '{folder.parent}'",
                )
            return fresh
        if not folder.is_dir():
            raise UsageError(f"--save: {folder} is a file", hint="--save FOLDER")
        if not (folder / BAG_NAME).exists():
            if any(folder.iterdir()):
                raise UsageError(
                    f"--save: {folder} is not empty, and not a bag", hint="--save names another"
                )
            return fresh
        if options.force:
            return fresh
        if not options.resume:
            raise UsageError(
                f"--save: {folder} holds a bag",
                hint="--resume trains its missing members, --force replaces it",
            )
        return self._to_go_on(read_bag(folder))

    def _to_go_on(self, record: BagRecord) -> BagRecord:
        for name, value in self._trained_as.items():
            before = record.trained_as.get(name)
            if before != value:
                was = "other rows" if name == "dataset" else f"--{name} {before}, not {value}"
                raise UsageError(
                    f"{self._folder} was trained with {was}",
                    hint="--force instead of --resume trains anew",
                )
        for entry in record.members:
            check_member(self._folder, entry)
            if not all(isinstance(entry.report.get(name), float) for name in _LOSSES):
                raise DataError(
                    f"{self._folder / BAG_NAME} does not say what {entry.name} has learned",
                    hint="--force instead of --resume trains anew",
                )
        return record

    def run(self, progress: BagListener | None) -> BagReport:
        began = time.perf_counter()
        self._begin_folder()
        trained, failure = 0, None
        notes: dict[str, None] = {}
        for index in range(len(self._record.members), self._record.asked):
            report = self._train_member(index, progress)
            notes.update(dict.fromkeys(report.notes))
            if report.saved is None:
                failure = Verdict(False, f"model {index + 1}: {report.reason}")
                break
            trained += 1
            entry = member_entry(self._folder, index, _summary(report))
            self._record = replace(self._record, members=(*self._record.members, entry))
            write_bag(self._folder, self._record)
        evaluation = None
        verdict = failure
        if verdict is None:
            begin_phase("evaluating")
            evaluation, verdict = self._judged()
            write_bag(self._folder, replace(self._record, report=evaluation.to_json()))
            notes.update(dict.fromkeys((*evaluation.notes, *verdict.doubts)))
        other = self._options.evaluate_on
        return BagReport(
            dataset=self._dataset.path,
            folder=self._folder,
            label=self._target.column.name,
            task=str(self._target.task),
            sample=self._sample.share,
            stratify=self._sample.stratify,
            asked=self._record.asked,
            members=tuple(entry.report for entry in self._record.members),
            trained=trained,
            seconds=time.perf_counter() - began,
            evaluation=evaluation,
            evaluated_on=None if other is None else _opened(other).path,
            notes=tuple(notes),
            passed=verdict.passed,
            reason=verdict.reason,
        )

    def _begin_folder(self) -> None:
        """Make the folder a bag's; what is of another one, and was to be replaced, goes."""
        self._folder.mkdir(exist_ok=True)
        write_bag(self._folder, self._record)
        for index in range(len(self._record.members), MOST_MEMBERS):
            (self._folder / member_name(index)).unlink(missing_ok=True)

    def _train_member(self, index: int, progress: BagListener | None) -> TrainReport:
        listener = None
        if progress is not None:

            def listener(one: TrainProgress) -> None:
                progress(index, one)

        try:
            return run_training(
                self._dataset, member_options(self._options, self._folder, index), listener
            )
        except BaseException as error:
            error.__notes__ = []  # how its own training would go on
            done = len(self._record.members)
            if done:
                error.add_note(
                    f"{self._folder} has {done:,} of {self._record.asked:,} models; with --resume "
                    "the same command goes on"
                )
            raise
        finally:
            _forget_networks()

    def _judged(self) -> tuple[Evaluation, Verdict]:
        """How good all members are together, and whether they have learned."""
        bag = load_bag(self._folder, backend=self._options.backend)
        other = self._options.evaluate_on
        measured = self._dataset if other is None else _opened(other)
        outputs = len(bag.target.start)
        kept = KeptPredictions(bag.predict, measured.rows, outputs=outputs)
        evaluation = evaluate(
            kept,
            measured,
            features=bag.features,
            target=bag.target,
            schema=bag.schema,
            rows=None if other is not None else self._held_out_rows(bag),
        )
        return evaluation, self._verdict(bag.target, kept)

    def _held_out_rows(self, bag: Bag) -> Callable[[int], RowChooser]:
        """What chooses the rows that no member was trained on."""
        reading = Reading(batch_size=self._options.batch_size)
        every = ExampleStream(self._dataset, bag.features, bag.target, reading).held_out_every
        n_classes = bag.target.n_classes
        return lambda shard: HeldOutRows(every, shard=shard, n_classes=n_classes)

    def _verdict(self, target: Target, kept: KeptPredictions) -> Verdict:
        task, y = target.task, kept.y
        counts = np.array([len(y)])
        if task is not Task.REGRESSION:
            counts = np.bincount(y.astype(np.intp), minlength=target.n_classes)
        by_class = balanced_weights(counts) if self._options.balanced else None
        constant = best_constant(
            task, class_counts=counts, y_sum=float(y.sum()), class_weights=by_class
        )
        reports = [entry.report for entry in self._record.members]
        first, last = (float(np.mean([report[name] for report in reports])) for name in _LOSSES)
        return judge(
            task,
            kept.logits,
            constant,
            y,
            trained_losses=(first, last),
            weights=None if by_class is None else by_class[y.astype(np.intp)],
        )


def _summary(report: TrainReport) -> dict[str, Any]:
    """What is kept of a member's training."""
    names = (
        "metric metric_value first_loss last_loss held_out_loss trained_rows epochs steps seconds"
    )
    values = {name: getattr(report, name) for name in names.split()}
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }


def _forget_networks() -> None:
    """Give back what Keras and its backend keep of a network that is no longer used."""
    import keras

    keras.backend.clear_session()
    gc.collect()


def _opened(dataset: str | Path | Dataset) -> Dataset:
    return dataset if isinstance(dataset, Dataset) else open_dataset(dataset)
