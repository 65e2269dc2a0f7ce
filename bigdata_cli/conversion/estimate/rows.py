"""Rows of a source to try things on: parsed, with the types and sizes that all rows will have."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from bigdata_cli.conversion.estimate.size import fitting_units
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.order_options import OrderOptions
from bigdata_cli.conversion.survey import storage_options
from bigdata_cli.formats.buckets.sort_keys import Keys
from bigdata_cli.formats.registry import get_format
from bigdata_cli.sources.base import RowSource
from bigdata_cli.sources.csv.sample import Sample, settle
from bigdata_cli.transforms.shape import pass_seconds
from bigdata_cli.types.distinct import estimate_distinct
from bigdata_cli.types.dtype import Column, Kind, Schema, arrow_type
from bigdata_cli.types.statistics import ColumnStatistics
from bigdata_cli.types.vocabulary import MAX_CATEGORIES, MAX_VOCABULARY_BYTES

ENCODED_BYTES = 12 << 20
"""Of text that is parsed to be encoded: a row group of most tables."""
_MADE_UP = "\U0010ffff"


@dataclass(frozen=True, kw_only=True)
class SampledRows:
    """Parsed rows of a source, in pieces spread over it.

    schema: as all rows will ask for, as far as these tell. distinct: values in all rows, estimated.
    statistics: of these rows. all_rows: of the source, estimated. text_bytes: of these rows; of
    tables their number. parse_seconds: processor seconds for a byte of it; read_seconds: seconds
    for a byte of what can be read from its start only, else 0. exact: these are all rows.
    pieces: (rows, bytes of text) of each piece. fixed: columns whose dtype the user chose.
    filtered: rows that were read with these, and that filters leave out.
    """

    schema: Schema
    batches: tuple[pa.RecordBatch, ...]
    statistics: Mapping[str, ColumnStatistics]
    distinct: Mapping[str, int]
    rows: int
    text_bytes: int
    all_rows: int
    parse_seconds: float
    read_seconds: float
    exact: bool
    pieces: tuple[tuple[int, int], ...] = ()
    fixed: frozenset[str] = frozenset()
    filtered: int = 0

    @property
    def all_bytes(self) -> float:
        """Bytes of the text of all rows, from the length of these."""
        return self.text_bytes * self.all_rows / max(self.rows, 1)

    def spread(self, n_rows: int) -> Iterator[pa.RecordBatch]:
        """So many rows, in order, from pieces that are spread evenly; again where they are few."""
        while n_rows >= self.rows > 0:
            yield from self.batches
            n_rows -= self.rows
        if not n_rows:
            return
        n_pieces = max(1, -(-n_rows * len(self.batches) // self.rows))
        while True:
            places = sorted({i * len(self.batches) // n_pieces for i in range(n_pieces)})
            if sum(self.batches[place].num_rows for place in places) >= n_rows:
                break
            n_pieces += 1
        left = n_rows
        for place in places:
            batch = self.batches[place].slice(0, left)
            left -= batch.num_rows
            yield batch

    def in_order(self, options: OrderOptions) -> SampledRows:
        """The same rows in the order of a dataset, in as many pieces."""
        if not self.rows or not options.changes:
            return self
        table = pa.Table.from_batches(self.batches).unify_dictionaries().combine_chunks()
        if options.shuffle:
            order = np.random.default_rng(0).permutation(self.rows)
        else:
            by = options.sort_columns()
            (whole,) = table.to_batches()
            order = Keys.of([whole.column(one.name) for one in by], by).order()
        (mixed,) = table.take(pa.array(order)).combine_chunks().to_batches()
        size = -(-self.rows // len(self.batches))
        batches = tuple(mixed.slice(start, size) for start in range(0, self.rows, size))
        return replace(self, batches=batches)

    def under(self, options: ConvertOptions) -> SampledRows:
        """The same rows without dropped columns, their floats narrowed by a float mode of "32"."""
        columns = tuple(
            replace(column, dtype="float32") if self._is_narrowed(column, options) else column
            for column in self.schema
            if column.name not in options.drop
        )
        if columns == self.schema.columns:
            return self
        schema = Schema(columns)
        batches = tuple(batch.select(schema.names) for batch in self.batches)
        if options.float_mode == "32":
            batches = tuple(batch.cast(schema.arrow(), safe=False) for batch in batches)
        return replace(self, schema=schema, batches=batches)

    def losing_digits(self, options: ConvertOptions) -> tuple[str, ...]:
        """The columns of numbers with values that these options store as another float32."""
        form = get_format(options.to)
        storage = storage_options(form, options)
        return tuple(
            column.name
            for column in self.schema
            if column.kind in (Kind.INT, Kind.FLOAT)
            and column.name not in options.drop
            and column.dtype != "float32"
            and self.statistics[column.name].float32_error
            and (
                self._is_narrowed(column, options) or form.kept_dtype(column, storage) == "float32"
            )
        )

    def _is_narrowed(self, column: Column, options: ConvertOptions) -> bool:
        is_free = column.kind is Kind.FLOAT and column.name not in self.fixed
        return is_free and options.float_mode == "32"


def draw_rows(
    source: RowSource,
    sample: Sample,
    keep: Sequence[str],
    *,
    max_bytes: int = ENCODED_BYTES,
    distinct: Mapping[str, int] | None = None,
) -> SampledRows:
    """Parse pieces of the source, and foresee what all rows will make of its columns.

    distinct: values of columns of text in all rows, where they are known.
    """
    started = time.thread_time()
    plan, units = fitting_units(source, sample.plan, keep, max_bytes)
    seconds = time.thread_time() - started
    parsed = [(unit, unit.chunk) for unit in units if unit.chunk is not None]
    chunks = [chunk for _, chunk in parsed]
    rows = sum(chunk.rows for chunk in chunks)
    text_bytes = sum(chunk.position - unit.start for unit, chunk in parsed)
    exact = sample.exact and rows == sample.rows
    all_rows = rows if exact else max(rows, sample.estimated_rows)
    statistics = {}
    for place, name in enumerate(keep):
        known = ColumnStatistics()
        for chunk in chunks:
            known = known.merge(chunk.statistics[place])
        statistics[name] = known
    known_distinct = distinct or {}
    columns, arrays, distinct = [], [], {}
    for place, state in enumerate(plan.columns):
        pieces = [chunk.batch.column(place) for chunk in chunks]
        column = replace(state, dtype=settle(state, plan.float_mode, rows)).column()
        if pieces and (state.fixed or column.kind not in (Kind.TEXT, Kind.CATEGORY)):
            pieces = [piece.cast(arrow_type(column.dtype)) for piece in pieces]
        elif pieces:
            number, seen = estimate_distinct(pieces, rows=rows, all_rows=all_rows)
            number = max(seen, known_distinct.get(state.name, number))
            distinct[state.name] = number
            column, pieces = _text_or_category(column, pieces, number, all_rows)
        columns.append(column)
        arrays.append(pieces)
    names = [column.name for column in columns]
    return SampledRows(
        schema=Schema(tuple(columns)),
        batches=tuple(
            pa.RecordBatch.from_arrays(list(of_chunk), names=names)
            for of_chunk in zip(*arrays, strict=True)
        ),
        statistics=statistics,
        distinct=distinct,
        rows=rows,
        text_bytes=text_bytes,
        all_rows=all_rows,
        parse_seconds=seconds / max(text_bytes, 1) + pass_seconds(source),
        read_seconds=source.read_seconds(),
        exact=exact,
        fixed=frozenset(state.name for state in plan.columns if state.fixed),
        pieces=tuple((chunk.rows, chunk.position - unit.start) for unit, chunk in parsed),
        filtered=sum(chunk.tally.filtered for chunk in chunks),
    )


def _text_or_category(
    column: Column, pieces: list[pa.Array], number: int, all_rows: int
) -> tuple[Column, list[pa.Array]]:
    """A column of text as it will be stored, with as many categories as there will be."""
    decoded = [
        piece.dictionary_decode() if pa.types.is_dictionary(piece.type) else piece
        for piece in pieces
    ]
    if number > MAX_CATEGORIES or 2 * number >= all_rows:
        return replace(column, dtype="text", vocabulary=None), decoded
    coded = [piece.dictionary_encode() for piece in decoded]
    known = set()
    for piece in coded:
        known.update(piece.dictionary.to_pylist())
    mean_bytes = sum(len(text.encode()) for text in known) / max(len(known), 1)
    if number * mean_bytes > MAX_VOCABULARY_BYTES:
        return replace(column, dtype="text", vocabulary=None), decoded
    # Values that were not seen count in the width of the codes, and in the vocabulary's bytes.
    length = round(mean_bytes)
    unseen = (f"{_MADE_UP}{i:0{max(length - 1, 1)}d}" for i in range(number - len(known)))
    vocabulary = (*sorted(known), *unseen)
    return replace(column, dtype="category", vocabulary=vocabulary), coded
