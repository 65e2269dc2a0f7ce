"""Rounds of boosting by XGBoost and LightGBM, one tree after the other (of each class)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from bigdata_cli.loaders.target import Target, Task
from bigdata_cli.loaders.tree_rows import TreeRows
from bigdata_cli.resources.memory import available_cpus
from bigdata_cli.training.tree_model import load_booster, n_trees

LEARNING_RATE = 0.1
MAX_DEPTH = 6
N_LEAVES = 63
MIN_HESSIAN = 1.0
"""Of a leaf, as XGBoost has it by default. With LightGBM's 0.001 a single row of a rare class gets
a leaf, whose value is so large that the loss grows without bound."""


@dataclass(frozen=True, kw_only=True)
class WatchedRows:
    """Rows that are not trained on, float32 X (rows, features), all of them in memory.

    Attributes:
        measure: Called after each tree with its number, the loss in training, and the raw scores of
            the rows, float64 (rows, outputs); returns whether to stop.
    """

    X: np.ndarray
    measure: Callable[[int, float, np.ndarray], bool]


@dataclass(frozen=True, kw_only=True)
class Boosting:
    """How to boost.

    Attributes:
        booster: What to go on with; None to begin.
        after_tree: Called with the number of trees, and with what returns the booster.
        watched: What is measured after each tree.
    """

    n_rounds: int
    learning_rate: float
    l2: float | None
    seed: int
    after_tree: Callable[[int, Callable[[], Any]], None]
    booster: Any = None
    watched: WatchedRows | None = None


def boost(library: str, rows: TreeRows, target: Target, how: Boosting) -> Any:
    """Return an `xgboost.Booster` or a `lightgbm.Booster` of the rows."""
    return (_boost_xgboost if library == "xgboost" else _boost_lightgbm)(rows, target, how)


def _boost_xgboost(rows: TreeRows, target: Target, how: Boosting) -> Any:
    import xgboost

    from bigdata_cli.loaders.xgboost import external_matrix

    n_threads = available_cpus()
    parameters = {
        **_xgboost_objective(target),
        **({} if how.l2 is None else {"lambda": how.l2}),
        "eta": how.learning_rate,
        "max_depth": MAX_DEPTH,
        "seed": how.seed,
        "nthread": n_threads,
        "tree_method": "hist",
    }
    matrix = external_matrix(rows, threads=n_threads)
    watched, held_out = how.watched, None
    if watched is not None:
        held_out = xgboost.QuantileDMatrix(
            watched.X,
            ref=matrix,
            feature_names=rows.feature_names,
            feature_types=["c" if one else "q" for one in rows.is_category],
            enable_categorical=any(rows.is_category),
        )
    n_before = 0 if how.booster is None else n_trees(how.booster, "xgboost")

    class Listener(xgboost.callback.TrainingCallback):
        """Holds what it needs itself: a class, and what its methods enclose, lives for longer."""

        def __init__(self, task: Task, how: Boosting, held_out: Any) -> None:
            super().__init__()
            self._task, self._how, self._held_out = task, how, held_out
            self._n_before = 0 if how.booster is None else n_trees(how.booster, "xgboost")

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            n_done, watched = self._n_before + epoch + 1, self._how.watched
            self._how.after_tree(n_done, lambda: model)
            if watched is None:
                return False
            (values,) = evals_log["training"].values()
            margins = model.predict(self._held_out, output_margin=True)
            scores = np.asarray(margins, np.float64).reshape(len(watched.X), -1)
            return watched.measure(n_done, _as_loss(self._task, values[-1]), scores)

    return xgboost.train(
        parameters,
        matrix,
        how.n_rounds - n_before,
        evals=[] if watched is None else [(matrix, "training")],
        verbose_eval=False,
        xgb_model=how.booster,
        callbacks=[Listener(target.task, how, held_out)],
    )


def _xgboost_objective(target: Target) -> dict[str, Any]:
    objectives: dict[Task, dict[str, Any]] = {
        Task.BINARY: {"objective": "binary:logistic", "eval_metric": "logloss"},
        Task.CLASSES: {
            "objective": "multi:softprob",
            "num_class": target.n_classes,
            "eval_metric": "mlogloss",
        },
        Task.REGRESSION: {"objective": "reg:squarederror", "eval_metric": "rmse"},
    }
    return objectives[target.task]


def _boost_lightgbm(rows: TreeRows, target: Target, how: Boosting) -> Any:
    import lightgbm

    from bigdata_cli.loaders.lightgbm import PARAMETERS, binned_dataset

    objectives: dict[Task, dict[str, Any]] = {
        Task.BINARY: {"objective": "binary", "metric": "binary_logloss"},
        Task.CLASSES: {
            "objective": "multiclass",
            "num_class": target.n_classes,
            "metric": "multi_logloss",
        },
        Task.REGRESSION: {"objective": "regression", "metric": "l2"},
    }
    parameters = {
        **PARAMETERS,
        **objectives[target.task],
        **({} if how.l2 is None else {"lambda_l2": how.l2}),
        "learning_rate": how.learning_rate,
        "num_leaves": N_LEAVES,
        "min_sum_hessian_in_leaf": MIN_HESSIAN,
        "seed": how.seed,
        "deterministic": True,
        "num_threads": available_cpus(),
    }
    dataset = binned_dataset(rows, parameters=parameters)
    n_before = 0
    if how.booster is not None:
        n_before = n_trees(how.booster, "lightgbm")
        dataset.set_init_score(_scores(how.booster, rows))
    scores = _RunningScores(how)

    def listener(state: Any) -> None:
        n_done = n_before + state.iteration + 1
        how.after_tree(n_done, lambda: _joined(how.booster, state.model))
        if how.watched is None:
            return
        ((_, _, loss, _),) = state.model.eval_train()
        if how.watched.measure(n_done, loss, scores.after(state.model)):
            raise lightgbm.callback.EarlyStopException(state.iteration, [])

    newer = lightgbm.train(parameters, dataset, how.n_rounds - n_before, callbacks=[listener])
    return _joined(how.booster, newer)


def _joined(booster: Any, newer: Any) -> Any:
    """Return a booster of LightGBM with the trees of one that was gone on with, and the newer."""
    if booster is None:
        return newer
    from lightgbm.basic import _LIB, _safe_call

    whole = load_booster("lightgbm", newer.model_to_string(num_iteration=-1).encode())
    # The library puts the trees of the second one first; `init_model` does the same, but only with
    # all rows in memory.
    _safe_call(_LIB.LGBM_BoosterMerge(whole._handle, booster._handle))  # noqa: SLF001
    return whole


def _scores(booster: Any, rows: TreeRows) -> np.ndarray:
    """Return the raw scores of all rows, one output after the other: float64 (outputs × rows,)."""
    parts = [
        np.asarray(booster.predict(block.X, raw_score=True)).reshape(len(block.X), -1)
        for block in rows.blocks()
    ]
    return np.concatenate(parts).ravel(order="F")


class _RunningScores:
    """The raw scores of watched rows, to which each tree adds its own."""

    def __init__(self, how: Boosting) -> None:
        self._watched = how.watched
        self._sum: np.ndarray | float = 0.0
        if how.watched is not None and how.booster is not None:
            before = how.booster.predict(how.watched.X, raw_score=True)
            self._sum = np.asarray(before, np.float64).reshape(len(how.watched.X), -1)

    def after(self, model: Any) -> np.ndarray:
        """Return the scores with the last tree of a model."""
        assert self._watched is not None
        last = model.predict(
            self._watched.X,
            raw_score=True,
            start_iteration=model.current_iteration() - 1,
            num_iteration=1,
        )
        self._sum = self._sum + np.asarray(last, np.float64).reshape(len(self._watched.X), -1)
        return self._sum


def first_trees(library: str, booster: Any, count: int) -> Any:
    """Return a booster with the first trees of another one."""
    if library == "xgboost":
        return booster[:count]
    return load_booster("lightgbm", booster.model_to_string(num_iteration=count).encode())


def _as_loss(task: Task, value: float) -> float:
    """Return the loss for a value of XGBoost's metric: it has the root of a regression's."""
    return value**2 if task is Task.REGRESSION and math.isfinite(value) else value
