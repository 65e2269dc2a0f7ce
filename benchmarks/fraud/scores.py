"""Scores of the test rows: written by each variant, judged after its process has ended.

`python -m benchmarks.fraud.scores FOLDER` prints the AUC and what it is of. So the memory and the
time of the AUC itself are no variant's.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from benchmarks.fraud.features import LABEL
from benchmarks.fraud.variants import PREDICTIONS

SCORES, LABELS = "scores.npy", "labels.npy"


def write_scores(folder: Path, scores: np.ndarray, labels: np.ndarray) -> None:
    """Write scores, float64 (rows,), and labels, 0 or 1 (rows,), of the rows in the same order."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / SCORES, np.asarray(scores, np.float64))
    np.save(folder / LABELS, np.asarray(labels, np.uint8))


def read_scores(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Scores and labels that were written there, by `write_scores` or by `bigdata predict`."""
    predictions = folder / PREDICTIONS
    if not predictions.exists():
        return np.load(folder / SCORES), np.load(folder / LABELS)
    from pyarrow import parquet

    table = parquet.read_table(predictions, columns=["probability", LABEL])
    return table["probability"].to_numpy(), table[LABEL].to_numpy()


def judge(folder: Path) -> dict[str, float]:
    """The AUC of the scores in a folder, the rows that it is of, and the frauds among them."""
    from sklearn.metrics import roc_auc_score

    scores, labels = read_scores(folder)
    return {
        "rows": len(labels),
        "frauds": int(labels.sum()),
        "auc": float(roc_auc_score(labels, scores)),
    }


if __name__ == "__main__":
    print(json.dumps(judge(Path(sys.argv[1]))))
