"""The codes of a category column in the vocabulary of its dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from bigdata_cli.errors import BudgetError
from bigdata_cli.types.buffers import booleans_of, numbers_of
from bigdata_cli.types.dtype import code_dtype

MAX_CATEGORIES = 65_536
"""A text column with more distinct values than this is not a category."""


MAX_CATEGORY_BYTES = 4_096
"""Nor is one with a longer value: vocabularies are in memory, and in the manifest."""
DISTINCT_BYTES = 250
"""Of a distinct text in memory: itself, and its places in the sets of a shard and of the whole."""


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
    joined = a if a is b or b <= a else a | b
    return joined if len(joined) <= MAX_CATEGORIES else None


def may_be_categories(values: pa.StringArray) -> bool:
    """Whether none of the distinct values of a column is too long for a category."""
    offsets = np.frombuffer(values.buffers()[1], np.int32, len(values) + 1, values.offset * 4)
    return len(values) == 0 or int(np.diff(offsets).max()) <= MAX_CATEGORY_BYTES


def check_vocabularies(n_distinct: Mapping[str, int], max_bytes: int) -> None:
    """Raise BudgetError where the distinct texts of all columns take more than `max_bytes`.

    n_distinct: how many there are, by column.
    """
    n_texts = sum(n_distinct.values())
    if n_texts * DISTINCT_BYTES <= max_bytes:
        return
    largest = sorted(((n, name) for name, n in n_distinct.items()), reverse=True)[:5]
    raise BudgetError(
        f"{n_texts:,} distinct texts in {sum(map(bool, n_distinct.values())):,} columns that may "
        f"be categories do not fit into the memory limit; most are in "
        + ", ".join(f'"{name}" ({count:,})' for count, name in largest),
        hint=" ".join(f"--type '{name}=text'" for _, name in largest)
        + ", or a larger --memory-limit",
    )
