"""Hashes of the rows of a table, from the values as they are stored in it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.types as pat

from bigdata_cli.native.library import address, lib
from bigdata_cli.sources.csv.blocks import PADDING_BYTES
from bigdata_cli.sources.tables.values import simplify
from bigdata_cli.splits.rule import HashSplit

_FRACTION_OF_US = 0x9E3779B97F4A7C15
"""Mixed into nanoseconds that are no whole microseconds."""


def hashes_of(batch: pa.RecordBatch, rule: HashSplit) -> np.ndarray:
    """The hash of each row: uint64 (rows,); of the columns that count."""
    hashes = np.zeros(batch.num_rows, np.uint64)
    names = batch.schema.names
    for name, salt in zip(names, rule.salts(names).tolist(), strict=True):
        if salt:
            add_hashes(hashes, batch.column(name), name, salt)
    return hashes


def add_hashes(hashes: np.ndarray, array: pa.Array, name: str, salt: int) -> None:
    """Add the hashes of a column of this name to those of its rows, uint64 (rows,)."""
    values, valid = _hashes_of(array, name)
    place = None if valid is None else address(valid)
    lib.bd_add_hashes(len(hashes), address(values), place, salt, address(hashes))


def _hashes_of(array: pa.Array, name: str) -> tuple[np.ndarray, np.ndarray | None]:
    """A hash for each value, uint64 (rows,), and which rows have one, uint8, None for all.

    Equal numbers have equal hashes, whatever their types.
    """
    valid = None
    if array.null_count:
        valid = np.asarray(array.is_valid()).astype(np.uint8)
    if pat.is_dictionary(array.type):
        words, _ = _hashes_of(array.dictionary, name)
        codes = array.indices.fill_null(0).to_numpy(zero_copy_only=False)
        values = words[codes] if len(words) else np.zeros(len(array), np.uint64)
        if array.dictionary.null_count:
            valid = np.asarray(array.dictionary_decode().is_valid()).astype(np.uint8)
        return values, valid
    plain = simplify(array, name).array
    if pat.is_null(plain.type):
        return np.zeros(len(plain), np.uint64), np.zeros(len(plain), np.uint8)
    if pat.is_string(plain.type):
        return _text_hashes(plain), valid
    if pat.is_boolean(plain.type):
        plain = plain.cast(pa.uint8())
    if pat.is_date(plain.type):
        plain = plain.view(pa.int32())
    is_ns = pat.is_timestamp(plain.type) and plain.type.unit == "ns"
    if pat.is_timestamp(plain.type):
        plain = plain.view(pa.int64())
    numbers = plain.fill_null(0).to_numpy(zero_copy_only=False)
    if numbers.dtype.kind == "f":
        return _float_hashes(numbers.astype(np.float64)), valid
    if numbers.dtype == np.uint64:
        return np.ascontiguousarray(numbers), valid
    numbers = np.ascontiguousarray(numbers, np.int64)
    if is_ns:
        whole, rest = np.divmod(numbers, 1000)
        numbers = np.where(rest == 0, whole, numbers ^ np.int64(_FRACTION_OF_US >> 1))
    return numbers.view(np.uint64), valid


def _text_hashes(texts: pa.Array) -> np.ndarray:
    """The hashes of texts; those of nulls are of no use."""
    n = len(texts)
    hashes = np.empty(n, np.uint64)
    if n:
        offsets = np.frombuffer(texts.buffers()[1], np.int32, n + 1, 4 * texts.offset)
        first, last = int(offsets[0]), int(offsets[-1])
        data = np.zeros(last - first + PADDING_BYTES, np.uint8)
        if last > first:
            data[: last - first] = np.frombuffer(texts.buffers()[2], np.uint8, last - first, first)
        offsets = offsets - np.int32(first)
        lib.bd_hash_texts(n, address(offsets), address(data), address(hashes))
    return hashes


def _float_hashes(numbers: np.ndarray) -> np.ndarray:
    """Whole numbers as the integers that they are, others by their bits; all NaN alike."""
    is_whole = (np.abs(numbers) < 2.0**63) & (np.floor(numbers) == numbers)
    whole = np.where(is_whole, numbers, 0.0).astype(np.int64).view(np.uint64)
    other = np.where(np.isnan(numbers), np.nan, numbers).view(np.uint64)
    return np.where(is_whole, whole, other)
