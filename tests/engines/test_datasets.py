"""The dataset of an engine is that of the threads of this process, whatever the source."""

from __future__ import annotations

import gzip
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bigdata_cli import convert, open_dataset, verify
from bigdata_cli.conversion import workers
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.report import ConvertReport
from bigdata_cli.conversion.run import run
from bigdata_cli.conversion.shard_spec import ShardResult
from bigdata_cli.engines.executor import ExecutorEngine
from bigdata_cli.engines.options import EngineOptions
from bigdata_cli.errors import BigdataError, DataError, EngineError
from bigdata_cli.formats.registry import get_traits
from bigdata_cli.io.store import partial_name
from bigdata_cli.splits.options import SplitOptions
from tests.conversion.test_widening import SAMPLE_BYTES, UNIT_BYTES, contents, sources, statistics
from tests.datasets import LAYOUTS
from tests.examples import n_examples
from tests.manifest_files import has_manifest, rejected_csv

N_ROWS = 4_000


@st.composite
def requests(draw: st.DrawFn) -> ConvertOptions:
    to, layout = draw(st.sampled_from(LAYOUTS))
    split = SplitOptions(split={"train": 0.6, "test": 0.4})
    return ConvertOptions(
        to=to,
        layout=layout,
        jobs=2,
        shards=draw(st.integers(1, 5)),
        label=draw(st.sampled_from([None, "c0"])) if layout in ("matrix", "packed") else None,
        float_mode=draw(st.sampled_from(["auto", "32", "64"])),
        splits=draw(st.sampled_from([SplitOptions(), split])),
    )


def rows_text(n_rows: int = N_ROWS) -> str:
    """Rows with quotes, texts of few kinds, late surprises."""
    lines = ["id,kind,price,note\n"]
    for row in range(n_rows):
        kind = "late" if row == n_rows - 9 else f"k{row % 7}"
        price = f"{row}.5" if row > n_rows // 2 else str(row)
        lines.append(f'{row},{kind},{price},"note {row},\nsecond line"\n')
    return "".join(lines)


