"""Rows per second and memory of loaders, ours beside those that tutorials show, in one run.

`python -m benchmarks.loaders` converts a generated file of 28 floats to every format and layout,
reads each with every loader in a process of its own, and writes `benchmarks/loaders.json` and the
table in `docs/loaders.md`. A loader is read epoch after epoch for some seconds, after it has been
read for a third of them; the beginning of each epoch counts, so that threads, workers and shuffle
buffers are started and filled in the time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.inputs import BENCH_FOLDER, sample_file
from benchmarks.process import CommandError, run_measured

RESULTS = Path("benchmarks/loaders.json")
PAGE = Path("docs/loaders.md")
MARKS = ("<!-- figures of benchmarks/loaders.py -->\n", "<!-- end of figures -->\n")
BATCH = 512
SORTED_ROWS = 3_000_000
DATASETS = (
    ("parquet", "rows"), ("npy", "matrix"), ("npy", "columns"), ("hdf5", "matrix"),
    ("hdf5", "columns"), ("tfrecord", "rows"), ("tfrecord", "packed"), ("tfrecord", "block"),
)  # fmt: skip
OURS = ("numpy", "tf", "torch", "torch, 2 workers", "torch, DataLoader of 2 workers")
SECONDS = 6.0
"""How long a loader is read."""
LOOK_SECONDS = 0.5
"""Between two looks at the memory: of a worker each takes milliseconds."""
_ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}


# What others show.


def feature_spec(names: Sequence[str]) -> dict[str, Any]:
    """What `parse_example` is told of the features."""
    import tensorflow as tf

    return {
        name: tf.io.FixedLenFeature([], tf.int64 if name == "label" else tf.float32)
        for name in names
    }


def record_by_record(folder: Path) -> Iterable[Any]:
    """`TFRecordDataset(files).map(parse_single_example).shuffle().batch(128)`."""
    import tensorflow as tf

    from bigdata_cli import open_dataset

    dataset = open_dataset(folder)
    names = dataset.schema.names
    spec = feature_spec(names)

    def parse(record: Any) -> Any:
        row = tf.io.parse_single_example(record, spec)
        label = row.pop("label")
        return tf.stack([row[name] for name in names if name != "label"]), label

    files = [str(folder / name) for shard in dataset.shards for name in shard.file_names]
    return tf.data.TFRecordDataset(files).map(parse).shuffle(10_000).batch(128)


def by_batch(folder: Path) -> Iterable[Any]:
    """What tf.data does best: interleaved files, `parse_example` of a batch, prefetch."""
    import tensorflow as tf

    from bigdata_cli import open_dataset

    dataset = open_dataset(folder)
    names = dataset.schema.names
    spec = feature_spec(names)

    def parse(records: Any) -> Any:
        rows = tf.io.parse_example(records, spec)
        label = rows.pop("label")
        return tf.stack([rows[name] for name in names if name != "label"], axis=1), label

    files = [str(folder / name) for shard in dataset.shards for name in shard.file_names]
    records = tf.data.Dataset.from_tensor_slices(files).interleave(
        tf.data.TFRecordDataset, cycle_length=4, num_parallel_calls=tf.data.AUTOTUNE
    )
    batches = records.shuffle(100_000).batch(BATCH)
    return batches.map(parse, num_parallel_calls=tf.data.AUTOTUNE).prefetch(8)


def from_tensor_slices(folder: Path) -> Iterable[Any]:
    """`from_tensor_slices` of the whole array in memory, shuffled and batched."""
    import numpy as np
    import tensorflow as tf

    from bigdata_cli import open_dataset

    shards = open_dataset(folder).memmap()
    X = np.concatenate([X for X, _ in shards])
    y = np.concatenate([y for _, y in shards])
    slices = tf.data.Dataset.from_tensor_slices((X, y))
    return slices.shuffle(100_000).batch(BATCH).prefetch(8)


def hdf5_items(folder: Path) -> Iterable[Any]:
    """A torch dataset whose `__getitem__` reads one row of an HDF5 file, shuffled."""
    import h5py
    import numpy as np
    import torch
    from torch.utils.data import ConcatDataset, DataLoader, Dataset

    from bigdata_cli import open_dataset

    class Rows(Dataset):
        def __init__(self, path: Path) -> None:
            self.file = h5py.File(path, "r")
            self.X, self.y = self.file["X"], self.file["y"]

        def __len__(self) -> int:
            return len(self.X)

        def __getitem__(self, index: int) -> Any:
            return torch.from_numpy(self.X[index]), int(np.asarray(self.y[index]))

    shards = open_dataset(folder).shards
    whole = ConcatDataset([Rows(folder / shard.file_names[0]) for shard in shards])
    return DataLoader(whole, batch_size=BATCH, shuffle=True)


# Ours.


def numpy_batches(folder: Path) -> Iterable[Any]:
    from bigdata_cli import open_dataset

    return open_dataset(folder).to_numpy_batches(BATCH, shuffle=True)


def tf_batches(folder: Path) -> Iterable[Any]:
    from bigdata_cli import open_dataset

    return open_dataset(folder).to_tf(BATCH, shuffle=True)


def torch_batches(folder: Path) -> Any:
    from bigdata_cli import open_dataset

    return open_dataset(folder).to_torch(BATCH, shuffle=True)


def torch_loader(folder: Path) -> Iterable[Any]:
    return torch_batches(folder).loader(2)


def torch_data_loader(folder: Path) -> Iterable[Any]:
    from torch.utils.data import DataLoader

    return DataLoader(torch_batches(folder), batch_size=None, num_workers=2)


def torch_map(folder: Path) -> Iterable[Any]:
    from torch.utils.data import BatchSampler, DataLoader, RandomSampler

    from bigdata_cli import open_dataset

    rows = open_dataset(folder).to_torch_map()
    sampler = BatchSampler(RandomSampler(rows), BATCH, drop_last=False)
    return DataLoader(rows, sampler=sampler, batch_size=None)


LOADERS: dict[str, tuple[str, Callable[[Path], Iterable[Any]]]] = {
    "record by record": ("tensorflow", record_by_record),
    "parse_example by batch": ("tensorflow", by_batch),
    "from_tensor_slices in memory": ("tensorflow", from_tensor_slices),
    "item by item": ("torch", hdf5_items),
    "numpy": ("numpy", numpy_batches),
    "tf": ("tensorflow", tf_batches),
    "torch": ("torch", torch_batches),
    "torch, 2 workers": ("torch", torch_loader),
    "torch, DataLoader of 2 workers": ("torch", torch_data_loader),
    "torch map": ("torch", torch_map),
}
OTHERS = (
    ("record by record", "tfrecord-rows"), ("parse_example by batch", "tfrecord-rows"),
    ("from_tensor_slices in memory", "npy-matrix"), ("item by item", "hdf5-matrix"),
)  # fmt: skip
MAPS = (("torch map", "npy-matrix"), ("torch map", "hdf5-matrix"))


def measure(name: str, folder: Path, seconds: float) -> dict[str, Any]:
    """Read with a loader, in this process: rows, seconds, and bytes above the framework's own."""
    import psutil

    framework, make = LOADERS[name]
    __import__(framework)
    if framework == "tensorflow":
        import tensorflow as tf

        sum(1 for _ in tf.data.Dataset.range(3).prefetch(1))  # its threads are its own
    process = psutil.Process()
    before = process.memory_info().rss
    batches = make(folder)
    peak = looked = 0.0

    def read(seconds: float) -> tuple[int, float]:
        """Rows and seconds: epoch after epoch, until the time is over."""
        nonlocal peak, looked
        rows, started = 0, time.perf_counter()
        while True:
            for _, y in batches:
                rows += int(y.shape[0])
                now = time.perf_counter()
                if now - looked > LOOK_SECONDS:
                    peak, looked = max(peak, _tree_bytes(process)), now
                if now - started > seconds:
                    return rows, now - started

    read(seconds / 3)  # the first time costs what is done once
    rows, taken = read(seconds)
    peak = max(peak, _tree_bytes(process)) - before
    return {
        "rows": rows,
        "seconds": taken,
        "rows_per_second": rows / taken,
        "peak_bytes": peak,
    }


