"""The blocks of a stream that comes once, kept on the disk until they are not needed any more."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from bigdata_cli.sources.blocks import PADDING_BYTES, Block
from bigdata_cli.sources.feed import FedBlock

_CODEC = "lz4"
"""Reading must not become slower than it is: it compresses twice as fast as zstd's lowest level."""


class _Entry(NamedTuple):
    """Where a block lies in the spool, and all of it but its bytes."""

    start: int
    compressed: int
    fed: FedBlock


class Spool:
    """A file of compressed blocks, written once and read any number of times.

    `append` is called from one thread, and `blocks` when all are appended.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb", buffering=0)
        self._codec = pa.Codec(_CODEC)
        self._entries: list[_Entry] = []
        self._size = 0

    def append(self, fed: FedBlock) -> None:
        """Keep a block."""
        block = fed.block
        data = self._codec.compress(pa.py_buffer(block.data[: block.size]), asbytes=True)
        view = memoryview(data)
        while len(view):
            view = view[self._file.write(view) :]
        empty = block._replace(data=np.empty(0, np.uint8))
        self._entries.append(_Entry(self._size, len(data), fed._replace(block=empty)))
        self._size += len(data)

    def size_of(self, shards: Collection[int]) -> int:
        """Bytes of text of these shards."""
        return sum(entry.fed.block.size for entry in self._entries if entry.fed.shard in shards)

    def blocks(self, shards: Collection[int]) -> Iterator[FedBlock]:
        """The blocks of these shards, in order. consumed: bytes of text that were read."""
        consumed = 0
        with self._path.open("rb", buffering=0) as file:
            for entry in self._entries:
                if entry.fed.shard in shards:
                    file.seek(entry.start)
                    block = self._restored(file.read(entry.compressed), entry.fed.block)
                    consumed += block.size
                    yield entry.fed._replace(block=block, consumed=consumed)

    def _restored(self, compressed: bytes, block: Block) -> Block:
        data = np.full(block.size + PADDING_BYTES, 10, np.uint8)
        text = self._codec.decompress(compressed, decompressed_size=block.size)
        data[: block.size] = np.frombuffer(text, np.uint8)
        return block._replace(data=data)

    def close(self) -> None:
        """Remove it; safe to call twice."""
        self._file.close()
        self._path.unlink(missing_ok=True)
