"""What a training reports, on the way and at its end."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bigdata_cli.resources.recorder import MemoryRecord

if TYPE_CHECKING:
    from bigdata_cli.training.pace import Pace


@dataclass(frozen=True, kw_only=True)
class TrainProgress:
    """Where a training stands; `loss` is the mean of the last steps."""

    epoch: int
    epochs: int
    step: int
    expected_steps: int
    rows: int
    loss: float


@dataclass(frozen=True, kw_only=True)
class TrainReport:
    """What a training did, and whether the model learned (training/judgement.py says how).

    devices: of this process, as its backend names them. strategy: "none", "mirrored" or
    "multiworker"; replicas: devices that trained, of all workers; worker: the place of this process
    among the workers, who all have the same report but for what was measured. rows: of the dataset;
    trained_rows: learned from in an epoch; held_out_rows: kept for the metric. epochs: that the
    model has had, resumed_epochs of them before. rows_per_second: rows learned from, reading
    included. pace: of the steps, and what bounds it. first_loss, last_loss: the mean loss of the
    untrained and of the trained model on the rows of the last steps; held_out_loss, constant_loss:
    of the model and of the best constant on the rows held out, or on those of evaluated_on. With
    balanced classes losses are weighted. Regression losses are of the standardised label, the RMSE
    is in its units. metric_value: None where there are too few rows for it, wrong by at most
    metric_error_bound. evaluated_on: the dataset that the metric is of, None for rows held out.
    saved: the file that has the model, or the folder of the bag; member_metrics: of the models of a
    bag, whose metric and held-out loss are those of their average, all else sums or means. memory:
    over time, with its phases.
    """

    dataset: Path
    label: str
    task: str
    features: tuple[str, ...]
    hidden: tuple[int, ...]
    dropout: float
    devices: tuple[str, ...]
    backend: str
    strategy: str
    replicas: int
    workers: int
    worker: int
    versions: Mapping[str, str]
    rows: int
    trained_rows: int
    held_out_rows: int
    null_labels: int
    epochs: int
    resumed_epochs: int
    batch_size: int
    steps: int
    seconds: float
    rows_per_second: float
    pace: Pace
    first_loss: float
    last_loss: float
    held_out_loss: float
    constant_loss: float
    metric: str
    metric_value: float | None
    metric_error_bound: float
    evaluated_on: Path | None
    evaluated_rows: int
    saved: Path | None
    notes: tuple[str, ...]
    passed: bool
    reason: str
    member_metrics: tuple[float | None, ...] = ()
    peak_memory_bytes: int = 0
    memory: MemoryRecord | None = None

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values; a figure that is not finite is None."""
        values = dict(vars(self))
        values["phases"] = None if self.memory is None else self.memory.phase_seconds()
        del values["memory"]
        for name in ("dataset", "evaluated_on", "saved"):
            values[name] = None if values[name] is None else str(values[name])
        values["versions"] = dict(self.versions)
        values["pace"] = _finite(self.pace.to_json())
        for name in ("features", "hidden", "devices", "notes", "member_metrics"):
            values[name] = list(values[name])
        return _finite(values)


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }
