"""The memory of columns in pandas, and example values of a source."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from bigdata_cli.sources.base import RowSource
from bigdata_cli.sources.csv.records import ParsePlan
from bigdata_cli.types.dtype import Column, Kind
from bigdata_cli.types.footprint import pandas_bytes
from bigdata_cli.types.state import ColumnState
from bigdata_cli.types.statistics import ColumnStatistics

EXAMPLE_BYTES = 100_000
EXAMPLE_ROWS = 1000
TABLE_BYTES = 8 << 20
MAX_EXAMPLES = 3
_DIGITS = re.compile(r"[+-]?\d{1,18}")
_LOOKED_AT = 200
_DTYPES = {Kind.BOOL: "bool", Kind.INT: "int64", Kind.FLOAT: "float64", Kind.NULL: "float64"}


@dataclass(frozen=True, kw_only=True)
class PandasColumn:
    """What pandas makes of a column: its dtype, and its bytes with all Python objects."""

    dtype: str
    bytes: int


def pandas_column(
    column: Column, known: ColumnStatistics, pieces: Sequence[pa.Array], *, rows: int
) -> PandasColumn:
    """What pandas.read_csv makes of a column of `rows` rows, by its rules for dtypes.

    known, pieces: of the same rows. Integers with nulls become floats, bools with nulls objects,
    dates stay text; digits become numbers, whatever that loses.
    """
    n_bytes = round(pandas_bytes(column, known) * rows / max(known.count, 1))
    if column.kind in (Kind.TEXT, Kind.CATEGORY) and is_digits(pieces):
        return PandasColumn(dtype="float64" if known.nulls else "int64", bytes=8 * rows)
    dtype = "uint64" if column.dtype == "uint64" else _DTYPES.get(column.kind, "str")
    if known.nulls and column.kind in (Kind.BOOL, Kind.INT):
        dtype = "object" if column.kind is Kind.BOOL else "float64"
    return PandasColumn(
        dtype="uint64" if column.dtype == dtype == "uint64" else dtype, bytes=n_bytes
    )


def is_digits(pieces: Sequence[pa.Array]) -> bool:
    """Whether all values that are looked at are digits, with a sign or without."""
    values = [
        value for piece in pieces for value in piece.slice(0, _LOOKED_AT).drop_null().to_pylist()
    ]
    return bool(values) and all(_DIGITS.fullmatch(value) for value in values)


def examples(source: RowSource, plan: ParsePlan) -> tuple[tuple[str, ...], ...]:
    """Up to three values of each column of text files that are not null, as in the file."""
    columns = tuple(
        ColumnState(name=name, dtype="text", fixed=True, distinct=None) for name in source.names
    )
    plan = replace(plan, columns=columns, skip_bad_rows=True)
    for unit in source.sample_units(plan, source.names, EXAMPLE_BYTES):
        if unit.chunk is not None and unit.chunk.rows:
            batch = unit.chunk.batch.slice(0, EXAMPLE_ROWS)
            return tuple(_some_values(column) for column in batch.columns)
    return tuple(() for _ in source.names)


def table_columns(
    batches: Iterable[pa.RecordBatch], names: Sequence[str], rows: int
) -> tuple[tuple[PandasColumn, ...], tuple[tuple[str, ...], ...]]:
    """What pandas.read_parquet makes of each column, for `rows` rows, and some of its values."""
    batches = list(batches)
    scale = rows / max(1, sum(batch.num_rows for batch in batches))
    found, shown = [], []
    for name in names:
        # Files may hold the same column in types that pandas holds otherwise.
        series = [batch.column(name).to_pandas() for batch in batches]
        n_bytes = sum(one.memory_usage(index=False, deep=True) for one in series)
        found.append(PandasColumn(dtype=str(series[0].dtype), bytes=round(scale * n_bytes)))
        shown.append(_some_values(batches[0].column(name).slice(0, EXAMPLE_ROWS)))
    return tuple(found), tuple(shown)


def values_of(batches: Sequence[pa.RecordBatch], n_columns: int) -> tuple[tuple[str, ...], ...]:
    """Up to three values of each column of some rows."""
    if not batches:
        return ((),) * n_columns
    first = batches[0].slice(0, EXAMPLE_ROWS)
    return tuple(_some_values(column) for column in first.columns)


def _some_values(column: pa.Array) -> tuple[str, ...]:
    values = map(str, column.drop_null().to_pylist())
    return tuple(dict.fromkeys(value for value in values if value.strip()))[:MAX_EXAMPLES]
