"""A finished shard written again from its own files, without the source.

Its rows are read by the format's reader, in bounded memory, recast to the dtypes that all rows ask
for, and written by the format's writer: the same bytes as if the dtypes had been known before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import msgspec
import pyarrow as pa

from bigdata_cli.conversion.recast import carried, recast
from bigdata_cli.conversion.rows_file import read_rows
from bigdata_cli.conversion.shard_files import FileOptions, ShardFiles
from bigdata_cli.conversion.shard_spec import ShardResult
from bigdata_cli.conversion.widening import Stored
from bigdata_cli.engines.base import Worker
from bigdata_cli.formats.base import ShardName
from bigdata_cli.io.store import PartialFiles, partial_name
from bigdata_cli.types.dtype import Column, Kind, Schema
from bigdata_cli.types.lattice import Observed
from bigdata_cli.types.state import ColumnState
from bigdata_cli.types.statistics import ColumnStatistics
from bigdata_cli.types.vocabulary import join_distinct, may_be_categories

_READ_VALUES = 1 << 20
_MAX_READ_ROWS = 65_536
Texts = Iterator[tuple[int, dict[str, pa.Array]]]
"""Rows, block by block: their number, and columns of theirs in the dtypes that are settled."""
_WORDS = (Kind.TEXT, Kind.CATEGORY)


class Rewriting(msgspec.Struct, frozen=True, kw_only=True):
    """A shard to be written again as `schema`, under another name.

    texts: what `Spool.texts` gives of the columns that have lost their text.
    """

    result: ShardResult
    options: FileOptions
    name: ShardName
    schema: Schema
    texts: Texts | None = None


def rewrite(work: Rewriting, worker: Worker) -> ShardResult:
    """The shard, written again; what it was made of stays where it is."""
    options = work.options
    form, storage = options.form, options.storage
    columns = [carried(column, form, storage) for column in work.schema]
    types = Schema(tuple(columns)).arrow()
    files = ShardFiles(options, work.name, Schema(tuple(columns)), worker.pool)
    try:
        for batch, stored in _with_texts(work, worker):
            arrays = [
                recast(array, one, new, form, storage, wanted=wanted)
                for array, one, new, wanted in zip(
                    batch.columns, stored, work.schema, columns, strict=True
                )
            ]
            files.push(pa.RecordBatch.from_arrays(arrays, schema=types))
        written = files.finish()
    except BaseException:
        files.abort()
        raise
    return replace(
        work.result,
        name=work.name,
        files=written.files,
        schema=work.schema,
        distinct=_no_texts(work.schema),
        rest=None,
        room=written.room,
        recounted=frozenset(),
    )


def rewrite_headers(work: Rewriting) -> ShardResult:
    """The shard with other headers around the same bytes."""
    options, result = work.options, work.result
    files = options.form.rewrite_headers(
        options.store,
        result.name,
        [file.name for file in result.files],
        work.name,
        work.schema,
        options.storage,
    )
    options.store.sync([partial_name(file.name) for file in files])
    return replace(
        result,
        name=work.name,
        files=files,
        schema=work.schema,
        distinct=_no_texts(work.schema),
    )


def _no_texts(schema: Schema) -> tuple[frozenset[str], ...]:
    return tuple(frozenset() for _ in schema)


def to_recount(result: ShardResult, columns: Sequence[ColumnState]) -> frozenset[int]:
    """The columns that are text, of whose values the shard tells only what they were as numbers."""
    return frozenset(
        index
        for index, state in enumerate(columns)
        if state.column().kind in _WORDS
        and index not in result.recounted
        and any(s.hides_text for s in result.stored(index))
    )


def recount(
    work: Rewriting, columns: Sequence[ColumnState], wanted: frozenset[int], worker: Worker
) -> ShardResult:
    """The result with the statistics and distinct texts of columns that turned out to be text."""
    numbers = sorted(wanted)
    known = {i: ColumnStatistics() for i in numbers}
    distinct: dict[int, frozenset[str] | None] = {
        i: None if columns[i].distinct is None else frozenset() for i in numbers
    }
    form, storage = work.options.form, work.options.storage
    for batch, stored in _with_texts(work, worker, numbers):
        for array, one, i in zip(batch.columns, stored, numbers, strict=True):
            text = Column(name=columns[i].name, dtype="text")
            texts = recast(array, one, text, form, storage)
            known[i] = known[i].merge(_statistics(texts))
            distinct[i] = join_distinct(
                distinct[i], _distinct(texts, columns[i]), fixed=columns[i].fixed
            )
    result = work.result
    statistics = tuple(known.get(i, one) for i, one in enumerate(result.statistics))
    nothing: frozenset[str] = frozenset()
    return replace(
        result,
        statistics=statistics,
        distinct=tuple(distinct.get(i, nothing) for i in range(len(statistics))),
        recounted=result.recounted | wanted,
    )


def _statistics(texts: pa.Array) -> ColumnStatistics:
    import pyarrow.compute as pc  # 40 ms that most conversions need not spend

    lengths = pc.binary_length(texts.dictionary if pa.types.is_dictionary(texts.type) else texts)
    if pa.types.is_dictionary(texts.type):
        lengths = lengths.take(texts.indices)
    return ColumnStatistics(
        count=len(texts),
        nulls=texts.null_count,
        text_bytes=pc.sum(lengths).as_py() or 0,
        max_text_bytes=pc.max(lengths).as_py() or 0,
    )


def _distinct(texts: pa.Array, state: ColumnState) -> frozenset[str] | None:
    if state.distinct is None:
        return None
    values = texts.dictionary_encode().dictionary
    if not state.fixed and not may_be_categories(values):
        return None
    return frozenset(values.to_pylist())


def _with_texts(
    work: Rewriting, worker: Worker, numbers: Sequence[int] | None = None
) -> Iterator[tuple[pa.RecordBatch, list[Stored]]]:
    """The rows, with how each column of them is stored, or is in `texts`.

    numbers: of the columns that are wanted; None for all.
    """
    numbers = range(len(work.schema)) if numbers is None else numbers
    texts = None if work.texts is None else _Texts(work.texts)
    for batch, stored in _stored_rows(work, numbers):
        worker.check()
        if texts is None:
            yield batch, stored
            continue
        names = batch.schema.names
        while batch.num_rows:
            rows, known = texts.take(batch.num_rows)
            part, batch = batch.slice(0, rows), batch.slice(rows)
            arrays, kept = list(part.columns), list(stored)
            for place, name in enumerate(names):
                if name in known:
                    arrays[place] = known[name]
                    kept[place] = Stored(work.schema[name], Observed(), is_parsed=True)
            yield pa.RecordBatch.from_arrays(arrays, names=names), kept


class _Texts:
    """What was kept of the text of columns, row by row."""

    def __init__(self, blocks: Texts) -> None:
        self._blocks = blocks
        self._rows = self._at = 0
        self._arrays: dict[str, pa.Array] = {}

    def take(self, most: int) -> tuple[int, dict[str, pa.Array]]:
        """The next rows, of one block and at most so many: their number, and their columns."""
        if self._at == self._rows:
            self._rows, self._arrays = next(self._blocks)
            self._at = 0
        rows = min(most, self._rows - self._at)
        taken = {name: array.slice(self._at, rows) for name, array in self._arrays.items()}
        self._at += rows
        return rows, taken


def _stored_rows(
    work: Rewriting, numbers: Sequence[int]
) -> Iterator[tuple[pa.RecordBatch, list[Stored]]]:
    result = work.result
    names = [work.schema.names[i] for i in numbers]
    stored = [result.stored(i)[0] for i in numbers]
    for batch in _read_files(work, names):
        yield batch, stored
    if result.rest is None:
        return
    for batch in read_rows(work.options.store, result.rest.file.name):
        parts = {i: {s.column.dtype: s for s in result.stored(i)[1:]} for i in numbers}
        arrays = [batch.column(name) for name in names]
        kept = [
            parts[i]["null" if array.null_count == len(array) else dtype_of(array.type)]
            for i, array in zip(numbers, arrays, strict=True)
        ]
        yield pa.RecordBatch.from_arrays(arrays, names=names), kept


def dtype_of(kind: pa.DataType) -> str:
    """The dtype whose values Arrow holds as that type (null is held as bool)."""
    if pa.types.is_dictionary(kind):
        return "category"
    if pa.types.is_string(kind):
        return "text"
    if pa.types.is_date32(kind):
        return "date"
    if pa.types.is_timestamp(kind):
        return f"timestamp[{kind.unit}{', UTC' if kind.tz else ''}]"
    return {"float": "float32", "double": "float64"}.get(str(kind), str(kind))


def _read_files(work: Rewriting, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The rows in the files of the shard, under their own names: a reader knows files by these."""
    options, result = work.options, work.result
    schema = Schema(tuple(_as_read(column, options) for column in result.schema))
    max_rows = min(_MAX_READ_ROWS, max(1_024, _READ_VALUES // max(1, len(names))))
    return options.form.read(
        PartialFiles(options.store),
        [file.name for file in result.files],
        schema,
        options.storage,
        columns=names,
        max_rows=max_rows,
    )


def _as_read(column: Column, options: FileOptions) -> Column:
    """A category as text where its strings are stored, and not codes of a vocabulary."""
    if column.kind is not Kind.CATEGORY:
        return column
    has_codes = options.form.stores_codes(column.name, options.storage)
    return column if has_codes else Column(name=column.name, dtype="text")
