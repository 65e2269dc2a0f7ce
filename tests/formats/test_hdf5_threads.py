"""Several HDF5 files written at once: h5py does not lock every call itself."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pyarrow as pa

from bigdata_cli.formats.base import ShardName, StorageOptions
from bigdata_cli.formats.registry import get_format
from bigdata_cli.io.local_store import LocalStore
from bigdata_cli.io.store import partial_name
from bigdata_cli.types.dtype import Column, Schema

SCHEMA = Schema(tuple(Column(name=f"c{i}", dtype="int64") for i in range(8)))


def test_shards_written_in_several_threads_are_whole(tmp_path):
    def write(index: int) -> int:
        options = StorageOptions(layout="columns")
        name = ShardName(stem="data", index=index, count=4)
        writer = get_format("hdf5").writer(LocalStore(tmp_path), name, SCHEMA, options)
        rows = writer.batch_rows
        values = pa.array(np.arange(rows) + index)
        table = pa.table([values] * 8, schema=SCHEMA.arrow())
        for _ in range(40):
            writer.append(writer.encode(table))
        (file,) = writer.close()
        with h5py.File(tmp_path / partial_name(file.name)) as source:
            for column in SCHEMA.names:
                stored = source[column][:].reshape(40, rows)
                assert (stored == np.arange(rows) + index).all()
        return index

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(write, range(4))) == [0, 1, 2, 3]
