"""`clean` removes what conversions have left, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from bigdata_cli import clean, convert, open_dataset
from bigdata_cli.errors import UsageError
from bigdata_cli.io.store import Store
from bigdata_cli.io.stores import open_store
from bigdata_cli.url import as_place


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n" + "".join(f"{i},x\n" for i in range(2000)))
    return path


@pytest.fixture(params=["folder", "address"])
def output(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"{tmp_path}/out" if request.param == "folder" else f"memory://{tmp_path}/out"


def interrupted(source: Path, output: str, monkeypatch: pytest.MonkeyPatch, at: str) -> Store:
    """A conversion that was interrupted at a step of the commit."""
    from bigdata_cli.conversion.commit import OutputFolder

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(OutputFolder, at, stop)
        with pytest.raises(KeyboardInterrupt):
            convert(source, to="parquet", output=output, shards=2)
    return open_store(as_place(output))


def test_what_was_left_goes(source: Path, output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    store = interrupted(source, output, monkeypatch, "commit")
    left = set(store.names())
    assert len(left) == 3
    report = clean(output, dry_run=True)
    assert (set(report.files), report.is_dry_run) == (left, True)
    assert set(store.names()) == left
    report = clean(output)
    assert set(report.files) == left
    assert report.bytes > 1000
    assert store.names() == []


def test_a_dataset_stays(source: Path, output: str) -> None:
    convert(source, to="parquet", output=output)
    store = open_store(as_place(output))
    store.put("_other.parquet.partial", b"123")
    assert clean(output).files == ("_other.parquet.partial",)
    assert open_dataset(output).rows == 2000
    assert clean(output).files == ()


def test_a_commit_that_was_interrupted_is_finished(
    source: Path, output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(source, output, monkeypatch, "_finish")
    assert clean(output).finished
    assert open_dataset(output).rows == 2000


def test_what_is_not_ours_is_not_touched(tmp_path: Path) -> None:
    tmp_path.joinpath("notes.txt").write_text("x")
    for path in (tmp_path, "memory://nothing/there"):
        with pytest.raises(UsageError, match="nothing that a conversion wrote"):
            clean(path)
    with pytest.raises(UsageError, match="is a file"):
        clean(tmp_path / "notes.txt")
    assert tmp_path.joinpath("notes.txt").read_text() == "x"


def test_tasks_of_a_job_array_go(source: Path, output: str) -> None:
    for task in ("1/2", "2/2"):
        convert(source, to="parquet", output=output, shards=4, task=task)
    store = open_store(as_place(output))
    assert store.names()
    assert len(clean(output).files) >= 5
    assert store.names() == []


def test_tasks_at_an_address_are_committed(source: Path, output: str) -> None:
    from bigdata_cli import commit

    for task in ("2/2", "1/2"):
        convert(source, to="parquet", output=output, shards=4, task=task)
    assert commit(output).rows == 2000
    assert clean(output).files == ()
    assert open_dataset(output).rows == 2000