class DatasetContract:
    """What holds on every engine whose workers are processes."""

    executor: Any

    def convert(self, source: Any, output: Path, **options: Any) -> ConvertReport:
        return convert(source, output=output, engine=self.executor, **options)

    def both(self, source: Any, folder: Path, **options: Any) -> tuple[Path, Path]:
        """The datasets of this engine and of threads."""
        self.convert(source, folder / "there", **options)
        convert(source, output=folder / "here", jobs=2, **options)
        return folder / "there", folder / "here"

    @settings(
        max_examples=n_examples(12),
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    @given(text=sources(), options=requests())
    def test_any_source(self, text: str, options: ConvertOptions) -> None:
        how: dict[str, Any] = {"unit_bytes": UNIT_BYTES, "sample_bytes": SAMPLE_BYTES}
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            source = folder / "data.csv"
            source.write_text(text, encoding="utf-8")
            workers = EngineOptions(engine=self.executor)
            asked = replace(options, output=folder / "there", workers=workers)
            try:
                run([source], replace(options, output=folder / "here"), **how)
            except BigdataError as error:
                with pytest.raises(type(error)):
                    run([source], asked, **how)
                assert not (folder / "there").exists()
                return
            run([source], asked, **how)
            same_bytes = get_traits(options.to).same_bytes
            here, there = (
                (contents(at, same_bytes=same_bytes), statistics(at, exact=True))
                for at in (folder / "here", folder / "there")
            )
            assert there == here
            assert verify(folder / "there").passed
            assert not list((folder / "there").glob("*.partial"))

    def test_every_byte_of_several_files(self, tmp_path: Path) -> None:
        for name in "abc":
            (tmp_path / f"{name}.csv").write_text(rows_text(1_000 * (1 + ord(name) % 3)))
        found = self.both(
            [tmp_path / f"{name}.csv" for name in "bac"], tmp_path, to="parquet", shards=7
        )
        assert_same_files(*found)

    def test_rejected_records_with_their_lines(self, tmp_path: Path) -> None:
        source = tmp_path / "bad.csv"
        lines = rows_text().splitlines(keepends=True)
        for at in (401, 3_002, 7_001):
            lines.insert(at, "1,2,3,4,5,6\n")
        source.write_text("".join(lines))
        found = self.both(source, tmp_path, to="parquet", shards=5, on_bad_row="skip")
        assert rejected_csv(found[0]).count(b"\n") == 4
        assert_same_files(*found)

    def test_the_first_record_that_is_wrong_is_the_error(self, tmp_path: Path) -> None:
        source = tmp_path / "bad.csv"
        lines = rows_text().splitlines(keepends=True)
        for at in (2_001, 7_001):
            lines.insert(at, "1,2,3,4,5,6\n")
        source.write_text("".join(lines))
        with pytest.raises(DataError, match="line 2,002"):
            self.convert(source, tmp_path / "there", to="parquet", shards=6)
        assert not (tmp_path / "there").exists()

    def test_shuffled_rows(self, tmp_path: Path) -> None:
        source = tmp_path / "rows.csv"
        source.write_text(rows_text())
        found = self.both(source, tmp_path, to="parquet", shards=3, shuffle=True, seed=5)
        assert_same_files(*found)

    def test_a_stream_says_that_one_process_reads_it(self, tmp_path: Path) -> None:
        source = tmp_path / "rows.csv.gz"
        source.write_bytes(gzip.compress(rows_text(500).encode()))
        said: list[str] = []

        def listen(progress: Any) -> None:
            said.append(progress.note or "")

        self.convert(source, tmp_path / "there", to="parquet", shards=2, progress=listen)
        assert any("can only be read from its start" in message for message in said)
        assert open_dataset(tmp_path / "there").rows == 500

    def test_from_another_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Workers need not be in the folder that relative names are of."""
        monkeypatch.chdir(tmp_path)
        Path("rows.csv").write_text(rows_text(800))
        self.convert("rows.csv", Path("out"), to="npy", shards=3)
        assert open_dataset("out").rows == 800
        assert open_dataset("out").manifest.sources[0].name == "rows.csv"


def assert_same_files(there: Path, here: Path) -> None:
    """Both folders hold the same files, byte for byte."""
    names = sorted(path.name for path in here.iterdir())
    assert sorted(path.name for path in there.iterdir()) == names
    for name in names:
        assert (there / name).read_bytes() == (here / name).read_bytes(), name


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as made:
        yield made


class TestExecutor(DatasetContract):
    @pytest.fixture(autouse=True)
    def _executor(self, executor: Executor) -> None:
        self.executor = executor


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as made,
    ):
        yield made


class TestDask(DatasetContract):
    def test_all_workers_are_kept_busy(self) -> None:
        assert ExecutorEngine(self.executor, jobs=7).n_workers == 2

    @pytest.fixture(autouse=True)
    def _executor(self, client: Any) -> None:
        self.executor = client.get_executor(pure=False)


class Breaks(Executor):
    """Does some tasks at once, and is gone then."""

    def __init__(self, n_tasks: int) -> None:
        self._n_left = n_tasks

    def submit(self, work: Any, /, *args: Any, **options: Any) -> Future[Any]:
        if not self._n_left:
            raise BrokenExecutor("its machines are off")
        self._n_left -= 1
        future: Future[Any] = Future()
        future.set_result(work(*args, **options))
        return future


def test_workers_that_are_gone_are_an_error_and_the_command_goes_on(tmp_path: Path) -> None:
    source, output = tmp_path / "rows.csv", tmp_path / "there"
    source.write_text(rows_text())
    how: dict[str, Any] = {"to": "parquet", "shards": 6}
    with pytest.raises(EngineError, match="executor are gone: its machines are off") as raised:
        convert(source, output=output, engine=Breaks(4), **how)
    assert raised.value.exit_code == 7
    assert "of 6 shards are done; the same command goes on" in raised.value.__notes__[0]
    assert not has_manifest(output)
    report = convert(source, output=output, engine=Breaks(9), **how)
    assert report.resumed_shards > 0
    convert(source, output=tmp_path / "here", **how)
    assert_same_files(output, tmp_path / "here")


class WritesElsewhere(Executor):
    """A worker whose output is not the one that is seen here."""

    def submit(self, work: Any, /, *args: Any, **options: Any) -> Future[Any]:
        outcome = work(*args, **options)
        for event in outcome.events:
            if isinstance(event, ShardResult):
                for file in event.files:
                    (self.output / partial_name(file.name)).unlink()
        future: Future[Any] = Future()
        future.set_result(outcome)
        return future

    def __init__(self, output: Path) -> None:
        self.output = output


def test_files_that_are_not_here_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "_SECONDS_TO_APPEAR", 0.0)
    source, output = tmp_path / "rows.csv", tmp_path / "there"
    source.write_text(rows_text(300))
    with pytest.raises(EngineError, match="does not have it here") as raised:
        convert(source, to="parquet", shards=2, output=output, engine=WritesElsewhere(output))
    assert "on a file system that all machines share" in (raised.value.hint or "")


class SeesAnotherFile(Executor):
    """A worker that has another source under the same name."""

    def __init__(self, source: Path) -> None:
        self.source = source

    def submit(self, work: Any, /, *args: Any, **options: Any) -> Future[Any]:
        stat = self.source.stat()
        os.utime(self.source, ns=(stat.st_atime_ns, stat.st_mtime_ns + 10**9))
        future: Future[Any] = Future()
        future.set_result(work(*args, **options))
        os.utime(self.source, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        return future


def test_a_source_that_is_another_one_on_a_worker_is_an_error(tmp_path: Path) -> None:
    source, output = tmp_path / "rows.csv", tmp_path / "there"
    source.write_text(rows_text(300))
    with pytest.raises(DataError, match=r"rows\.csv changed while it was read"):
        convert(source, to="parquet", shards=2, output=output, engine=SeesAnotherFile(source))
    assert not output.exists()
