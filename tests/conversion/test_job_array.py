"""Job arrays: tasks that know nothing of each other make the dataset of one process."""

from __future__ import annotations

import gzip
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bigdata_cli import commit, convert, open_dataset, verify
from bigdata_cli.conversion import clean
from bigdata_cli.conversion.commit import OutputFolder
from bigdata_cli.conversion.commit_options import CommitOptions
from bigdata_cli.conversion.job_array import commit as commit_with
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.run import run
from bigdata_cli.conversion.task import request_for
from bigdata_cli.conversion.task_files import Request, task_store
from bigdata_cli.engines.options import EngineOptions, TaskNumber
from bigdata_cli.errors import BigdataError, DataError, EngineError, UsageError
from bigdata_cli.formats.registry import get_traits
from bigdata_cli.io.local_store import LocalStore
from bigdata_cli.options import request_of
from bigdata_cli.splits.options import SplitOptions
from tests.conversion.test_widening import SAMPLE_BYTES, UNIT_BYTES, contents, sources, statistics
from tests.datasets import LAYOUTS
from tests.examples import n_examples
from tests.manifest_files import has_manifest, rejected_csv

N_ROWS = 3_000
MAX_ROUNDS = 12


@st.composite
def requests(draw: st.DrawFn) -> tuple[ConvertOptions, list[int]]:
    """A request, and its tasks in the order in which they run."""
    to, layout = draw(st.sampled_from(LAYOUTS))
    split = SplitOptions(split={"train": 0.6, "test": 0.4})
    options = ConvertOptions(
        to=to,
        layout=layout,
        jobs=draw(st.integers(1, 2)),
        shards=draw(st.integers(1, 6)),
        label=draw(st.sampled_from([None, "c0"])) if layout in ("matrix", "packed") else None,
        float_mode=draw(st.sampled_from(["auto", "32", "64"])),
        splits=draw(st.sampled_from([SplitOptions(), split])),
    )
    n_tasks = draw(st.integers(1, 4))
    return options, draw(st.permutations(range(1, n_tasks + 1)))


