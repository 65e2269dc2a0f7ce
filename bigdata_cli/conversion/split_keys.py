"""What the rows of a chunk are assigned to splits by."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.types as pat

from bigdata_cli.sources.csv.records import Chunk
from bigdata_cli.splits.cuts import CLASS, VALUE, CutSplit
from bigdata_cli.splits.rule import HashSplit
from bigdata_cli.transforms.chunks import places_of
from bigdata_cli.transforms.sampling import class_codes, mixed
from bigdata_cli.types.buffers import validity_of

_MICROSECONDS_PER_DAY = 86_400_000_000


def splits_of(chunk: Chunk, file: int, rule: HashSplit | CutSplit) -> np.ndarray:
    """The splits of the rows of a chunk, as places in the names of the rule: uint8 (rows,).

    file: The index of its file.
    """
    if isinstance(rule, HashSplit):
        assert chunk.hashes is not None
        return rule.assign(chunk.hashes)
    if rule.by == VALUE:
        keys, _ = order_keys(_column(chunk, rule))
        return rule.assign(keys)
    places = places_of(chunk, file)
    if rule.by != CLASS:
        return rule.assign(places)
    classes = class_codes(_column(chunk, rule))
    keys = mixed(places.view(np.uint64), rule.seed)
    return rule.assign_by_class(classes.values, classes.codes, keys)


def _column(chunk: Chunk, rule: CutSplit) -> pa.Array:
    names = [state.name for state in chunk.columns]
    assert rule.column is not None
    return chunk.batch.column(names.index(rule.column))


def order_keys(array: pa.Array) -> tuple[np.ndarray, np.ndarray | None]:
    """Values as keys of their order, (rows,), and which are not null, None where none is.

    Dates and timestamps are int64, in microseconds; numbers are float64, but for float32, which is
    compared with the cuts as such: rounding keeps the order.
    """
    valid = validity_of(array)
    kind = array.type
    if pat.is_temporal(kind):
        whole = array.view(pa.int32() if pat.is_date(kind) else pa.int64()).fill_null(0)
        times = whole.to_numpy(zero_copy_only=False).astype(np.int64)
        if pat.is_date(kind):
            times *= _MICROSECONDS_PER_DAY
        elif kind.unit == "ns":
            times //= 1000
        return times, valid
    numbers = array.fill_null(0).to_numpy(zero_copy_only=False)
    return numbers if pat.is_float32(kind) else numbers.astype(np.float64), valid
