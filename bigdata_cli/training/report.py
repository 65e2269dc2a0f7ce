"""What a training reports, on the way and at its end."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bigdata_cli.resources.recorder import MemoryRecord


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

    devices: as TensorFlow names them. rows: of the dataset; trained_rows: learned from in an
    epoch; held_out_rows: kept for the metric. rows_per_second: rows learned from, reading
    included. first_loss, last_loss: the mean loss of the untrained and of the trained model on
    the rows of the last steps; held_out_loss, constant_loss: of the model and of the best constant
    on the rows held out. Regression losses are of the standardised label, the RMSE is in its
    units. metric_value: None where there are too few rows for it. memory: over time, with its
    phases.
    """

    dataset: Path
    label: str
    task: str
    features: tuple[str, ...]
    devices: tuple[str, ...]
    backend: str
    versions: Mapping[str, str]
    rows: int
    trained_rows: int
    held_out_rows: int
    null_labels: int
    epochs: int
    batch_size: int
    steps: int
    seconds: float
    rows_per_second: float
    first_loss: float
    last_loss: float
    held_out_loss: float
    constant_loss: float
    metric: str
    metric_value: float | None
    notes: tuple[str, ...]
    passed: bool
    reason: str
    peak_memory_bytes: int = 0
    memory: MemoryRecord | None = None

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values; a loss that is not finite is None."""
        values = dict(vars(self))
        values["phases"] = None if self.memory is None else self.memory.phase_seconds()
        del values["memory"]
        values["dataset"] = str(self.dataset)
        values["versions"] = dict(self.versions)
        for name in ("features", "devices", "notes"):
            values[name] = list(values[name])
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in values.items()
        }
