"""Which options of a training go together, and which model has which."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from bigdata_cli.errors import UsageError

_OF_NETWORKS = (
    *("--epochs", "--batch-size", "--optimizer", "--schedule", "--warmup-steps"),
    *("--mixed-precision", "--backend", "--strategy", "--devices", "--require-gpu"),
)
_OF_LAYERS = ("--hidden", "--dropout")
_OF_TREES = ("--trees",)
_NEEDS = {
    "--resume": ("--save", "goes on from the file that --save names", "--save model.keras"),
    "--save-every": ("--save", "is of the file that --save names", "--save model.keras"),
    "--stratify": ("--sample", "is of --sample", "--sample 0.05"),
    "--patience": ("--early-stopping", "is of --early-stopping", "--early-stopping"),
    "--cv-by": ("--cv", "is of --cv", "--cv 5"),
    "--bag": (
        "--sample",
        "trains each model on a sample of its own, and there is none",
        "--sample 0.05",
    ),
}
"""The option that another one needs, what that one is, and the hint."""
_OF_ONE_MODEL = ("--history", "--plot", "--tensorboard", "--importance", "--report")
_EXCLUDED = {
    "--bag": ("trains several", _OF_ONE_MODEL),
    "--cv": (
        "trains several, of which none is kept",
        ("--history", "--plot", "--tensorboard", "--save", "--resume", "--force"),
    ),
}
"""The options of one model, which one that trains several does not go with."""


def check_together(given: Mapping[str, Any], model: str) -> None:
    """Raise UsageError where options do not go together, or are not of the model.

    Args:
        given: The options that are given, by their flags.
        model: What is trained.
    """
    _check_model(given, model)
    for flag, (needed, reason, hint) in _NEEDS.items():
        if flag in given and needed not in given:
            raise UsageError(f"{flag} {reason}", hint=hint)
    for several, (what, flags) in _EXCLUDED.items():
        for flag in flags:
            if several in given and flag in given:
                raise UsageError(
                    f"{flag} is of one model, and {several} {what}", hint=f"without {flag}"
                )
    if "--cv" in given:
        for flag in ("--bag", "--eval"):
            if flag in given:
                raise UsageError(
                    f"{flag}: --cv measures each model on the rows that it did not see",
                    hint=f"without {flag}, or without --cv",
                )
    if "--early-stopping" in given and "--save-every" in given:
        raise UsageError(
            "--save-every: with --early-stopping the file of --save is that of the best epoch",
            hint="without --save-every",
        )
    for several in ("--bag", "--cv"):
        if several in given:
            _check_workers(several, given.get("--strategy", "auto"))


def _check_model(given: Mapping[str, Any], model: str) -> None:
    is_trees = model not in ("mlp", "linear")
    wrong: tuple[str, ...] = _OF_LAYERS if model == "linear" else ()
    if is_trees:
        wrong = (*_OF_NETWORKS, *_OF_LAYERS)
    for flag in wrong:
        if flag in given and given[flag] != "none":  # --strategy none holds for trees
            raise UsageError(
                f"{flag}: --model {model} has none", hint=f"without {flag}, or --model mlp"
            )
    for flag in _OF_TREES:
        if flag in given and not is_trees:
            raise UsageError(
                f"{flag}: --model {model} has none", hint="--model xgboost, or lightgbm"
            )


def _check_workers(several: str, strategy: str) -> None:
    workers = "TF_CONFIG" in os.environ or os.environ.get("WORLD_SIZE", "1") != "1"
    if strategy == "multiworker" or (workers and strategy == "auto"):
        raise UsageError(
            f"{several} trains one model after the other in one process, not with workers",
            hint="--strategy none",
        )