def score(folder: Path) -> dict[str, Any]:
    """How well batches mix the classes of a dataset."""
    from bigdata_cli import open_dataset

    return open_dataset(folder).shuffle_score(batch_size=BATCH).to_json()


def sorted_folder(folder: Path, n_rows: int, format_name: str, layout: str) -> Path:
    """A dataset of 8 floats in 6 shards, sorted by a label of ten classes."""
    import numpy as np

    source = folder / "sorted.csv"
    if not source.exists():
        import pyarrow as pa
        import pyarrow.csv

        random = np.random.default_rng(0)
        columns = {f"f{i}": random.random(n_rows, np.float32) for i in range(8)}
        columns["label"] = np.arange(n_rows) * 10 // n_rows
        pyarrow.csv.write_csv(pa.table(columns), source)
    target = folder / f"sorted-{format_name}-{layout}"
    _convert(source, target, format_name, layout, n_shards=6)
    return target


def _tree_bytes(process: Any) -> int:
    """Memory of a process and its workers; what they share of this process counts once."""
    total = process.memory_info().rss
    for worker in process.children():
        known = worker.memory_full_info()
        total += known.uss
    return total


def _run(name: str, folder: Path, seconds: float) -> dict[str, Any]:
    command = [
        sys.executable, "-m", "benchmarks.loaders", "--measure", name, "--dataset", str(folder),
        "--seconds", str(seconds),
    ]  # fmt: skip
    return run_measured(command, environment=_ENVIRONMENT).answer


