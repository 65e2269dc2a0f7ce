"""28 floats and a label that depends on them, similar to the HIGGS data.

The floats have at most 7 significant digits, chosen so that each is the shortest text of a
float32: 6 decimals below 10, 5 decimals below 100.
"""

from __future__ import annotations

import numpy as np

from bigdata_cli.samples.options import BLOCK_ROWS, SampleOptions
from bigdata_cli.samples.render import Field, Number, Sketch, generator

N_NORMAL, N_LOGNORMAL, N_EXPONENTIAL = 14, 7, 7
N_FEATURES = N_NORMAL + N_LOGNORMAL + N_EXPONENTIAL
_SIGNAL_SHARE = 0.53
_SHIFTS = np.array([0.0, 0.25, 0.0, -0.35, 0.5, 0.0, 0.15, -0.2, 0.0, 0.3])


def sketch(options: SampleOptions) -> Sketch:
    """The sketch of a sample of `options.n_rows` measurements."""
    names = [f"f{index}" for index in range(N_FEATURES)]
    decimals = [6] * N_NORMAL + [5] * (N_LOGNORMAL + N_EXPONENTIAL)
    return Sketch(
        header=(",".join([*names, "label"]) + "\n").encode(),
        fields=(*(Field(Number(count)) for count in decimals), Field(Number(), "\n")),
        cells=lambda block: _cells(options.seed, block),
    )


def _cells(seed: int, block: int) -> np.ndarray:
    """Scaled features and labels: a label shifts the features, and two of them vary together."""
    random = generator(seed, block)
    label = random.random(BLOCK_ROWS) < _SIGNAL_SHARE
    shifts = np.resize(_SHIFTS, N_FEATURES)[:, None] * label
    cells = np.empty((N_FEATURES + 1, BLOCK_ROWS), np.int64)
    normal = random.standard_normal((N_NORMAL, BLOCK_ROWS)) + shifts[:N_NORMAL]
    normal[2] = np.where(label, normal[1], -normal[1]) * 0.5 + normal[2]
    cells[:N_NORMAL] = np.rint(np.clip(normal, -9.9, 9.9) * 1e6)
    skewed = random.standard_normal((N_LOGNORMAL, BLOCK_ROWS)) * 0.5
    skewed += shifts[N_NORMAL : N_NORMAL + N_LOGNORMAL]
    waits = random.standard_exponential((N_EXPONENTIAL, BLOCK_ROWS))
    waits *= np.exp(shifts[N_NORMAL + N_LOGNORMAL :])
    tails = np.concatenate([np.exp(skewed), waits])
    cells[N_NORMAL:N_FEATURES] = np.rint(np.minimum(tails, 99.0) * 1e5)
    cells[N_FEATURES] = label
    return cells
