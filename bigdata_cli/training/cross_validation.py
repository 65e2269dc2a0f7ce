"""Cross-validation: one model after the other, each measured on the fold that it has not seen."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bigdata_cli.dataset import Dataset
from bigdata_cli.errors import UsageError, did_you_mean
from bigdata_cli.loaders.examples import FeatureEncoder
from bigdata_cli.loaders.features import FeaturePlan
from bigdata_cli.loaders.target import Target, Task, plan_target
from bigdata_cli.training.course import ProgressListener
from bigdata_cli.training.evaluate import HoldOutResult
from bigdata_cli.training.folds import Fold
from bigdata_cli.training.importance import Importance
from bigdata_cli.training.models import training_of
from bigdata_cli.training.options import TrainOptions
from bigdata_cli.training.report import TrainReport
from bigdata_cli.training.row_choice import RowChoice
from bigdata_cli.training.sampling import HoldOut
from bigdata_cli.training.verdict import Verdict, judge
from bigdata_cli.types.dtype import Column


def cross_validate(
    dataset: Dataset, options: TrainOptions, progress: ProgressListener | None
) -> tuple[HoldOutResult, Target, TrainReport]:
    """Train a model for each fold; the metric of the report is the mean of theirs.

    Returns the predictions of all folds, the label, and the report.

    The verdict is of all predictions together, each by the model that had not seen the row.

    Raises:
        UsageError: There are too few rows, values of the column to go by, or rows of a class.
    """
    count = options.measuring.folds
    assert count is not None
    by = _column(dataset, options.measuring.fold_by)
    check_folds(dataset, plan_target(dataset, options.label), count, by)
    reports: list[TrainReport] = []
    held_out: list[HoldOutResult] = []
    constants: list[np.ndarray] = []
    for index in range(count):
        fold = Fold(index=index, count=count, by=by)
        result, report = training_of(dataset, options, fold=fold).run(progress)
        reports.append(report)
        held_out.append(replace(result.hold_out, examples=None))
        constants.append(np.repeat(result.constant[np.newaxis], len(result.hold_out.y), axis=0))
        target = result.stream.target
        # The rest of the result is not needed, and its examples are large.
        del result
        gc.collect()  # graphs and variables refer to each other in circles
    pooled = HoldOutResult(
        logits=np.concatenate([one.logits for one in held_out]),
        y=np.concatenate([one.y for one in held_out]),
        weights=np.concatenate([one.weights for one in held_out]),
        evaluation=held_out[-1].evaluation,
    )
    return pooled, target, _report(reports, pooled, np.concatenate(constants), target)


def check_folds(dataset: Dataset, target: Target, count: int, by: Column | None) -> None:
    """Raise UsageError where a fold has no rows, or those of one class only."""
    counts = _class_counts(dataset, target, count, by)
    for index, of_fold in enumerate(counts):
        which = f"--cv {count}: fold {index + 1} of {count}"
        if not of_fold.sum():
            few = "there are too few rows" if by is None else f'"{by.name}" has too few values'
            raise UsageError(f"{which} has no rows: {few}", hint="--cv 2, or another --cv-by")
        rest = counts.sum(axis=0) - of_fold
        for where, there in ((which, of_fold), (f"{which} leaves rows that", rest)):
            if target.task is not Task.REGRESSION and np.count_nonzero(there) < 2:
                value = target.class_name(int(there.argmax()))
                verb = "has rows" if where == which else "are"
                raise UsageError(
                    f'{where} {verb} of one class only, "{value}" of the label '
                    f'"{target.column.name}": nothing can be learned or measured',
                    hint="--cv 2, or another --cv-by" if by is not None or count > 2 else None,
                )


def _class_counts(dataset: Dataset, target: Target, count: int, by: Column | None) -> np.ndarray:
    """Count the rows of each fold and class, int64 (folds, classes); of a number there is one."""
    counts = np.zeros((count, max(1, target.n_classes)), np.int64)
    encoder = FeatureEncoder(dataset, FeaturePlan(numbers=(), codes=(), notes=()), target)
    names = list(dict.fromkeys([target.column.name, *([] if by is None else [by.name])]))
    folds = [Fold(index=index, count=count, by=by) for index in range(count)]
    for shard in range(len(dataset.shards)):
        choices = [_choice(target, fold, shard) for fold in folds]
        for batch in dataset.read_shard(shard, names):
            y = encoder.labels(batch)
            of_rows = None if by is None else folds[0].of_values(batch.column(by.name))
            for index, choice in enumerate(choices):
                held_out = choice.split(y, of_rows).held_out
                classes = target.classes(y[held_out])
                counts[index] += np.bincount(classes, minlength=counts.shape[1])
    return counts


def _choice(target: Target, fold: Fold, shard: int) -> RowChoice:
    held_out = None
    if fold.by is None:
        held_out = HoldOut(fold.count, shard=shard, n_classes=target.n_classes, place=fold.index)
    return RowChoice(target, held_out=held_out, fold=fold.index)


def _column(dataset: Dataset, name: str | None) -> Column | None:
    if name is None:
        return None
    if name not in dataset.schema.names:
        raise UsageError(
            f'--cv-by: {dataset.path} has no column "{name}"',
            hint=did_you_mean(name, dataset.schema.names),
        )
    return dataset.schema[name]


def _report(
    reports: Sequence[TrainReport], pooled: HoldOutResult, constants: np.ndarray, target: Target
) -> TrainReport:
    """Return the report of all folds: sums and means, and the verdict of all predictions."""
    failed = next((one for one in reports if not np.isfinite(one.last_loss)), None)
    if failed is not None:
        verdict = Verdict(False, failed.reason)
    else:
        verdict = judge(
            target.task,
            pooled.logits,
            constants,
            pooled.y,
            trained_losses=(_mean(reports, "first_loss"), _mean(reports, "last_loss")),
            weights=pooled.weights,
        )
    values = [report.metric_value for report in reports]
    known = [value for value in values if value is not None]
    seconds = sum(report.seconds for report in reports)
    n_rows = sum(report.rows_per_second * report.seconds for report in reports)
    return replace(
        reports[-1],
        trained_rows=round(_mean(reports, "trained_rows")),
        held_out_rows=sum(report.held_out_rows for report in reports),
        evaluated_rows=sum(report.evaluated_rows for report in reports),
        epochs=max(report.epochs for report in reports),
        trees=max(report.trees for report in reports),
        best_epoch=None,
        steps=sum(report.steps for report in reports),
        seconds=seconds,
        rows_per_second=n_rows / max(seconds, 1e-9),
        first_loss=_mean(reports, "first_loss"),
        last_loss=_mean(reports, "last_loss"),
        held_out_loss=_mean(reports, "held_out_loss"),
        constant_loss=_mean(reports, "constant_loss"),
        metric_value=float(np.mean(known)) if len(known) == len(values) else None,
        metric_error_bound=max(report.metric_error_bound for report in reports),
        fold_metrics=tuple(values),
        importance=_mean_importance([report.importance for report in reports]),
        notes=(
            *dict.fromkeys(note for report in reports for note in report.notes),
            *verdict.doubts,
        ),
        passed=verdict.passed,
        reason=verdict.reason,
    )


def _mean(reports: Sequence[TrainReport], name: str) -> float:
    return float(np.mean([getattr(report, name) for report in reports]))


def _mean_importance(of_folds: Sequence[tuple[Importance, ...]]) -> tuple[Importance, ...]:
    """Return the mean importance of each column, with its deviation between the folds."""
    values: dict[str, list[float]] = {}
    for found in of_folds:
        for one in found:
            values.setdefault(one.column, []).append(one.mean)
    joined = [
        Importance(column=name, mean=float(np.mean(means)), std=float(np.std(means)))
        for name, means in values.items()
    ]
    return tuple(sorted(joined, key=lambda one: -one.mean))
