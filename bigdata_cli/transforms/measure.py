"""Statistics of Arrow columns, as the parser takes them of text."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bigdata_cli.native.library import address, lib
from bigdata_cli.native.parser import TEXT
from bigdata_cli.types.buffers import array_of, booleans_of, numbers_of, scalar_of, validity_of
from bigdata_cli.types.dtype import Kind, kind_of
from bigdata_cli.types.summary import mode_of
from bigdata_cli.types.vocabulary import MAX_CATEGORIES, may_be_categories

_EVIDENCE = ("forms", "negative", "positive")


def measure(
    array: pa.Array, dtype: str, known: np.ndarray, *, holds_decimals: bool = True
) -> np.ndarray:
    """The statistics of an array of this dtype, with the evidence of types that is known.

    known: native.RESULT (), of all rows that the array is taken from. holds_decimals: a float32
    tells the decimal that was read; else it is taken for the number that it is.
    """
    result = np.zeros((), known.dtype)
    for name in _EVIDENCE:
        result[name] = known[name]
    result["n_nulls"] = array.null_count
    mode = mode_of(dtype)
    if mode == TEXT:
        _measure_text(array, result)
    elif kind_of(dtype) is not Kind.NULL:
        valid = validity_of(array)
        flags = np.ones(len(array), np.uint8) if valid is None else valid.view(np.uint8)
        has_rounded = bool(known["float32_error"]) and holds_decimals
        cells = _cells(array, has_rounded=has_rounded)
        lib.bd_measure_cells(mode, address(cells), address(flags), len(array), address(result))
    return result


def distinct_texts(array: pa.Array) -> pa.Array | None:
    """The distinct texts of an array in the order of their first rows.

    None where they are too many, or too long, for a vocabulary.
    """
    is_coded = pa.types.is_dictionary(array.type)
    texts = array.dictionary if is_coded else array.unique().drop_null()
    fits = len(texts) <= MAX_CATEGORIES and may_be_categories(texts)
    return texts if fits else None


def compact(array: pa.DictionaryArray) -> pa.DictionaryArray:
    """The array with a dictionary of its own values alone, in the order of their first rows."""
    valid = validity_of(array)
    codes = numbers_of(
        array.indices if valid is None else array.indices.fill_null(scalar_of(0, pa.int32()))
    )
    rows = np.arange(len(codes)) if valid is None else np.flatnonzero(valid)
    first = np.full(len(array.dictionary), len(codes), np.int64)
    first[codes[rows[::-1]]] = rows[::-1]
    used = np.flatnonzero(first < len(codes))
    used = used[np.argsort(first[used])]
    places = np.zeros(len(first), np.int32)
    places[used] = np.arange(len(used), dtype=np.int32)
    again = places[codes] if len(first) else np.zeros(len(codes), np.int32)
    return pa.DictionaryArray.from_arrays(
        array_of(again, valid), array.dictionary.take(array_of(used))
    )


def _measure_text(array: pa.Array, result: np.ndarray) -> None:
    texts = array.dictionary if pa.types.is_dictionary(array.type) else array
    lengths = pc.binary_length(texts)
    if texts is not array:
        lengths = lengths.take(array.indices)
    result["text_bytes"] = pc.sum(lengths).as_py() or 0
    result["max_text_bytes"] = pc.max(lengths).as_py() or 0


def _cells(array: pa.Array, *, has_rounded: bool) -> np.ndarray:
    """The values as `bd_measure_cells` takes them: 8 bytes each, (n,); 0 for a null.

    has_rounded: float32 that were rounded are the float64 of their shortest decimals.
    """
    kind = array.type
    if pa.types.is_temporal(kind):
        array = array.view(pa.int32() if pa.types.is_date(kind) else pa.int64())
    if array.null_count:
        array = array.fill_null(scalar_of(0, array.type))
    if pa.types.is_boolean(kind):
        return booleans_of(array).astype(np.int64)
    if pa.types.is_float32(kind) and has_rounded:
        array = array.cast(pa.string()).cast(pa.float64())
    values = numbers_of(array)
    if values.dtype == np.uint64:
        return values
    return values.astype(np.float64 if values.dtype.kind == "f" else np.int64)
