"""The memory and the disk that trees take, predicted and measured: `python -m benchmarks.trees`.

Each case is a process of its own, which makes the rows, gives them to the library, and grows two
trees of 6 levels. The memory is the peak above that of the process with the library imported.
With `--train` it is `bigdata train --model` on 1,000,000 rows of 28 floats, in Parquet.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bigdata_cli import convert
from bigdata_cli.loaders.tree_memory import lightgbm_memory, xgboost_memory
from bigdata_cli.loaders.tree_rows import BLOCK_BYTES, TreeBlock, TreeRows
from bigdata_cli.resources.memory import peak_memory_bytes, tree_memory_bytes

CASES = [
    ("xgboost", 300_000, 28, False, 1),
    ("xgboost", 1_000_000, 28, True, 1),
    ("xgboost", 4_000_000, 8, False, 1),
    ("xgboost", 1_000_000, 8, False, 5),
    ("lightgbm", 300_000, 28, False, 1),
    ("lightgbm", 1_000_000, 28, True, 1),
    ("lightgbm", 4_000_000, 8, False, 1),
    ("lightgbm", 1_500_000, 8, False, 5),
]
"""Library, rows, features, whether some are null, classes."""
STOPPING = ["--early-stopping", "--importance"]
"""With which some rows are held and measured after each tree."""


def made_rows(n_rows: int, n_features: int, *, nulls: bool, n_classes: int) -> TreeRows:
    """Rows of random numbers, a tenth of them null, that are made again each time."""
    block_rows = BLOCK_BYTES // (4 * n_features + 4)
    random = np.random.default_rng(0)
    pool = random.normal(size=(block_rows, n_features)).astype(np.float32)
    if nulls:
        pool[random.random(pool.shape) < 0.1] = np.nan
    labels = random.integers(0, max(2, n_classes), block_rows).astype(np.float32)

    def blocks() -> Iterator[TreeBlock]:
        for first in range(0, n_rows, block_rows):
            n = min(block_rows, n_rows - first)
            yield TreeBlock(pool[:n].copy(), labels[:n].copy())

    return TreeRows(
        names=tuple(f"f{place}" for place in range(n_features)),
        is_category=(False,) * n_features,
        n_rows=n_rows,
        has_nulls=nulls,
        blocks=blocks,
    )


def measure(library: str, n_rows: int, n_features: int, nulls: bool, n_classes: int) -> dict:
    """Measure one case, in this process."""
    rows = made_rows(n_rows, n_features, nulls=nulls, n_classes=n_classes)
    if library == "xgboost":
        import xgboost

        from bigdata_cli.loaders.xgboost import external_matrix

        before = tree_memory_bytes()
        with tempfile.TemporaryDirectory() as folder:
            matrix = external_matrix(rows, cache=folder, threads=1)
            disk = sum(path.stat().st_size for path in Path(folder).rglob("*.page"))
            task = {"objective": "binary:logistic"}
            if n_classes > 1:
                task = {"objective": "multi:softprob", "num_class": n_classes}
            xgboost.train({**task, "nthread": 1}, matrix, 2)
            del matrix
        predicted = xgboost_memory(rows, n_outputs=n_classes)
    else:
        import lightgbm

        from bigdata_cli.loaders.lightgbm import PARAMETERS, binned_dataset

        before, disk = tree_memory_bytes(), 0
        dataset = binned_dataset(rows, parameters={"num_threads": 1})
        task = {"objective": "binary"}
        if n_classes > 1:
            task = {"objective": "multiclass", "num_class": n_classes}
        lightgbm.train({**PARAMETERS, **task, "num_threads": 1}, dataset, 2)
        predicted = lightgbm_memory(rows, n_outputs=n_classes)
    return {
        "before": before,
        "peak": peak_memory_bytes(),
        "memory": predicted.memory_bytes,
        "disk": disk,
        "predicted_disk": predicted.disk_bytes,
    }


def trained() -> None:
    """Print the memory of `bigdata train --model`, predicted and measured."""
    random = np.random.default_rng(0)
    X = random.normal(size=(1_000_000, 28)).astype(np.float32)
    y = X[:, :5].sum(axis=1) + random.normal(size=len(X)) > 0
    with tempfile.TemporaryDirectory() as folder:
        source, dataset = Path(folder, "rows.parquet"), Path(folder, "dataset")
        columns = {f"f{place}": X[:, place] for place in range(28)}
        pq.write_table(pa.table({**columns, "label": y}), source)
        convert(source, to="parquet", shards=4, label="label", output=dataset)
        print("| model | peak, MB | predicted | of peak |\n|---|---|---|---|")
        runs = [(model, flags) for flags in ([], STOPPING) for model in ("xgboost", "lightgbm")]
        for model, flags in runs:
            options = ["--model", model, "--trees", "3", "--json", "--quiet", *flags]
            done = subprocess.run(
                [sys.executable, "-m", "bigdata_cli", "train", str(dataset), *options],
                capture_output=True,
                text=True,
                check=True,
            )
            report = json.loads(done.stdout)
            peak, predicted = report["peak_memory_bytes"], report["predicted_memory_bytes"]
            print(
                f"| {' '.join([model, *flags])} | {peak / 1e6:.0f} | {predicted / 1e6:.0f} "
                f"| {predicted / peak - 1:+.1%} |"
            )


def main() -> None:
    """Print a table of all cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", type=int, help="measure one case here, and print JSON")
    parser.add_argument("--train", action="store_true", help="measure `bigdata train --model`")
    arguments = parser.parse_args()
    if arguments.train:
        trained()
        return
    case = arguments.case
    if case is not None:
        print(json.dumps(measure(*CASES[case])))
        return
    names = "library rows features nulls classes memory,MB predicted of-peak disk,MB predicted"
    print("| " + " | ".join(names.split()) + " |")
    print("|" + "---|" * len(names.split()))
    for place, (library, n_rows, n_features, nulls, n_classes) in enumerate(CASES):
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.trees", "--case", str(place)],
            capture_output=True,
            text=True,
            check=True,
        )
        found = json.loads(done.stdout.splitlines()[-1])
        cells = [library, f"{n_rows:,}", n_features, "10 %" if nulls else "none", n_classes]
        cells += [f"{(found['peak'] - found['before']) / 1e6:.0f}", f"{found['memory'] / 1e6:.0f}"]
        cells += [f"{(found['before'] + found['memory']) / found['peak'] - 1:+.1%}"]
        cells += [f"{found['disk'] / 1e6:.0f}", f"{found['predicted_disk'] / 1e6:.0f}"]
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    main()
