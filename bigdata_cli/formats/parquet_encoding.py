"""Which encoding each column of a row group gets, from a sample of its values.

The choice follows from the row group's rows alone, so that the same rows give the same bytes.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bigdata_cli.schema.buffers import numbers_of

_RUNS = 8
_RUN_ROWS = 512
_DICTIONARY_SHARE = 1 / 8
"""A dictionary is used where the distinct values are at most this share of the rows."""


def choose_encodings(table: pa.Table, *, compressed: bool) -> tuple[list[str], dict[str, str]]:
    """The columns to be stored with a dictionary, and the encoding of each other column.

    Categories come as dictionaries and stay so. Measured on prices, ids, times, log lines and
    noise: integers and times are smallest as deltas, text with its lengths apart, and floats
    plain, or split into byte streams where they are smooth.
    """
    dictionaries, encodings = [], {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        kind = column.type
        if pa.types.is_dictionary(kind):
            dictionaries.append(name)
        elif pa.types.is_boolean(kind):
            encodings[name] = "PLAIN"
        else:
            sample = spread_sample(column)
            if estimated_distinct(sample) <= len(column) * _DICTIONARY_SHARE:
                dictionaries.append(name)
            elif pa.types.is_floating(kind):
                worth_trying = compressed and len(column) >= _RUNS * _RUN_ROWS
                split = worth_trying and _splitting_pays(sample)
                encodings[name] = "BYTE_STREAM_SPLIT" if split else "PLAIN"
            else:
                text = pa.types.is_string(kind)
                encodings[name] = "DELTA_LENGTH_BYTE_ARRAY" if text else "DELTA_BINARY_PACKED"
    return dictionaries, encodings


def spread_sample(column: pa.ChunkedArray) -> pa.Array:
    """Some thousand values without nulls: runs of rows, evenly spread."""
    n_rows = len(column)
    if n_rows <= _RUNS * _RUN_ROWS:
        pieces = column.chunks
    else:
        starts = [i * (n_rows - _RUN_ROWS) // (_RUNS - 1) for i in range(_RUNS)]
        pieces = [chunk for start in starts for chunk in column.slice(start, _RUN_ROWS).chunks]
    return pa.concat_arrays(pieces).drop_null() if pieces else pa.nulls(0, column.type)


def estimated_distinct(sample: pa.Array) -> float:
    """Distinct values of the whole that a sample is from (Chao, "Nonparametric Estimation of
    the Number of Classes in a Population", 1984, bias-corrected).

    >>> estimated_distinct(pa.array([1, 1, 2, 2])), estimated_distinct(pa.array([1, 2, 3]))
    (2.0, 6.0)
    """
    counts = numbers_of(pc.value_counts(sample).field("counts"))
    once, twice = int((counts == 1).sum()), int((counts == 2).sum())
    return len(counts) + once * (once - 1) / (2 * (twice + 1))


def _splitting_pays(sample: pa.Array) -> bool:
    values = numbers_of(sample)
    width = values.dtype.itemsize
    split = np.ascontiguousarray(values.view(np.uint8).reshape(-1, width).T)
    plain_bytes, split_bytes = (
        len(pa.compress(pa.py_buffer(content), codec="zstd")) for content in (values, split)
    )
    # On a tie, which noise is, the streams win by a little over a whole page.
    return split_bytes <= plain_bytes
