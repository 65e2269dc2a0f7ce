"""How a model learns: the steps of its optimizer, when it stops, and what is measured."""

from __future__ import annotations

from dataclasses import dataclass

from bigdata_cli.option_kinds import COUNT, NATURAL, TEXT, Bounds, choice, number
from bigdata_cli.options import option

OPTIMIZERS = ("adam", "adamw", "sgd", "rmsprop")
SCHEDULES = ("constant", "cosine", "linear", "step")
METRICS = (
    "auc",
    "average-precision",
    "accuracy",
    "balanced-accuracy",
    "f1",
    "log-loss",
    "rmse",
    "mae",
    "r2",
)
"""What a model may be judged by; `metrics.METRICS` says what each is."""
MAX_LEARNING_RATE = 10
MAX_FOLDS = 100
PATIENCE_EPOCHS, PATIENCE_TREES = 5, 20


@dataclass(frozen=True, kw_only=True)
class OptimizerOptions:
    """The steps that a model learns by."""

    name: str = option(
        "The optimizer.",
        choice(OPTIMIZERS),
        argument="optimizer",
        group="Optimizer",
        default="adam",
    )
    learning_rate: float | None = option(
        "The learning rate.",
        number(Bounds(0, MAX_LEARNING_RATE, min_open=True)),
        flag="--lr",
        argument="lr",
        default_text="0.002, of trees 0.1",
        default=None,
    )
    schedule: str = option(
        "How the learning rate falls: not at all, along a cosine, linearly, or in two steps.",
        choice(SCHEDULES),
        default="constant",
    )
    warmup_steps: int = option(
        "Raise the learning rate linearly from 0 during this number of steps.", NATURAL, default=0
    )
    l2: float | None = option(
        "The weight of the sum of squares of all weights, or of the leaves of trees, in the loss.",
        number(Bounds(0)),
        default_text="none; XGBoost 1",
        default=None,
    )
    mixed_precision: bool = option(
        "Compute in bfloat16, with weights and the loss in float32.", default=False
    )


@dataclass(frozen=True, kw_only=True)
class StoppingOptions:
    """When a training ends before its last epoch."""

    early: bool = option(
        "Stop when the metric no longer gets better, and keep the best model; by rows that are "
        "neither trained on nor in the metric of the report.",
        argument="early_stopping",
        group="Optimizer",
        default=False,
    )
    patience: int | None = option(
        "Stop after this number of epochs, or trees, without a better metric.",
        COUNT,
        default_text="5, of trees 20",
        default=None,
    )


@dataclass(frozen=True, kw_only=True)
class MeasureOptions:
    """What is measured of a model, and on which rows."""

    metric: str | None = option(
        "What the model is judged by.",
        choice(METRICS)._replace(annotation="str"),
        group="Evaluation",
        default_text="auc for two values, accuracy for classes, rmse for numbers",
        default=None,
    )
    folds: int | None = option(
        "Cross-validate: train K models, each measured on the K-th of the rows it has not seen.",
        COUNT._replace(bounds=Bounds(2, MAX_FOLDS)),
        flag="--cv",
        argument="cv",
        metavar="K",
        default=None,
    )
    fold_by: str | None = option(
        "Keep rows with the same value of this column in the same fold.",
        TEXT,
        flag="--cv-by",
        argument="cv_by",
        metavar="COL",
        default=None,
    )
    importance: bool = option(
        "Show how much worse the metric gets when a column is shuffled.", default=False
    )
