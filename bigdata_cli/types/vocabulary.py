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
MAX_VOCABULARY_BYTES = 1 << 24
"""Nor is one whose distinct values are longer together: reviews, say, are counted in vain."""
DISTINCT_BYTES = 250
"""Of a distinct text in memory: its places in the sets of a shard and of the whole."""
DISTINCT_COPIES = 3
"""Of the bytes of a distinct text: in those sets, and in the one that is being joined."""


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


def join_distinct(
    a: frozenset[str] | None, b: frozenset[str] | None, *, fixed: bool = False
) -> frozenset[str] | None:
    """Distinct texts of both, None where there are more than a vocabulary holds.

    fixed: the user wants categories, however long their texts are.
    """
    if a is None or b is None:
        return None
    if a is b or b <= a:
        return a
    joined = a | b
    if len(joined) > MAX_CATEGORIES:
        return None
    return joined if fixed or _is_short(joined) else None


def may_be_categories(values: pa.StringArray) -> bool:
    """Whether the distinct values of a column are not too long for categories."""
    if len(values) == 0:
        return True
    offsets = np.frombuffer(values.buffers()[1], np.int32, len(values) + 1, values.offset * 4)
    n_bytes = int(offsets[-1]) - int(offsets[0])
    return n_bytes <= MAX_VOCABULARY_BYTES and int(np.diff(offsets).max()) <= MAX_CATEGORY_BYTES


def _is_short(texts: frozenset[str]) -> bool:
    """Whether texts, none of which is too long alone, are not too long together."""
    if len(texts) * MAX_CATEGORY_BYTES <= MAX_VOCABULARY_BYTES:
        return True
    n_characters = sum(map(len, texts))  # each takes one to four bytes
    if n_characters > MAX_VOCABULARY_BYTES // 4:
        return sum(len(text.encode()) for text in texts) <= MAX_VOCABULARY_BYTES
    return True


def check_vocabularies(n_distinct: Mapping[str, int], text_bytes: int, max_bytes: int) -> None:
    """Raise BudgetError where the distinct texts of all columns take more than `max_bytes`.

    n_distinct: how many there are, by column. text_bytes: of all of them.
    """
    n_texts = sum(n_distinct.values())
    if n_texts * DISTINCT_BYTES + text_bytes * DISTINCT_COPIES <= max_bytes:
        return
    largest = sorted(((n, name) for name, n in n_distinct.items()), reverse=True)[:5]
    raise BudgetError(
        f"{n_texts:,} distinct texts in {sum(map(bool, n_distinct.values())):,} columns that may "
        f"be categories do not fit into the memory limit; most are in "
        + ", ".join(f'"{name}" ({count:,})' for count, name in largest),
        hint=" ".join(f"--type '{name}=text'" for _, name in largest)
        + ", or a larger --memory-limit",
    )
