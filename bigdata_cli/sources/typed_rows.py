"""The rows of a dataset or of any source, in order, with types: to write, show and compare them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bigdata_cli.errors import DataError, UsageError, did_you_mean
from bigdata_cli.sources.base import RowSource, all_in_one
from bigdata_cli.sources.csv.blocks import MAX_RECORD_BYTES, UNIT_BYTES
from bigdata_cli.sources.csv.options import SourceOptions
from bigdata_cli.sources.csv.records import Chunk, ParsePlan
from bigdata_cli.sources.csv.sample import SAMPLE_BYTES, Sample
from bigdata_cli.sources.registry import open_rows
from bigdata_cli.types.dtype import Column, Kind, Schema, kind_of
from bigdata_cli.types.lattice import TypeOptions
from bigdata_cli.types.state import ColumnState

if TYPE_CHECKING:
    import pyarrow as pa

    from bigdata_cli.sources.tables.datasets import DatasetTable

_WIDE = {Kind.INT: "int64", Kind.FLOAT: "float64", Kind.NULL: "text"}
"""What columns are read as where only a sample of their values was seen."""


@dataclass(frozen=True, kw_only=True)
class TypedRows:
    """Rows of one schema.

    Attributes:
        name: Of the source, as the user gave it.
        schema: The columns, in order. Of a category the vocabulary is known where the rows are
            those of a dataset.
        dtypes: Of the columns after a conversion, as far as a sample tells; those of the schema are
            wider where only a sample was seen.
        total_rows: Where they are known beforehand.
        is_dataset: Whether they are the rows of one dataset of ours.
        is_exact: Whether the dtypes are those that a conversion of all rows would give them.
        comes_once: Whether the rows can be read only once, as those of a pipe.
    """

    name: str
    schema: Schema
    dtypes: tuple[str, ...]
    total_rows: int | None
    is_dataset: bool
    is_exact: bool
    comes_once: bool
    _read: Callable[[int], Iterator[pa.RecordBatch]]

    def batches(self, batch_bytes: int = UNIT_BYTES) -> Iterator[pa.RecordBatch]:
        """The rows as batches of the types of `schema.arrow()`, of about so many bytes of source.

        Raises DataError where the source is damaged, or has a value that its column does not hold.
        """
        return self._read(batch_bytes)


def open_typed_rows(
    path: str | Path,
    options: SourceOptions | None = None,
    *,
    columns: Callable[[Sequence[str]], Sequence[str]] = tuple,
    split: str | None = None,
    skip_bad_rows: bool = False,
    on_chunk: Callable[[Chunk], None] | None = None,
    types: TypeOptions | None = None,
    sample_bytes: int | None = None,
) -> TypedRows:
    """Open what `path` names: a dataset, or whatever a conversion takes.

    Args:
        path: As of a conversion.
        options: How a text is read.
        columns: Says which columns to read of all that there are, and in which order.
        split: The only split to read of a dataset.
        skip_bad_rows: Whether records that cannot be kept are left out.
        on_chunk: Is called with each chunk of a source that is no dataset, before its rows come.
        types: How dtypes are chosen, of what is no dataset.
        sample_bytes: How much of it is read to choose them.

    Raises:
        UsageError: There is no such file, column or split.
        DataError: It cannot be read.
    """
    source = open_rows([path], options)
    names = tuple(columns(source.names))
    for name in names:
        if name not in source.names:
            raise UsageError(
                f'{path} has no column "{name}"', hint=did_you_mean(name, source.names)
            )
    if len(set(names)) != len(names):
        raise UsageError("--columns has a column twice")
    dataset = dataset_of(source)
    if dataset is not None:
        return dataset_rows(str(path), dataset if split is None else dataset.of_split(split), names)
    if split is not None:
        raise UsageError(
            f"--split {split}: {path} is no dataset, and has no splits",
            hint=f"bigdata convert {path} --to parquet --split train=0.8,test=0.2 makes them",
        )
    sample = source.sample(
        types or TypeOptions(),
        keep=names,
        max_bytes=sample_bytes or SAMPLE_BYTES,
        skip_bad_rows=skip_bad_rows,
        max_record_bytes=MAX_RECORD_BYTES,
    )
    rows = source_rows(str(path), source, _fixed(sample), exact=sample.exact, on_chunk=on_chunk)
    return replace(rows, dtypes=tuple(state.dtype for state in sample.plan.columns))


def dataset_of(source: RowSource) -> DatasetTable | None:
    """The dataset that a source is, where it is exactly one."""
    from bigdata_cli.sources.tables.datasets import DatasetTable

    table = source.files[0]
    return table if len(source.files) == 1 and isinstance(table, DatasetTable) else None


def dataset_rows(name: str, table: DatasetTable, names: Sequence[str]) -> TypedRows:
    """The rows of a dataset, these columns of it."""
    schema = Schema(
        tuple(
            replace(table.dataset.schema[column], dtype=table.dtypes.get(column, "null"))
            for column in names
        )
    )
    return TypedRows(
        name=name,
        schema=schema,
        dtypes=tuple(column.dtype for column in schema),
        total_rows=table.rows,
        is_dataset=True,
        is_exact=True,
        comes_once=False,
        _read=lambda batch_bytes: table.read(names, batch_bytes=batch_bytes),
    )


def _fixed(sample: Sample) -> ParsePlan:
    """The plan of a sample, under which all rows get the same types.

    Of what is larger than the sample nobody has seen all values: numbers are as wide as they get.
    """
    columns = []
    for state in sample.plan.columns:
        kind = kind_of(state.dtype)
        dtype = "text" if kind is Kind.CATEGORY else state.dtype
        if not sample.exact and dtype != "uint64":
            dtype = _WIDE.get(kind, dtype)
        columns.append(ColumnState(name=state.name, dtype=dtype, fixed=True, distinct=None))
    return replace(sample.plan, columns=tuple(columns))


def source_rows(
    name: str,
    source: RowSource,
    plan: ParsePlan,
    *,
    exact: bool,
    on_chunk: Callable[[Chunk], None] | None = None,
) -> TypedRows:
    """The rows of a source under a plan whose columns are fixed."""
    keep = [state.name for state in plan.columns]
    fields = source.fields_of(keep)

    def read(batch_bytes: int) -> Iterator[pa.RecordBatch]:
        with source.feed(
            all_in_one,
            keep=keep,
            unit_bytes=batch_bytes,
            max_record_bytes=MAX_RECORD_BYTES,
            strict=not plan.skip_bad_rows,
        ) as feed:
            for fed in feed:
                unit = fed.parse(fields[fed.file], plan)
                if unit.chunk is None:
                    assert unit.error is not None
                    error = source.located(fed.file, unit.error)
                    raise error if exact else _of_sample(error, name)
                if on_chunk is not None:
                    on_chunk(unit.chunk)
                if unit.chunk.rows:
                    yield unit.chunk.batch

    return TypedRows(
        name=name,
        schema=Schema(tuple(_column(state) for state in plan.columns)),
        dtypes=tuple(state.dtype for state in plan.columns),
        total_rows=source.total_rows,
        is_dataset=False,
        is_exact=exact,
        comes_once=source.comes_once,
        _read=read,
    )


def _column(state: ColumnState) -> Column:
    return Column(name=state.name, dtype=state.dtype)


def _of_sample(error: DataError, name: str) -> DataError:
    """The error of a value that is none of the type which a sample showed."""
    if error.hint is not None and "--type" not in error.hint:
        return error
    return DataError(
        error.message,
        hint="types are those of a sample here; `bigdata convert` finds those of all rows, and its "
        "dataset is read in the same way",
    )
