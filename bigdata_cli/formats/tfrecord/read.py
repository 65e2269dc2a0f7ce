"""TFRecord files back as Arrow record batches, or as a matrix of floats."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from bigdata_cli.formats.base import StorageOptions
from bigdata_cli.formats.tfrecord.decode import Decoder, FloatDecoder, FloatRows
from bigdata_cli.formats.tfrecord.layout import (
    FLOAT,
    VALID,
    feature_lists,
)
from bigdata_cli.formats.tfrecord.records import (
    PADDING,
    PIECE_BYTES,
    places_of,
    read_records,
)
from bigdata_cli.io.store import StoredFile
from bigdata_cli.resources.pages import Slabs
from bigdata_cli.types.dtype import Schema

_SLAB_BYTES = 4 << 20
_COLUMN_PIECE_BYTES = 8 << 10
_MAX_PIECE_BYTES = 16 << 20
"""Of a file that are read at a time: more where there are many columns, as each takes some time."""
_MAX_VALUES = 1 << 21
"""Values that are decoded at a time, where a single record does not have more."""


def check_first_records(path: StoredFile, schema: Schema, options: StorageOptions) -> None:
    """Raise VerificationError where the first records do not have the features of the schema."""
    known = {entry.key.encode() for entry in feature_lists(schema, options)}
    for records in read_records(path, 1):
        for key in records.keys(0):
            if key not in known:
                what = f'the feature "{key.decode("utf-8", "replace")}" is of no column'
                raise records.error(0, what)
        break
    next(read_batches(path, schema, options, columns=schema.names, max_rows=1), None)


def has_floats(
    schema: Schema, options: StorageOptions, features: Sequence[str], label: str
) -> bool:
    """Whether `read_floats` reads these columns: floats, and a label in a list of its own."""
    lists = [entry for entry in feature_lists(schema, options) if entry.kind != VALID]
    kinds = {column.name: entry.kind for entry in lists for column in entry.columns}
    alone = all(len(entry.columns) == 1 for entry in lists if schema[label] in entry.columns)
    return alone and label not in features and all(kinds[name] == FLOAT for name in features)


def read_batches(
    path: StoredFile,
    schema: Schema,
    options: StorageOptions,
    *,
    columns: Sequence[str],
    max_rows: int,
    rows: range | None = None,
) -> Iterator[pa.RecordBatch]:
    """The rows of a file as record batches of `columns`, at most `max_rows` each.

    rows: those that are wanted, None for all; records before them are not decoded.
    Raises VerificationError, with the number of the record and its byte, where the file or a
    record is damaged or does not hold what the schema says.
    """
    decoder = _kept.of(schema, options, columns, None)
    yield from _decoded(path, decoder, options.layout, max_rows, rows)


def read_floats(
    path: StoredFile,
    schema: Schema,
    options: StorageOptions,
    *,
    features: Sequence[str],
    label: str,
    max_rows: int,
    rows: range | None = None,
) -> Iterator[FloatRows]:
    """The rows of a file as a matrix of `features`, NaN where there is none, and the label.

    They are what `has_floats` says can be had so; the rest is as in `read_batches`.
    """
    decoder = _kept.of(schema, options, features, label)
    yield from _decoded(path, decoder, options.layout, max_rows, rows)


class _KeptDecoder:
    """The last decoder, for the next file or range of the same columns.

    A loader asks for many short ranges of rows, and a decoder takes as long to make as hundreds of
    rows to decode.
    """

    def __init__(self) -> None:
        self._last: tuple[Schema, tuple[Any, ...], Decoder] | None = None

    def of(
        self, schema: Schema, options: StorageOptions, columns: Sequence[str], label: str | None
    ) -> Decoder:
        """A decoder of columns; with a label, of floats beside it."""
        known, wanted = self._last, (options, tuple(columns), label)
        if known is not None and known[0] is schema and known[1] == wanted:
            return known[2]
        if label is None:
            decoder = Decoder(schema, options, columns)
        else:
            decoder = FloatDecoder(schema, options, columns, label)
        self._last = schema, wanted, decoder
        return decoder


_kept = _KeptDecoder()


def _decoded(
    path: StoredFile, decoder: Decoder, layout: str, max_rows: int, rows: range | None
) -> Iterator[Any]:
    """What the decoder makes of the rows of a file, at most `max_rows` each."""
    most = max(1, min(max_rows, _MAX_VALUES // max(1, decoder.n_values)))
    place, end = None, None
    if rows is not None:
        if not rows:
            return
        place, end = places_of(path, layout, rows)
    row = 0 if place is None else place.row
    stop = math.inf if rows is None else rows.stop
    piece_bytes = min(_MAX_PIECE_BYTES, max(PIECE_BYTES, _COLUMN_PIECE_BYTES * decoder.n_values))
    slab_bytes = _SLAB_BYTES
    if rows is not None:
        slab_bytes = min(slab_bytes, 4 * decoder.n_floats * len(rows))
    if place is not None and end is not None:
        piece_bytes = min(piece_bytes, end - place.byte + 2 * PADDING)
    slabs = Slabs(slab_bytes)
    for records in read_records(path, most, at=place, stop=end, piece_bytes=piece_bytes):
        counts = decoder.block_rows(records)
        ends = row + np.cumsum(counts)
        first = 0 if rows is None else int(np.searchsorted(ends, rows.start, side="right"))
        while first < len(counts) and ends[first] - counts[first] < stop:
            # As many records as fit, and at least one.
            begin = int(ends[first] - counts[first])
            last = first + max(1, int(np.searchsorted(ends[first:], begin + most, side="right")))
            if stop < math.inf:
                last = min(last, int(np.searchsorted(ends, stop, side="left")) + 1)
            batch = decoder.decode(records, counts, first, last, slabs)
            if rows is not None:
                low = max(0, rows.start - begin)
                batch = batch.slice(low, max(0, rows.stop - begin - low))
            for start in range(0, batch.num_rows, max_rows):
                yield batch.slice(start, max_rows)
            first = last
        if len(ends):
            row = int(ends[-1])
        if row >= stop:
            return
