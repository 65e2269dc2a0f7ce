"""An epoch from the shards of each format, beside the same epoch from an array in memory.

`python -m benchmarks.training` converts generated rows of 28 numbers, trains the model of
`bigdata train` on them in turns, and writes the table in docs/training.md, and
benchmarks/training.json. `--backend torch` adds the same with torch, as Keras has one backend in a
process. What is asked for is that streaming takes at most a twentieth more.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.inputs import BENCH_FOLDER, sample_file

if TYPE_CHECKING:
    from bigdata_cli.loaders.examples import Examples
    from bigdata_cli.loaders.target import Target
    from bigdata_cli.training.backends.base import Backend, Trainer
    from bigdata_cli.training.stream import ExampleStream

LAYOUTS = (
    ("npy", "matrix", "none"),
    ("npy", "columns", "none"),
    ("hdf5", "matrix", "none"),
    ("hdf5", "columns", "none"),
    ("hdf5", "columns", "gzip"),
    ("tfrecord", "packed", "none"),
    ("tfrecord", "block", "none"),
    ("tfrecord", "rows", "none"),
    ("parquet", "rows", "zstd"),
)
BATCH_SIZES = (512, 4096)
BACKENDS = ("tensorflow", "torch")
ASKED_RATIO = 1.05
PAGE = Path("docs/training.md")
RESULTS = Path("benchmarks/training.json")
LABEL = "label"


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Seconds of an epoch: medians of turns; ratio: the median of the turns' ratios.

    cpu_ratio: that of the processor time, of all threads. reader_seconds: an epoch of rows alone,
    without a step.
    """

    format: str
    layout: str
    compression: str
    backend: str
    batch_size: int
    rows: int
    shards_seconds: float
    memory_seconds: float
    ratio: float
    cpu_ratio: float
    reader_seconds: float


class InMemory:
    """The examples of an epoch as a stream gives them, but out of arrays; the rows shuffled."""

    def __init__(self, target: Target, examples: Examples, window_rows: int) -> None:
        self.target = target
        self._examples = examples
        self._window_rows = window_rows

    def epoch(self, number: int) -> Iterator[Examples]:
        """Windows of rows in a random order."""
        order = np.random.default_rng([0, number]).permutation(len(self._examples))
        for first in range(0, len(order), self._window_rows):
            yield self._examples.take(order[first : first + self._window_rows])


@dataclass(frozen=True)
class Timed:
    """Wall and processor seconds of an epoch, and its rows."""

    seconds: float
    cpu_seconds: float
    rows: int


def run_epoch(
    trainer: Trainer, backend: Backend, stream: Any, *, number: int, batch_size: int
) -> Timed:
    """Train one epoch."""
    from bigdata_cli.training.course import Position, Schedule
    from bigdata_cli.training.learning_rate import LearningRate
    from bigdata_cli.training.loop import TrainingLoop
    from bigdata_cli.training.model import LEARNING_RATE

    schedule = Schedule(
        epochs=number + 1,
        batch_size=batch_size,
        learning_rate=LearningRate(peak=LEARNING_RATE),
        start=Position(epochs=number),
    )
    wall, processor = time.perf_counter(), time.process_time()
    result = TrainingLoop(trainer, backend, stream, schedule).run()
    return Timed(time.perf_counter() - wall, time.process_time() - processor, result.rows)


def compare(
    folder: Path, names: tuple[str, str, str], backend_name: str, *, turns: int
) -> Iterator[Compared]:
    """An epoch in each way and batch size, in turns, in this process."""
    from bigdata_cli import open_dataset
    from bigdata_cli.loaders.examples import join
    from bigdata_cli.loaders.features import plan_features
    from bigdata_cli.loaders.target import plan_target
    from bigdata_cli.training.backends.registry import open_backend
    from bigdata_cli.training.device_options import DeviceOptions
    from bigdata_cli.training.model import build_network
    from bigdata_cli.training.stream import ExampleStream, Reading

    dataset = open_dataset(folder)
    target, features = plan_target(dataset, LABEL), plan_features(dataset, LABEL)
    backend = open_backend(backend_name, DeviceOptions(strategy="none"))
    for batch_size in BATCH_SIZES:
        reading = Reading(batch_size=batch_size, hold_out=False)
        shards = ExampleStream(dataset, features, target, reading)
        windows = list(shards.epoch(0))
        memory = InMemory(target, join(windows), len(windows[0]))
        del windows
        trainer = backend.trainer(build_network(features, target), target)
        pairs = []
        for turn in range(turns + 1):
            both = [
                run_epoch(trainer, backend, stream, number=turn + 1, batch_size=batch_size)
                for stream in ((shards, memory) if turn % 2 else (memory, shards))
            ]
            assert both[0].rows == both[1].rows == dataset.rows
            pairs.append(both if turn % 2 else both[::-1])
        pairs = pairs[1:]  # the first makes much ready
        yield Compared(
            format=names[0],
            layout=names[1],
            compression=names[2],
            backend=backend_name,
            batch_size=batch_size,
            rows=dataset.rows,
            shards_seconds=statistics.median(a.seconds for a, _ in pairs),
            memory_seconds=statistics.median(b.seconds for _, b in pairs),
            ratio=statistics.median(a.seconds / b.seconds for a, b in pairs),
            cpu_ratio=statistics.median(a.cpu_seconds / b.cpu_seconds for a, b in pairs),
            reader_seconds=min(_reading_seconds(shards, turn) for turn in range(3)),
        )


