"""The kernel of the TFRecord layout rows: a record per row, a feature per column.

Columns of floats that have no nulls take the same bytes in every row, but for their values: where
several stand side by side, all of them are copied at once and the values put in.
"""

from __future__ import annotations

import numpy as np

from bigdata_cli.formats.tfrecord_wire import (
    BYTES,
    CRC_BYTES,
    FLOAT,
    INT,
    SLACK,
    begin_record,
    copy,
    record_bytes,
    seal,
    varint_bytes,
    write_varint,
)
from bigdata_cli.native import compiled
from bigdata_cli.native.instructions import store_u8, store_u32


def encode_rows(
    kinds: np.ndarray,
    slots: np.ndarray,
    valid: np.ndarray,
    nullable: np.ndarray,
    text: np.ndarray,
    prefixes: np.ndarray,
    prefix_ends: np.ndarray,
    first_prefix: np.ndarray,
) -> np.ndarray:
    """A record per row, a feature per column; what is null is left out.

    kinds, nullable: uint8 (columns,). slots: int64, valid: uint8, both (columns, rows + 1).
    text: uint8 with slack. prefixes, prefix_ends: from `pack_bytes` of every column's
    `feature_prefixes`; first_prefix: int64 (columns,). Returns uint8, the records.
    """
    columns = kinds, slots, valid, nullable
    n_columns, n_rows = len(kinds), slots.shape[1] - 1
    sizes = np.zeros(n_rows, np.int64)
    total = _feature_bytes(*columns, prefix_ends, first_prefix, sizes)
    run_ends = np.arange(n_columns)
    value_at = np.zeros(n_columns, np.int64)
    pattern_ends = np.zeros(n_columns + 1, np.int64)
    patterns = np.zeros(len(prefixes) + 4 * n_columns + SLACK, np.uint8)
    runs = run_ends, value_at, pattern_ends, patterns
    keys = prefixes, prefix_ends, first_prefix
    _find_runs(kinds, nullable, *keys, *runs)
    out = np.empty(total + SLACK, np.uint8)
    _write_rows(*columns, text, *keys, sizes, *runs, slots.reshape(-1), out)
    return out[:total]


@compiled
def _write_rows(
    kinds, slots, valid, nullable, text, prefixes, prefix_ends, first_prefix,
    sizes, run_ends, value_at, pattern_ends, patterns, flat, out,
):  # fmt: skip
    """Write the records into `out`: see `encode_rows`, `_feature_bytes` and `_find_runs`.

    flat: the slots, one column after the other.
    """
    n_rows = slots.shape[1] - 1
    at = sealed = 0
    for r in range(n_rows):
        at = begin_record(out, at, sizes[r])
        c = 0
        while c < len(kinds):
            if run_ends[c] > c:
                copy(out, at, patterns, pattern_ends[c], pattern_ends[run_ends[c]])
                place = c * (n_rows + 1) + r
                for k in range(c, run_ends[c]):
                    store_u32(out, at + value_at[k], np.uint32(flat[place]))
                    place += n_rows + 1
                at += pattern_ends[run_ends[c]] - pattern_ends[c]
                c = run_ends[c]
                continue
            if not nullable[c] or valid[c, r]:
                first = first_prefix[c]
                slot = slots[c, r]
                if kinds[c] == BYTES:
                    start, end = prefix_ends[first], prefix_ends[first + 1]
                    text_end = slots[c, r + 1]
                    at = _write_text(out, at, prefixes, start, end, text, slot, text_end)
                else:
                    if kinds[c] == INT:
                        first += varint_bytes(slot)
                    at = copy(out, at, prefixes, prefix_ends[first], prefix_ends[first + 1])
                    if kinds[c] == INT:
                        at = write_varint(out, at, slot)
                    else:
                        store_u32(out, at, np.uint32(slot))
                        at += 4
            c += 1
        at += CRC_BYTES
        sealed = seal(out, sealed, at, r + 1 == n_rows)


@compiled
def _feature_bytes(kinds, slots, valid, nullable, prefix_ends, first_prefix, sizes):
    """Add the bytes of each row's features to `sizes`, int64 (rows,).

    Returns the bytes of all records.
    """
    n_rows = slots.shape[1] - 1
    constant = 0
    for c in range(len(kinds)):
        first = first_prefix[c]
        key_bytes = prefix_ends[first + 1] - prefix_ends[first]
        if kinds[c] == FLOAT and not nullable[c]:
            constant += key_bytes + 4
            continue
        for r in range(n_rows):
            if nullable[c] and not valid[c, r]:
                continue
            if kinds[c] == FLOAT:
                sizes[r] += key_bytes + 4
            elif kinds[c] == INT:
                size = varint_bytes(slots[c, r])
                sizes[r] += prefix_ends[first + size + 1] - prefix_ends[first + size] + size
            else:
                entry, _, _ = _text_sizes(key_bytes, slots[c, r + 1] - slots[c, r])
                sizes[r] += 1 + varint_bytes(entry) + entry
    total = 0
    for r in range(n_rows):
        sizes[r] += constant
        total += record_bytes(sizes[r])
    return total


@compiled
def _find_runs(
    kinds, nullable, prefixes, prefix_ends, first_prefix,
    run_ends, value_at, pattern_ends, patterns,
):  # fmt: skip
    """The runs of columns whose features are the same in every row but for their floats.

    Fills run_ends: the column after the run that begins at a column, the column itself where none
    does; value_at: where in its run a column's value stands; pattern_ends: where in `patterns`,
    uint8 with slack, the bytes of the columns before a column end. int64, all three.
    """
    n_columns = len(kinds)
    pattern_ends[0] = 0
    for c in range(n_columns):
        first = first_prefix[c]
        own = prefix_ends[first + 1] - prefix_ends[first] + 4
        is_constant = kinds[c] == FLOAT and not nullable[c]
        pattern_ends[c + 1] = pattern_ends[c] + (own if is_constant else 0)
    c = 0
    while c < n_columns:
        start = c
        while c < n_columns and pattern_ends[c + 1] > pattern_ends[c]:
            key_start, key_end = prefix_ends[first_prefix[c]], prefix_ends[first_prefix[c] + 1]
            copy(patterns, pattern_ends[c], prefixes, key_start, key_end)
            value_at[c] = pattern_ends[c + 1] - 4 - pattern_ends[start]
            c += 1
        run_ends[start] = c
        c = max(c, start + 1)


@compiled
def _text_sizes(key_bytes, length):
    """Bytes of the entry of a feature that is one text: (entry, feature, list)."""
    list_bytes = 1 + varint_bytes(length) + length
    feature = 1 + varint_bytes(list_bytes) + list_bytes
    return key_bytes + 1 + varint_bytes(feature) + feature, feature, list_bytes


@compiled
def _write_text(out, at, prefixes, key_start, key_end, text, start, end):
    length = end - start
    entry, feature, list_bytes = _text_sizes(key_end - key_start, length)
    store_u8(out, at, np.uint8(0x0A))
    at = write_varint(out, at + 1, entry)
    at = copy(out, at, prefixes, key_start, key_end)
    store_u8(out, at, np.uint8(0x12))
    at = write_varint(out, at + 1, feature)
    store_u8(out, at, np.uint8(0x0A))
    at = write_varint(out, at + 1, list_bytes)
    store_u8(out, at, np.uint8(0x0A))
    at = write_varint(out, at + 1, length)
    return copy(out, at, text, start, end)
