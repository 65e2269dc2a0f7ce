"""Rows of a table as a typed chunk, with their evidence and statistics."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bigdata_cli.native import parser as native
from bigdata_cli.native.library import address, lib
from bigdata_cli.native.parser import DistinctTexts
from bigdata_cli.sources.bad_values import InvalidValue, RecordError, too_many_categories
from bigdata_cli.sources.csv.blocks import ByteRange
from bigdata_cli.sources.csv.columns import NO_VALUE, typed_array
from bigdata_cli.sources.csv.records import Chunk, ParsePlan, Reject
from bigdata_cli.sources.csv.units import Unit
from bigdata_cli.sources.tables.row_hashes import hashes_of
from bigdata_cli.sources.tables.values import Values, cells_of, observe, render, simplify
from bigdata_cli.sources.tally import Tally
from bigdata_cli.types.dtype import Kind, kind_of
from bigdata_cli.types.lattice import Observed
from bigdata_cli.types.state import ColumnState
from bigdata_cli.types.summary import Summary, mode_of, modes_of
from bigdata_cli.types.vocabulary import MAX_CATEGORIES, may_be_categories


class ParsedColumn(NamedTuple):
    """A column of a chunk; result: its element of a `Summary`."""

    array: pa.Array
    state: ColumnState
    result: np.ndarray
    distinct: pa.Array | None


def parse_rows(batch: pa.RecordBatch, file: int, first_row: int, plan: ParsePlan) -> Unit:
    """The rows of a batch as a chunk: the columns of the plan, by name.

    Positions are rows of the file, from 0. A row that cannot be kept is the unit's error, or a
    reject where these are to be skipped.
    """
    piece = ByteRange(file, first_row, first_row + batch.num_rows)
    numbers = np.arange(piece.start, piece.stop)
    rejects: list[Reject] = []
    while True:
        try:
            columns = [parse_column(batch.column(s.name), s, plan.float_mode) for s in plan.columns]
            break
        except InvalidValue as invalid:
            if not plan.skip_bad_rows:
                row = int(numbers[invalid.rows[0]])
                return Unit(
                    piece, first_row, None, RecordError(row, invalid.problem, hint=invalid.hint)
                )
            rejects += _rejects(batch, numbers, invalid, plan.columns)
            kept = np.ones(batch.num_rows, bool)
            kept[invalid.rows] = False
            batch, numbers = batch.filter(pa.array(kept)), numbers[kept]
    names = [state.name for state in plan.columns]
    rule = plan.hash_split
    chunk = Chunk(
        batch=pa.RecordBatch.from_arrays([column.array for column in columns], names=names),
        columns=tuple(column.state for column in columns),
        summary=Summary(
            np.array([column.result for column in columns], native.RESULT),
            modes_of([column.state.dtype for column in columns]),
            batch.num_rows,
        ),
        texts=DistinctTexts.of([column.distinct for column in columns]),
        rows=batch.num_rows,
        position=piece.stop,
        tally=Tally(),
        rejects=tuple(sorted(rejects, key=lambda reject: reject.offset)),
        hashes=None if rule is None else hashes_of(batch.select(names), rule),
        places=numbers if plan.wants_places else None,
    )
    return Unit(piece, first_row, chunk, None)


def parse_column(array: pa.Array, state: ColumnState, float_mode: str) -> ParsedColumn:
    """A column in its dtype, or in the wider one that its values ask for; raises InvalidValue."""
    values = simplify(array, state.name)
    observed = Observed() if state.fixed else observe(values)
    state = state.widened(observed, float_mode)
    if kind_of(state.dtype) in (Kind.TEXT, Kind.CATEGORY):
        return _text(values, state, observed)
    cells = cells_of(values, state)
    typed = typed_array(cells.values, cells.flags, state.dtype)
    result = _result(observed, typed.null_count)
    valid = (cells.flags != NO_VALUE).view(np.uint8)
    lib.bd_measure_cells(
        mode_of(state.dtype), address(cells.values), address(valid), len(typed), address(result)
    )
    return ParsedColumn(typed, state, result, None)


def _text(values: Values, state: ColumnState, observed: Observed) -> ParsedColumn:
    text = render(values)
    distinct: pa.Array | None = None
    array = text
    if state.distinct is not None:
        encoded = text.dictionary_encode()
        known = encoded.dictionary
        if len(known) <= MAX_CATEGORIES and (state.fixed or may_be_categories(known)):
            distinct = known
            array = encoded if state.dtype == "category" else text
    if state.dtype == "category" and distinct is None:
        state = too_many_categories(state, len(text))
    result = _result(observed, text.null_count)
    lengths = pc.binary_length(text)
    result["text_bytes"] = pc.sum(lengths).as_py() or 0
    result["max_text_bytes"] = pc.max(lengths).as_py() or 0
    return ParsedColumn(array, state, result, distinct)


def _result(observed: Observed, n_nulls: int) -> np.ndarray:
    """An element of a summary, with evidence and without statistics: native.RESULT ()."""
    result = np.zeros((), native.RESULT)
    for name in ("forms", "negative", "positive"):
        result[name] = getattr(observed, name)
    result["n_nulls"] = n_nulls
    return result


def _rejects(
    batch: pa.RecordBatch,
    numbers: np.ndarray,
    invalid: InvalidValue,
    columns: Sequence[ColumnState],
) -> list[Reject]:
    """The rows with these invalid values, as JSON."""
    read = batch.select([state.name for state in columns])
    return [
        Reject(
            offset=int(numbers[row]),
            reason=invalid.reason,
            raw=row_text(read, row),
            line=int(numbers[row]) + 1,
        )
        for row in invalid.rows.tolist()
    ]


def row_text(batch: pa.RecordBatch, row: int) -> bytes:
    """A row as JSON; text that is not UTF-8 and times beyond Python's as they can be."""
    names = batch.schema.names
    values = [_plain_values(array.slice(row, 1))[0] for array in batch.columns]
    record = dict(zip(names, values, strict=True))
    raw = json.dumps(record, ensure_ascii=False, default=str)
    return raw.encode("utf-8", "surrogateescape")


def _plain_values(array: pa.Array) -> list[Any]:
    """The values in Python; text that is not UTF-8 and times beyond Python's as they can be."""
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    try:
        if pa.types.is_temporal(array.type):
            return array.cast(pa.string()).to_pylist()
        return array.to_pylist()
    except UnicodeDecodeError:
        raw = array.cast(pa.large_binary()).to_pylist()
        return [None if v is None else v.decode("utf-8", "surrogateescape") for v in raw]
