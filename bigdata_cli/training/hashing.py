"""Texts as buckets: the hashing trick, for columns with too many values for a vocabulary.

Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", ICML 2009. The hash is
FNV-1a over the UTF-8 bytes, mixed once more: the same in every process, version and machine.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from bigdata_cli.native.library import address, lib


def buckets(column: pa.Array, n_buckets: int) -> np.ndarray:
    """The bucket of each value of text or categories: int32 (rows,), -1 where it is null.

    >>> buckets(pa.array(["a", None, "b", "a"]), 1000).tolist()
    [736, -1, 821, 736]
    """
    if pa.types.is_dictionary(column.type):
        of_values = np.append(buckets(column.dictionary, n_buckets), np.int32(-1))
        places = column.indices.cast(pa.int32()).fill_null(len(of_values) - 1)
        return of_values[places.to_numpy(zero_copy_only=False)]
    if pa.types.is_boolean(column.type) or pa.types.is_null(column.type):  # no value at all
        return np.full(len(column), -1, np.int32)
    column = column.cast(pa.large_string())
    _, offsets, data = column.buffers()
    ends = np.frombuffer(offsets, np.int64, len(column) + 1, column.offset * 8)
    text = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
    found = np.empty(len(column), np.int32)
    lib.bd_hash_buckets(address(text), address(ends), len(column), n_buckets, address(found))
    if column.null_count:
        found[column.is_null().to_numpy(zero_copy_only=False)] = -1
    return found
