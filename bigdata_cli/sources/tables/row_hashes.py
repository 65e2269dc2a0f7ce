"""Hashes of the rows of a table: those of the same values in text."""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa
import pyarrow.types as pat

from bigdata_cli.native import parser as native
from bigdata_cli.native.library import address, lib
from bigdata_cli.sources.csv.blocks import PADDING_BYTES
from bigdata_cli.sources.csv.dialect import Dialect
from bigdata_cli.sources.csv.rules import Rules, compile_rules
from bigdata_cli.sources.tables.values import simplify
from bigdata_cli.splits.rule import HashSplit
from bigdata_cli.types.buffers import validity_of


def hashes_of(batch: pa.RecordBatch, rule: HashSplit) -> np.ndarray:
    """The hash of each row: uint64 (rows,); of the columns that count."""
    hashes = np.zeros(batch.num_rows, np.uint64)
    names = batch.schema.names
    for name, salt in zip(names, rule.salts(names).tolist(), strict=True):
        if salt:
            add_hashes(hashes, batch.column(name), name, salt)
    return hashes


def add_hashes(hashes: np.ndarray, array: pa.Array, name: str, salt: int) -> None:
    """Add the hashes of a column of this name to those of its rows, uint64 (rows,).

    Those of equal numbers are equal, whatever their types; of a null it is 0.
    """
    if pat.is_dictionary(array.type):
        words = np.zeros(len(array.dictionary) + 1, np.uint64)
        add_hashes(words[:-1], array.dictionary, name, salt)
        codes = array.indices.fill_null(len(words) - 1).to_numpy(zero_copy_only=False)
        hashes += words[codes]
        return
    plain = simplify(array, name).array
    kind = plain.type
    if pat.is_null(kind):
        return
    if pat.is_string(kind):
        _add_texts(hashes, plain, salt)
        return
    validity = validity_of(plain)
    valid = None if validity is None else validity.view(np.uint8)
    place = None if valid is None else address(valid)
    numbers = _numbers(plain)
    if pat.is_temporal(kind):
        mode = _mode_of(kind)
        lib.bd_add_time_hashes(len(numbers), address(numbers), mode, place, salt, address(hashes))
        return
    lib.bd_add_number_hashes(len(numbers), address(numbers), place, salt, address(hashes))


def _mode_of(kind: pa.DataType) -> int:
    if pat.is_date(kind):
        return native.DATE
    return native.TIMESTAMP_NS if kind.unit == "ns" else native.TIMESTAMP_US


def _numbers(array: pa.Array) -> np.ndarray:
    """Times as int64, numbers and bools as float64: (n,); of nulls any."""
    kind = array.type
    if pat.is_temporal(kind):
        array = array.view(pa.int32() if pat.is_date(kind) else pa.int64())
    elif pat.is_boolean(kind):
        array = array.cast(pa.uint8())
    elif pat.is_floating(kind) and not pat.is_float64(kind):
        # A float stands for its shortest decimal, as text does.
        array = array.cast(pa.float32()).cast(pa.string()).cast(pa.float64())
    elif pat.is_decimal(kind):
        array = array.cast(pa.float64())
    values = array.fill_null(0).to_numpy(zero_copy_only=False)
    return np.ascontiguousarray(values, np.int64 if pat.is_temporal(kind) else np.float64)


@cache
def _rules() -> Rules:
    return compile_rules(Dialect(delimiter=","))


def _add_texts(hashes: np.ndarray, texts: pa.Array, salt: int) -> None:
    n = len(texts)
    if not n:
        return
    texts = texts.fill_null("")
    offsets = np.frombuffer(texts.buffers()[1], np.int32, n + 1, 4 * texts.offset)
    first, last = int(offsets[0]), int(offsets[-1])
    data = np.zeros(last - first + PADDING_BYTES, np.uint8)
    if last > first:
        data[: last - first] = np.frombuffer(texts.buffers()[2], np.uint8, last - first, first)
    offsets = offsets - np.int32(first)
    lib.bd_add_text_hashes(
        n, address(offsets), address(data), _rules().native, salt, address(hashes)
    )
