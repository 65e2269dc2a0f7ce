"""One conversion at a time in a folder; locks of the dead hold nobody up."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys

import pytest

from bigdata_cli import convert
from bigdata_cli.errors import UsageError
from bigdata_cli.io import lock as lock_module
from bigdata_cli.io.lock import LOCK_NAME, FolderLock
from bigdata_cli.io.scratch import scratch_folder

DEAD = 2**22 + 1  # beyond the largest number of a process


def write_holder(folder, **holder):
    known = {"pid": DEAD, "host": socket.gethostname(), "boot": "", "started": "2024-01-01"}
    (folder / LOCK_NAME).write_text(json.dumps({**known, **holder}))


def test_the_second_is_refused_and_told_by_whom(children, source, tmp_path):
    holder = FolderLock(tmp_path)
    holder.acquire()
    answer = children.run(source, tmp_path)
    assert answer["error"] == "UsageError"
    assert f"process {os.getpid()} on {socket.gethostname()}, since 20" in answer["message"]
    assert os.listdir(tmp_path) == [LOCK_NAME]
    holder.release()
    assert "error" not in children.run(source, tmp_path, on_bad_row="skip")
    assert not (tmp_path / LOCK_NAME).exists()


def test_two_conversions_in_one_process(source, tmp_path):
    refused = []

    def another(progress):
        if not refused:
            with pytest.raises(UsageError, match=f"process {os.getpid()} ") as raised:
                convert(source, to="npy", output=tmp_path / "out", on_bad_row="skip")
            refused.append(raised)

    convert(source, to="parquet", output=tmp_path / "out", on_bad_row="skip", progress=another)
    assert refused


def test_a_lock_dies_with_its_process(tmp_path):
    code = (
        "import os, sys; from pathlib import Path\n"
        "from bigdata_cli.io.lock import FolderLock\n"
        "FolderLock(Path(sys.argv[1])).acquire(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert (tmp_path / LOCK_NAME).exists()
    FolderLock(tmp_path).acquire()


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"pid": "x"}', "[" * 5000])
def test_a_lock_that_says_nothing_holds_nobody_up(text, tmp_path):
    (tmp_path / LOCK_NAME).write_text(text)
    FolderLock(tmp_path).acquire()
    assert json.loads((tmp_path / LOCK_NAME).read_text())["pid"] == os.getpid()


def test_a_holder_on_another_machine_may_be_alive(tmp_path):
    write_holder(tmp_path, host="elsewhere", boot="other")
    with pytest.raises(UsageError, match=f"process {DEAD} on elsewhere") as raised:
        FolderLock(tmp_path).acquire()
    assert f"rm {tmp_path / LOCK_NAME}" in raised.value.hint
    write_holder(tmp_path, host="elsewhere", boot=lock_module._boot_id())  # a container's name
    FolderLock(tmp_path).acquire()


@pytest.mark.parametrize(
    ("holder", "is_refused"),
    [
        ({"pid": DEAD}, False),
        ({"pid": os.getppid()}, True),
        ({"pid": os.getppid(), "boot": "before"}, False),
    ],
)
def test_where_the_kernel_has_no_locks_the_file_counts(holder, is_refused, tmp_path, monkeypatch):
    def unsupported(descriptor, operation):
        raise OSError(lock_module.errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(lock_module.fcntl, "flock", unsupported)
    write_holder(tmp_path, **{"boot": lock_module._boot_id(), **holder})
    lock = FolderLock(tmp_path)
    if is_refused:
        with pytest.raises(UsageError, match="is writing into"):
            lock.acquire()
    else:
        lock.acquire()
        lock.release()
        assert not os.listdir(tmp_path)


def test_temporary_folders_of_the_dead_are_removed_and_no_others(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    dead, foreign = tmp_path / "bigdata-dead", tmp_path / "bigdata-notes"
    for folder in (dead, foreign):
        folder.mkdir()
        (folder / "file").write_text("x")
    (dead / "_lock").touch()
    with scratch_folder() as mine, scratch_folder() as other:
        assert mine.is_dir()
        assert other.is_dir()
        assert not dead.exists()
    assert list(tmp_path.iterdir()) == [foreign]
