"""Rows of a shard that do not fit its files, kept as they were parsed until the dtypes are settled.

A file of record batches, each a small Arrow stream of its own: a batch may have other dtypes than
the one before it, so that one file takes all that follows a surprise, however many there are.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from bigdata_cli.checksum import FileEntry
from bigdata_cli.io.store import Store, partial_name

_LENGTH_BYTES = 8
_CODEC = "lz4"


def pack_rows(batch: pa.RecordBatch) -> memoryview:
    """A batch as bytes; pure, in any thread."""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=_CODEC, use_threads=False)
    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    return memoryview(sink.getvalue()).cast("B")


class RowsFile:
    """A file of packed batches, written in order from one thread."""

    def __init__(self, store: Store, name: str) -> None:
        self._store, self._name = store, name
        self._file = store.create(partial_name(name))

    def append(self, packed: memoryview) -> None:
        """Write what `pack_rows` gave."""
        self._file.write(len(packed).to_bytes(_LENGTH_BYTES, "little"))
        self._file.write(packed)

    def finish(self) -> FileEntry:
        """Close the file; returns its entry."""
        return self._file.finish(self._name)

    def abort(self) -> None:
        """Close and remove it; safe to call twice."""
        self._file.close()
        self._store.remove([partial_name(self._name)])


def read_rows(store: Store, name: str) -> Iterator[pa.RecordBatch]:
    """The batches of a file, in order."""
    with store.open(partial_name(name)) as file:
        while length := file.read(_LENGTH_BYTES):
            packed = pa.py_buffer(file.read(int.from_bytes(length, "little")))
            with pa.ipc.open_stream(packed) as reader:
                yield from reader
