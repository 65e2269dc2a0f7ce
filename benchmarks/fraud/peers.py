"""What others do, as in the article: pandas, Dask with a sample, blocks, bagging, Keras.

`python -m benchmarks.fraud.peers NAME TRAIN.csv TEST.csv SCORES SEED`: trains on one file and
writes the scores of the rows of the other. Block sizes, sizes of samples and models are the
article's; trees are grown and asked on all processors, which it did not do.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.fraud.features import COLUMNS, FEATURES, LABEL, frame_features
from benchmarks.fraud.scores import write_scores

if TYPE_CHECKING:
    import dask.dataframe as dd
    import numpy as np
    import pandas as pd

TREES, LEAF_ROWS = 10, 10
SAMPLE_SHARE, MEMBERS = 0.05, 10
TRAIN_BLOCK, TEST_BLOCK = 10_000_000, 5_000_000
HIDDEN, DROPOUT, BATCH_ROWS = (16, 16, 16), 0.25, 512
PREDICT_ROWS = 4096

Score = Callable[["pd.DataFrame"], "np.ndarray"]
"""Features to the probabilities of fraud."""


def naive(train: Path, test: Path, seed: int) -> pd.DataFrame:
    """Everything in memory."""
    import pandas as pd

    frame = pd.read_csv(train, usecols=list(COLUMNS))
    model = _fit(frame, seed)
    del frame
    return _scored(pd.read_csv(test, usecols=list(COLUMNS)), _probability(model))


def sample(train: Path, test: Path, seed: int) -> pd.DataFrame:
    """Trained on a sample that Dask draws; the test rows in memory."""
    import pandas as pd

    model = _fit(_draw(train, seed), seed)
    return _scored(pd.read_csv(test, usecols=list(COLUMNS)), _probability(model))


def blocks(train: Path, test: Path, seed: int) -> pd.DataFrame:
    """Trained on a sample, asked block by block."""
    return _scored_in_blocks(test, _probability(_fit(_draw(train, seed), seed)))


def bagging(train: Path, test: Path, seed: int) -> pd.DataFrame:
    """Several models, each on a sample of its own; asked block by block."""
    members = [
        _probability(_fit(_draw(train, seed + member), seed + member)) for member in range(MEMBERS)
    ]
    return _scored_in_blocks(test, lambda X: sum(member(X) for member in members) / MEMBERS)


def keras(train: Path, test: Path, seed: int) -> pd.DataFrame:
    """A network that sees partition after partition, once."""
    from keras import Sequential, layers
    from keras.config import set_floatx
    from keras.utils import set_random_seed

    set_floatx("float64")
    set_random_seed(seed)
    rows = _read(train, TEST_BLOCK)
    X = rows.map_partitions(frame_features, meta=dict.fromkeys(FEATURES, "float64"))
    mean = X.mean().compute(scheduler="synchronous")
    std = X.std().compute(scheduler="synchronous")
    hidden = [
        layer
        for width in HIDDEN
        for layer in (layers.Dense(width, activation="relu"), layers.Dropout(DROPOUT))
    ]
    model = Sequential([*hidden, layers.Dense(1, activation="sigmoid")])
    model.compile(loss="binary_crossentropy", optimizer="rmsprop")
    for part in _partitions(rows):
        values = (frame_features(part) - mean) / std
        model.fit(values.to_numpy(), part[LABEL].to_numpy(), batch_size=BATCH_ROWS, verbose=0)

    def score(values: pd.DataFrame) -> np.ndarray:
        values = ((values - mean) / std).to_numpy()
        return model.predict(values, batch_size=PREDICT_ROWS, verbose=0)[:, 0]

    return _scored_in_blocks(test, score)


def _read(csv: Path, block_bytes: int) -> dd.DataFrame:
    import dask.dataframe as dd

    return dd.read_csv(csv, usecols=list(COLUMNS), blocksize=block_bytes)


def _draw(train: Path, seed: int) -> pd.DataFrame:
    """A sample of each class."""
    import dask.dataframe as dd

    rows = _read(train, TRAIN_BLOCK)
    classes = [
        rows[rows[LABEL] == value].sample(frac=SAMPLE_SHARE, random_state=seed) for value in (1, 0)
    ]
    return dd.concat(classes).compute(scheduler="synchronous")


def _fit(frame: pd.DataFrame, seed: int) -> Any:
    from sklearn.ensemble import ExtraTreesClassifier

    model = ExtraTreesClassifier(
        n_estimators=TREES, min_samples_leaf=LEAF_ROWS, n_jobs=-1, random_state=seed
    )
    return model.fit(frame_features(frame), frame[LABEL])


def _probability(model: Any) -> Score:
    return lambda X: model.predict_proba(X)[:, 1]


def _scored(frame: pd.DataFrame, score: Score) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({"score": score(frame_features(frame)), LABEL: frame[LABEL]})


def _scored_in_blocks(test: Path, score: Score) -> pd.DataFrame:
    import pandas as pd

    return pd.concat([_scored(part, score) for part in _partitions(_read(test, TEST_BLOCK))])


def _partitions(rows: dd.DataFrame) -> Iterator[pd.DataFrame]:
    """One after the other. (`map_partitions` would pickle the model, and hash that.)"""
    for place in range(rows.npartitions):
        yield rows.get_partition(place).compute(scheduler="synchronous")


PEERS: dict[str, Callable[[Path, Path, int], pd.DataFrame]] = {
    "naive": naive, "sample": sample, "blocks": blocks, "bagging": bagging, "keras": keras,
}  # fmt: skip


def main(arguments: list[str]) -> None:
    """Train, score, write the scores."""
    name, train, test, folder, seed = arguments
    scored = PEERS[name](Path(train), Path(test), int(seed))
    write_scores(Path(folder), scored["score"].to_numpy(), scored[LABEL].to_numpy())


if __name__ == "__main__":
    main(sys.argv[1:])
