"""Sets of distinct texts that grow while a shard is read, kept in the C library."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from bigdata_cli.native.library import address, lib
from bigdata_cli.native.parser import DistinctTexts

MAX_BYTES = 2**31 - 1
"""Their ends are 32-bit numbers."""


class Vocabulary:
    """Distinct texts, up to `max_values` of `max_bytes`; of more than that nothing is kept."""

    def __init__(self, max_values: int, max_bytes: int = MAX_BYTES) -> None:
        self._handle = lib.bd_vocabulary_new(max_values, min(max_bytes, MAX_BYTES))
        if not self._handle:
            raise MemoryError
        self.n_values = 0

    def __del__(self) -> None:
        lib.bd_vocabulary_free(self._handle)

    def add(self, texts: DistinctTexts, column: int) -> bool:
        """Add the texts of a column; False where they become too many."""
        found = lib.bd_vocabulary_add(self._handle, *texts.parts[column])
        if found == -2:
            raise MemoryError
        self.n_values = found
        return found >= 0

    @property
    def n_bytes(self) -> int:
        """Of all texts."""
        return int(lib.bd_vocabulary_bytes(self._handle))

    def add_array(self, texts: pa.StringArray) -> bool:
        """Add the texts of an array without nulls; False where they become too many."""
        return self.add(DistinctTexts.of([texts]), 0)

    def holds(self, texts: DistinctTexts, column: int) -> bool:
        """Whether all texts of a column are among these."""
        return bool(lib.bd_vocabulary_holds(self._handle, *texts.parts[column]))

    def values(self) -> frozenset[str]:
        """The texts as Python has them."""
        offsets = np.empty(self.n_values + 1, np.int32)
        data = np.empty(self.n_bytes, np.uint8)
        lib.bd_vocabulary_copy(self._handle, address(offsets), address(data))
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
        return frozenset(pa.Array.from_buffers(pa.string(), self.n_values, buffers).to_pylist())