def _convert(source: Path, target: Path, format_name: str, layout: str, *, n_shards: int) -> None:
    subprocess.run(
        [
            sys.executable, "-m", "bigdata_cli", "convert", str(source), "--to", format_name,
            "--layout", layout, "--label", "label", "--shards", str(n_shards), "--quiet",
            "-o", str(target),
        ],
        check=True,
    )  # fmt: skip


def run(n_bytes: int, folder: Path, repeats: int, seconds: float) -> dict[str, Any]:
    """All loaders on all datasets, in turns; the best of the repeats."""
    source = sample_file("sensors", n_bytes, folder=BENCH_FOLDER)
    for format_name, layout in DATASETS:
        _convert(source, folder / f"{format_name}-{layout}", format_name, layout, n_shards=4)
    wanted = [(name, dataset) for name, dataset in (*OTHERS, *MAPS)]
    wanted += [(name, f"{f}-{layout}") for name in OURS for f, layout in DATASETS]
    best: dict[tuple[str, str], dict[str, Any]] = {}
    for _ in range(repeats):
        for name, dataset in wanted:
            found = _run(name, folder / dataset, seconds)
            print(
                f"{name}, {dataset}: {found['rows_per_second']:,.0f} rows/s, "
                f"{found['peak_bytes'] / 1e6:,.0f} MB", flush=True,
            )  # fmt: skip
            known = best.get((name, dataset))
            if known is None or found["rows_per_second"] > known["rows_per_second"]:
                best[name, dataset] = found
    return {
        "source": source.name,
        "processors": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "batch": BATCH,
        "scores": [
            {"dataset": f"{f}-{layout}", **score(sorted_folder(folder, SORTED_ROWS, f, layout))}
            for f, layout in DATASETS
        ],
        "results": [
            {"loader": name, "dataset": dataset, **found} for (name, dataset), found in best.items()
        ],
    }


