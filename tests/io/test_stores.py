"""The stores that there are, and the formats on a store without a folder."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from bigdata_cli.errors import UsageError
from bigdata_cli.formats.base import ShardName, StorageOptions
from bigdata_cli.formats.registry import FORMATS, get_format
from bigdata_cli.io.local_store import LocalStore
from bigdata_cli.io.store import Store, partial_name
from bigdata_cli.types.dtype import Column, Schema
from tests.io.memory_store import MemoryStore
from tests.io.store_contract import StoreContract

SCHEMA = Schema(
    (
        Column(name="i", dtype="int32"),
        Column(name="f", dtype="float32"),
        Column(name="t", dtype="text"),
    )
)
N_ROWS = 5_000


class TestLocalStore(StoreContract):
    is_shared = False  # the kernel keeps others out

    def new_store(self, folder: Path) -> Store:
        return LocalStore(folder)


class TestMemoryStore(StoreContract):
    can_travel = False

    def new_store(self, folder: Path) -> Store:
        return MemoryStore()


def test_a_folder_opens_regular_files_only(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    os.mkfifo(tmp_path / "pipe")  # to open it would wait for a writer
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("/dev/zero")
    for name in ("pipe", "folder", "link"):
        with pytest.raises(OSError, match=r"not a file|Is a directory"):
            store.open(name)
    assert store.problem("pipe") == store.problem("folder") == "is not a file"
    assert store.problem("link") == "the file is a link that leads out of the dataset's folder"


def test_a_store_travels_to_other_processes(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    assert pickle.loads(pickle.dumps(store)) == store


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_writes_into_a_store_without_a_folder(name: str) -> None:
    """npy files are mapped, and so only written; all others are read from there too."""
    form, store = get_format(name), MemoryStore()
    options = StorageOptions(layout=form.traits.layout_names[0])
    values = np.arange(N_ROWS, dtype=np.int32)
    table = pa.table(
        {
            "i": values,
            "f": values.astype(np.float32) / 4,
            "t": [f"text {value % 17}" for value in values],
        }
    )
    shard = ShardName(stem="d", index=0, count=1)
    writer = form.writer(store, shard, SCHEMA, options)
    step = writer.batch_rows or N_ROWS
    for start in range(0, N_ROWS, step):
        writer.append(writer.encode(table.slice(start, step)))
    entries = writer.close()
    files = [entry.name for entry in entries]
    assert {partial_name(file) for file in files} == set(store.names())
    store.rename({partial_name(file): file for file in files})
    assert [store.stat(file).bytes for file in files] == [entry.bytes for entry in entries]
    if name == "npy":
        with pytest.raises(UsageError, match="mapped into memory"):
            form.count_rows(store, files, options)
        return
    assert form.count_rows(store, files, options) == N_ROWS
    assert form.check_schema(store, files, SCHEMA, options) in (N_ROWS, None)
    read = pa.Table.from_batches(form.read(store, files, SCHEMA, options))
    assert read.equals(table.cast(read.schema))
    part = pa.Table.from_batches(form.read(store, files, SCHEMA, options, rows=range(700, 1_900)))
    assert part.equals(read.slice(700, 1_200))
    if form.traits.has_row_access:
        access = form.open_rows(store, files, SCHEMA, options, columns=["i", "t"])
        taken = access.take(np.array([0, 1_234, N_ROWS - 1]))
        assert taken.column(0).to_pylist() == [0, 1_234, N_ROWS - 1]
