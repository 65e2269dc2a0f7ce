"""Rows of a shard that do not fit its files, kept as they were parsed until the dtypes are settled.

A file of record batches, each a small Arrow stream of its own: a batch may have other dtypes than
the one before it, so that one file takes all that follows a surprise, however many there are.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

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

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("wb")

    def append(self, packed: memoryview) -> None:
        """Write what `pack_rows` gave."""
        self._file.write(len(packed).to_bytes(_LENGTH_BYTES, "little"))
        self._file.write(packed)

    def close(self) -> None:
        self._file.close()

    def abort(self) -> None:
        """Close and remove it; safe to call twice."""
        self._file.close()
        self.path.unlink(missing_ok=True)


def read_rows(path: Path) -> Iterator[pa.RecordBatch]:
    """The batches of a file, in order."""
    with path.open("rb") as file:
        while length := file.read(_LENGTH_BYTES):
            packed = pa.py_buffer(file.read(int.from_bytes(length, "little")))
            with pa.ipc.open_stream(packed) as reader:
                yield from reader