def _reading_seconds(stream: ExampleStream, number: int) -> float:
    began = time.perf_counter()
    for _ in stream.epoch(number):
        pass
    return time.perf_counter() - began


def _of_other_runs(results: Path, now: Sequence[Compared]) -> list[Compared]:
    """What other runs have left: of other formats, or with another backend."""
    if not results.exists():
        return []
    known = json.loads(results.read_text(encoding="utf-8"))["epochs"]
    measured = {(one.format, one.backend) for one in now}
    # The first results did not say their backend, which was TensorFlow.
    before = [Compared(**{"backend": BACKENDS[0], **one}) for one in known]
    return [one for one in before if (one.format, one.backend) not in measured]


BEGIN = "<!-- written by python -m benchmarks.training -->"
END = "<!-- until here -->"


def table(compared: Sequence[Compared], *, n_processors: int, turns: int) -> str:
    """What the page has between BEGIN and END."""
    within = sum(one.ratio <= ASKED_RATIO for one in compared)
    summary = (
        f"{within} of {len(compared)} take at most {ASKED_RATIO:g} times as long from the shards,\n"
        f"on {n_processors} processors, medians of {turns} turns. Other work on the machine is in\n"
        "the seconds, of both; least of all in the ratio of processor time, which is the cost of\n"
        "streaming where all processors are in use."
    )
    titles = (
        *("dataset", "backend", "batch", "rows", "from shards, s", "in memory, s", "ratio"),
        *("of processor time", "reading alone, s"),
    )
    lines = [summary, "", f"| {' | '.join(titles)} |", "|---" * len(titles) + "|"]
    lines += [
        f"| {one.format} {one.layout} {one.compression} | {one.backend} "
        f"| {one.batch_size:,} | {one.rows:,} | {one.shards_seconds:.2f} "
        f"| {one.memory_seconds:.2f} | {one.ratio:.2f} | {one.cpu_ratio:.2f} "
        f"| {one.reader_seconds:.2f} |"
        for one in compared
    ]
    return "\n".join(lines) + "\n"


def with_table(page: str, text: str) -> str:
    """A page with another table between BEGIN and END.

    >>> with_table(f"a\\n{BEGIN}\\nold\\n{END}\\nb", "new\\n").splitlines()[2]
    'new'
    """
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{text}{END}{after}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the results; the status is 1 where streaming costs more than is asked."""
    from bigdata_cli.resources.memory import available_cpus
    from bigdata_cli.resources.sizes import parse_size

    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--size", type=parse_size, default=200_000_000, help="such as 50MB")
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--only", nargs="*", default=[], help="formats, such as npy parquet")
    parser.add_argument("--backend", choices=BACKENDS, default=BACKENDS[0])
    parser.add_argument("--folder", type=Path, default=BENCH_FOLDER)
    parser.add_argument("--page", type=Path, default=PAGE)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    source = sample_file("sensors", options.size, folder=options.folder)
    compared = []
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        for names in LAYOUTS:
            if options.only and names[0] not in options.only:
                continue
            dataset = Path(scratch) / "-".join(names)
            command = [
                sys.executable, "-m", "bigdata_cli", "convert", str(source), "--to", names[0],
                "--layout", names[1], "--compression", names[2], "--label", LABEL, "--shards", "8",
                "-o", str(dataset), "--quiet",
            ]  # fmt: skip
            subprocess.run(command, check=True)
            for one in compare(dataset, names, options.backend, turns=options.turns):
                print(
                    f"{' '.join(names)}, {one.backend}, batch {one.batch_size:,}: "
                    f"{one.ratio:.2f} (processor time {one.cpu_ratio:.2f}, "
                    f"{one.shards_seconds:.2f} s, in memory {one.memory_seconds:.2f} s, "
                    f"reading {one.reader_seconds:.2f} s)",
                    flush=True,
                )
                compared.append(one)
    compared = _of_other_runs(options.results, compared) + compared
    n_processors = available_cpus()
    results = {"processors": n_processors, "epochs": [asdict(one) for one in compared]}
    options.results.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    text = table(compared, n_processors=n_processors, turns=options.turns)
    page = options.page.read_text(encoding="utf-8")
    options.page.write_text(with_table(page, text), encoding="utf-8")
    return int(any(one.ratio > ASKED_RATIO for one in compared))


if __name__ == "__main__":
    sys.exit(main())
