"""Rows in random order, from the files of buckets that they were scattered to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pyarrow as pa

from bigdata_cli.formats.buckets.read import BucketFile, held_type
from bigdata_cli.io.store import Files, StoredFile
from bigdata_cli.types.dtype import Column, Schema

_MAX_BITS = 40


@dataclass(frozen=True, kw_only=True)
class Scattered:
    """Rows in the order of their random keys; a `RowsInOrder`.

    names: of files of buckets, in the order of the parts of the source. schema: the columns, in
    their final dtypes. rows: of all files. share_bytes: of rows in memory that are put into order
    at a time, about.
    """

    order: ClassVar[str] = "shuffled"

    store: Files
    names: tuple[str, ...]
    schema: Schema
    rows: int
    share_bytes: int

    def shares(
        self, columns: Sequence[Column], share_bytes: int | None = None
    ) -> Iterator[tuple[np.ndarray, pa.RecordBatch]]:
        """See `RowsInOrder`."""
        sizes = self._bucket_bytes()
        for number, bits in _cut(sizes, share_bytes or self.share_bytes, number=0, bits=0):
            yield self._read(number, bits, columns)

    def _read(
        self, number: int, bits: int, columns: Sequence[Column]
    ) -> tuple[np.ndarray, pa.RecordBatch]:
        """(order, rows): the rows whose keys begin with these bits, and the order of their keys."""
        keys, batches = [], []
        for name in self.names:
            with BucketFile(StoredFile(self.store, name)) as file:
                for some, batch in file.share(number, bits, columns):
                    keys.append(some)
                    batches.append(batch)
        types = [(c.name, held_type(c)) for c in columns]
        rows = pa.Table.from_batches(batches, pa.schema(types)).combine_chunks()
        order = np.argsort(np.concatenate(keys)) if keys else np.empty(0, np.int64)
        whole = rows.to_batches()
        if not whole:
            return order, pa.RecordBatch.from_pylist([], schema=rows.schema)
        return order, whole[0]

    def _bucket_bytes(self) -> np.ndarray:
        """Bytes in memory of each bucket, of as many as the file with most has: float64 (2**n,)."""
        known = []
        for name in self.names:
            with BucketFile(StoredFile(self.store, name)) as file:
                of_file = np.zeros(1 << file.footer.bits)
                for sizes in file.sizes:
                    of_file += sizes[:, 1]
                known.append(of_file)
        most = max((len(one) for one in known), default=1)
        total = np.zeros(most)
        for one in known:
            total += np.repeat(one * len(one) / most, most // len(one))
        return total


def _cut(sizes: np.ndarray, most: int, *, number: int, bits: int) -> Iterator[tuple[int, int]]:
    """The shares of the keys that begin with these bits; sizes: of their buckets."""
    total = float(sizes.sum())
    if total <= most or bits >= _MAX_BITS:
        yield number, bits
        return
    if len(sizes) == 1:
        sizes = np.repeat(sizes / 2, 2)
    half = len(sizes) // 2
    yield from _cut(sizes[:half], most, number=2 * number, bits=bits + 1)
    yield from _cut(sizes[half:], most, number=2 * number + 1, bits=bits + 1)