def report(measured: dict[str, Any]) -> str:
    """The figures in Markdown."""
    found = {(r["loader"], r["dataset"]): r for r in measured["results"]}

    def rate(name: str, dataset: str) -> float:
        return found[name, dataset]["rows_per_second"]

    lines = [
        (
            f"28 floats and a label of `{measured['source']}`, shuffled, batches of "
            f"{measured['batch']}, on {measured['processors']} processors; the load of the "
            f"machine, with what else ran on it, was {measured['load']:.1f}. Rows per second, and "
            "in brackets the MB of memory at the peak above what the framework takes when imported."
        ),
        "",
        "| dataset | " + " | ".join(_TITLES[name] for name in OURS) + " |",
        "|---|" + "---|" * len(OURS),
    ]
    for f, layout in DATASETS:
        cells = [_cell(found[name, f"{f}-{layout}"]) for name in OURS]
        lines.append(f"| {f} {layout} | " + " | ".join(cells) + " |")
    for name, dataset in MAPS:
        lines += ["", f"`to_torch_map`, {dataset}: {_cell(found[name, dataset])}."]
    lines += ["", "| what others show | rows/s | ours | times |", "|---|---|---|---|"]
    for name, dataset, ours in (
        ("record by record", "tfrecord-rows", "tf"),
        ("parse_example by batch", "tfrecord-rows", "tf"),
        ("item by item", "hdf5-matrix", "torch"),
        ("from_tensor_slices in memory", "npy-matrix", "tf"),
    ):
        times = rate(ours, dataset) / rate(name, dataset)
        lines.append(
            f"| {_OTHERS[name]} | {_cell(found[name, dataset])} | {_TITLES[ours]} of "
            f"{dataset}: {rate(ours, dataset):,.0f} | {times:.1f} |"
        )
    lines += [
        "",
        f"{SORTED_ROWS:,} rows of 8 floats in 6 shards, sorted by a label of ten classes:",
        "",
        f"| dataset | classes in a batch of {measured['batch']} | shuffle score |",
        "|---|---|---|",
    ]
    lines += [
        f"| {row['dataset']} | {row['classes_per_batch']:.1f} | {row['score']:.3f} |"
        for row in measured["scores"]
    ]
    return "\n".join(lines) + "\n"


_TITLES = {
    "numpy": "`to_numpy_batches`",
    "tf": "`to_tf`",
    "torch": "`to_torch`",
    "torch, 2 workers": "`to_torch`, `loader(2)`",
    "torch, DataLoader of 2 workers": "`to_torch`, `DataLoader` of 2 workers",
}
_OTHERS = {
    "record by record": "`TFRecordDataset(…).map(parse_single_example).shuffle(…).batch(128)`",
    "parse_example by batch": "`TFRecordDataset` interleaved, `parse_example` by batch, prefetch",
    "item by item": "HDF5 `__getitem__` of one row, shuffled, `DataLoader`",
    "from_tensor_slices in memory": "`from_tensor_slices` of the array in memory, shuffled",
}


def _cell(result: dict[str, Any]) -> str:
    return f"{result['rows_per_second']:,.0f} ({result['peak_bytes'] / 1e6:,.0f} MB)"


def write_page(measured: dict[str, Any], page: Path) -> None:
    """Put the figures between the marks of the page."""
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(MARKS[0])
    page.write_text(
        before + MARKS[0] + "\n" + report(measured) + "\n" + MARKS[1] + rest.split(MARKS[1])[1],
        encoding="utf-8",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and write the results, or, with --measure, one loader in this process."""
    from bigdata_cli.resources.sizes import parse_size

    parser = argparse.ArgumentParser(prog="python -m benchmarks.loaders", description=__doc__)
    parser.add_argument("--size", type=parse_size, default=200_000_000, help="such as 50MB")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of a loader, at most")
    parser.add_argument("--folder", type=Path, help="where the datasets are made")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--measure", choices=LOADERS, help=argparse.SUPPRESS)
    parser.add_argument("--dataset", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.measure:
        print(json.dumps(measure(options.measure, options.dataset, options.seconds)))
        return 0
    folder = Path(tempfile.mkdtemp(dir=options.folder))
    try:
        measured = run(options.size, folder, options.repeats, options.seconds)
    except CommandError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder)
    options.results.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    write_page(measured, options.page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