@settings(
    max_examples=n_examples(15),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
@given(text=sources(), request=requests(), here=st.booleans())
def test_any_source(text: str, request: tuple[ConvertOptions, list[int]], here: bool) -> None:
    options, order = request
    how: dict[str, Any] = {"unit_bytes": UNIT_BYTES, "sample_bytes": SAMPLE_BYTES}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "data.csv"
        source.write_text(text, encoding="utf-8")
        if not is_converted(source, replace(options, output=folder / "whole"), **how):
            with pytest.raises(BigdataError):
                run_array(source, replace(options, output=folder / "parts"), order, here, **how)
            assert not has_manifest(folder / "parts")
            return
        run_array(source, replace(options, output=folder / "parts"), order, here, **how)
        same_bytes = get_traits(options.to).same_bytes
        whole, parts = (
            (contents(at, same_bytes=same_bytes), statistics(at, exact=True))
            for at in (folder / "whole", folder / "parts")
        )
        assert parts == whole
        assert verify(folder / "parts").passed
        names = {path.name for path in (folder / "parts").iterdir()}
        assert names == {path.name for path in (folder / "whole").iterdir()}


def is_converted(source: Path, options: ConvertOptions, **how: Any) -> bool:
    try:
        run([source], options, **how)
    except BigdataError:
        return False
    return True


def named_tasks(error: EngineError) -> list[int]:
    """The tasks that a message names."""
    words = error.message.partition(": task")[2].removeprefix("s").replace(",", " ")
    return [int(word) for word in words.partition(" of ")[0].split()]


def run_array(
    source: Path, options: ConvertOptions, order: list[int], here: bool, **how: Any
) -> None:
    """Run all tasks, and commit: what is named is run again until nothing is left."""
    n_tasks = len(order)
    assert options.output is not None
    again = list(order)
    for _ in range(MAX_ROUNDS):
        for number in again:
            task = EngineOptions(task=TaskNumber(number, n_tasks))
            run([source], replace(options, workers=task), **how)
        assert not has_manifest(options.output)
        try:
            commit_with(options.output, CommitOptions(here=here), **how)
        except EngineError as error:
            again = named_tasks(error)
        else:
            return
    raise AssertionError("it does not end")


def rows_text(n_rows: int = N_ROWS) -> str:
    lines = (f'{row},k{row % 7},"note {row},\nsecond line"\n' for row in range(n_rows))
    return "id,kind,note\n" + "".join(lines)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_text(rows_text())
    return path


def task(source: Path, number: int, n_tasks: int = 3, **options: Any) -> Any:
    given = {"to": "parquet", "shards": 6, "output": source.parent / "out", **options}
    return convert(source, task=f"{number}/{n_tasks}", **given)


def assert_same_files(left: Path, right: Path) -> None:
    names = sorted(path.name for path in right.iterdir())
    assert sorted(path.name for path in left.iterdir()) == names
    for name in names:
        assert (left / name).read_bytes() == (right / name).read_bytes(), name


def test_tasks_that_are_not_done_are_named(source: Path) -> None:
    output = source.parent / "out"
    assert task(source, 2).n_shards == 2
    with pytest.raises(EngineError, match=r"tasks 1, 3 of 3 are not done") as raised:
        commit(output)
    assert raised.value.hint == (
        f'the same command with task="1/3", then commit("{output}"); '
        f'commit("{output}", here=True) does all of it'
    )
    assert raised.value.exit_code == 7
    task(source, 1)
    task(source, 3)
    assert not has_manifest(output)
    assert commit(output).rows == N_ROWS
    convert(source, to="parquet", shards=6, output=source.parent / "whole")
    assert_same_files(output, source.parent / "whole")


def test_what_is_left_can_be_done_here(source: Path) -> None:
    task(source, 3)
    assert commit(source.parent / "out", here=True).rows == N_ROWS


def test_the_same_task_again_has_nothing_to_do(source: Path) -> None:
    task(source, 2)
    assert task(source, 2).resumed_shards == 2


def test_two_of_the_same_number_are_not_at_work_at_once(source: Path) -> None:
    output = source.parent / "out"
    task(source, 1)
    lock = task_store(LocalStore(output), TaskNumber(1, 3)).lock()
    lock.acquire()
    with pytest.raises(UsageError, match="is writing into"):
        task(source, 1)
    assert task(source, 2).n_shards == 2  # another one is
    with pytest.raises(UsageError, match="task 1/3 is still running"):
        commit(output)
    lock.release()


def test_tasks_of_another_request_are_refused(source: Path) -> None:
    task(source, 1)
    with pytest.raises(UsageError, match=r"another request: tasks 3, and this has 4"):
        task(source, 2, 4)
    with pytest.raises(UsageError, match=r"shards 6, and this has 7"):
        task(source, 2, shards=7)
    with pytest.raises(UsageError, match="holds the tasks of a job array") as raised:
        convert(source, to="parquet", output=source.parent / "out")
    assert "force=True starts over" in (raised.value.hint or "")
    convert(source, to="parquet", output=source.parent / "out", force=True)
    assert not [path for path in (source.parent / "out").iterdir() if "task" in path.name]


def test_a_source_that_changed_is_refused(source: Path) -> None:
    task(source, 1)
    source.write_text(rows_text(N_ROWS + 1))
    with pytest.raises(UsageError, match=r"has [\d,]+ bytes, and had"):
        task(source, 1)
    with pytest.raises(UsageError, match="task 1/3 is of another conversion"):
        task(source, 2)
    task(source, 3)
    with pytest.raises(UsageError, match="task 1/3 is of another conversion"):
        commit(source.parent / "out")


def test_a_stream_is_not_divided(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(gzip.compress(rows_text(100).encode()))
    with pytest.raises(UsageError, match="can only be read from its start, as one stream"):
        task(path, 1)
    assert not (tmp_path / "out").exists()


def test_files_that_are_gone_are_made_again(source: Path) -> None:
    output = source.parent / "out"
    for number in (1, 2, 3):
        task(source, number)
    (output / "_rows-00003-of-00006.parquet.partial").unlink()
    with pytest.raises(EngineError, match="task 2 of 3 lost files, and must do them again"):
        commit(output)
    task(source, 2)
    commit(output)
    convert(source, to="parquet", shards=6, output=source.parent / "whole")
    assert_same_files(output, source.parent / "whole")


def test_rejected_records_have_their_lines(source: Path) -> None:
    lines = rows_text().splitlines(keepends=True)
    for at in (401, 3_002, 5_003):
        lines.insert(at, "1,2,3,4,5,6\n")
    source.write_text("".join(lines))
    for number in (3, 1, 2):
        task(source, number, on_bad_row="skip")
    output = source.parent / "out"
    commit(output, here=True)
    convert(source, to="parquet", shards=6, output=source.parent / "whole", on_bad_row="skip")
    assert rejected_csv(output).count(b"\n") == 4
    assert_same_files(output, source.parent / "whole")


def test_all_tasks_together_may_reject_as_many_as_one_process(source: Path) -> None:
    lines = rows_text().splitlines(keepends=True)
    for at in (401, 3_002, 5_003):
        lines.insert(at, "1,2,3,4,5,6\n")
    source.write_text("".join(lines))
    for number in (1, 2, 3):
        task(source, number, on_bad_row="skip", max_bad_rows=2)
    with pytest.raises(DataError, match="3 records cannot be kept: more than max_bad_rows=2"):
        commit(source.parent / "out", here=True)


def test_a_commit_that_was_interrupted_goes_on(
    source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = source.parent / "out"
    for number in (1, 2, 3):
        task(source, number)

    def dies(self: OutputFolder, mark: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(OutputFolder, "_finish", dies)
        with pytest.raises(KeyboardInterrupt):
            commit(output)
    assert not has_manifest(output)
    assert commit(output).rows == N_ROWS
    assert open_dataset(output).rows == N_ROWS
    assert not [path for path in output.iterdir() if "task" in path.name]


def test_more_tasks_than_shards(source: Path) -> None:
    found = [task(source, number, 4, shards=2).n_shards for number in range(1, 5)]
    assert sorted(found) == [0, 0, 1, 1]
    assert commit(source.parent / "out", here=True).rows == N_ROWS


def test_a_dataset_is_no_array(source: Path) -> None:
    convert(source, to="parquet", output=source.parent / "out")
    with pytest.raises(UsageError, match="holds a dataset, and no tasks of a job array"):
        commit(source.parent / "out")


@pytest.mark.parametrize("text", ["3", "0/3", "4/3", "1/", "x/2", "-1/2"])
def test_a_task_that_is_none(text: str, source: Path) -> None:
    with pytest.raises(UsageError, match=r"task is|is not a task|not K/N"):
        convert(source, to="parquet", task=text)


def test_what_tasks_left_can_be_cleaned(source: Path) -> None:
    output = source.parent / "out"
    task(source, 1)
    lock = task_store(LocalStore(output), TaskNumber(2, 3)).lock()
    (output / "_task-00002-of-00003").mkdir()
    lock.acquire()
    with pytest.raises(UsageError, match="task 2/3 is still running"):
        clean.run(output)
    with pytest.raises(UsageError, match="task 2/3 is still running"):
        convert(source, to="parquet", output=output, force=True)
    lock.release()
    report = clean.run(output)
    assert "_task-00001-of-00003/_journal.jsonl" in report.files
    assert not output.exists() or not list(output.iterdir())


def test_a_request_reads_back_as_the_options_it_was_made_of(tmp_path: Path) -> None:
    asked = request_of(
        ConvertOptions,
        {
            "to": "npy", "label": "a", "shard_size": "20MB", "split": {"b": 0.5, "a": 0.5},
            "split_by": ["a"], "type": {"a": "text", "b*": "int8"}, "columns": ["b", "a"],
            "schema": tmp_path / "schema.json", "float": "32", "rename": {"x": "b"},
            "derive": {"c": "a + 1"}, "where": ["a > 1", "b is not null"], "sample": "100rows",
            "fill": {"a": "mean"}, "hash": {"b": 7}, "null": ["-", "?"], "header": False,
            "names": ["a", "b"], "date_format": ["d=%d %b, %Y"], "on_bad_row": "skip",
            "max_bad_rows": 3, "join": [tmp_path / "other.csv"], "on": [["a", "b"]],
            "how": ["inner"], "memory_limit": "1GB", "jobs": 2, "seed": 5,
        },
    )  # fmt: skip
    sent = msgspec.json.decode(msgspec.json.encode(request_for(["x.csv"], asked, 3)), type=Request)
    back = request_of(ConvertOptions, sent.options)
    assert back == replace(asked, memory_limit=None, jobs=None)
    assert (sent.sources, sent.n_tasks) == (("x.csv",), 3)
