"""Codes of a category column against the dataset's vocabulary."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from bigdata_cli.schema.buffers import booleans_of, numbers_of
from bigdata_cli.schema.dtype import code_dtype

MAX_CATEGORIES = 65_536
"""A text column with more distinct values than this is not a category."""


def dictionary_lookup(dictionary: pa.Array, vocabulary: Sequence[str]) -> np.ndarray:
    """The place in `vocabulary` of each value of `dictionary`: int64 (n,), -1 where absent."""
    place = {value: code for code, value in enumerate(vocabulary)}
    return np.array([place.get(value, -1) for value in dictionary.to_pylist()], np.int64)


def global_codes(array: pa.DictionaryArray, vocabulary: Sequence[str]) -> np.ndarray:
    """Codes of a chunk's category column in the dataset's vocabulary.

    Returns the code dtype of the vocabulary, shape (rows,); nulls have code 0.
    Raises KeyError where a value is not in the vocabulary.
    """
    lookup = dictionary_lookup(array.dictionary, vocabulary)
    indices = array.indices
    if indices.null_count:
        indices = indices.fill_null(0)
    local = numbers_of(indices)
    dtype = code_dtype(len(vocabulary))
    if len(lookup) == 0:
        return np.zeros(len(array), dtype)
    if (lookup < 0).any():
        used = lookup[np.unique(local[booleans_of(array.is_valid())])]
        if (used < 0).any():
            raise KeyError("a value is not in the vocabulary")
    codes = np.where(lookup < 0, 0, lookup).astype(dtype)[local]
    if array.null_count:
        codes[~booleans_of(array.is_valid())] = 0
    return codes


def join_distinct(a: frozenset[str] | None, b: frozenset[str] | None) -> frozenset[str] | None:
    """Distinct texts of both, None where there are more than a vocabulary holds."""
    if a is None or b is None:
        return None
    joined = a | b if not b <= a else a
    return joined if len(joined) <= MAX_CATEGORIES else None
