"""`inspect` of Parquet files: what their columns would become and cost."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pyarrow as pa

from bigdata_cli.errors import DataError
from bigdata_cli.inspect.footprint import MAX_EXAMPLES, column_bytes
from bigdata_cli.inspect.report import CsvColumn, CsvReport
from bigdata_cli.schema.lattice import TypeOptions
from bigdata_cli.sources.blocks import MAX_RECORD_BYTES
from bigdata_cli.sources.sample import SAMPLE_BYTES
from bigdata_cli.tables.sample import read_parts

if TYPE_CHECKING:
    from bigdata_cli.tables import TableSource

_EXAMPLE_ROWS = 1000


def inspect_tables(path: str, source: TableSource) -> CsvReport:
    """The report of Parquet files, from rows of parts spread over them.

    In pandas: as pandas.read_parquet holds them. Raises DataError for a column whose type a
    dataset does not hold.
    """
    sample = source.sample(
        TypeOptions(),
        keep=source.names,
        max_bytes=SAMPLE_BYTES,
        skip_bad_rows=False,
        max_record_bytes=MAX_RECORD_BYTES,
    )
    if not sample.rows:
        raise DataError(f"{path} has no rows")
    batches = [batch for _, _, batch in read_parts(source, source.names, SAMPLE_BYTES)]
    scale = sample.estimated_rows / sum(batch.num_rows for batch in batches)
    columns = []
    for column in sample.schema:
        # Files may hold the same column in types that pandas holds otherwise.
        series = [batch.column(column.name).to_pandas() for batch in batches]
        statistics = sample.statistics[column.name]
        columns.append(
            CsvColumn(
                name=column.name,
                dtype=column.dtype,
                n_categories=column.n_values if column.vocabulary is not None else None,
                examples=_examples(batches[0].column(column.name)),
                nulls_share=statistics.nulls / sample.rows,
                pandas_dtype=str(series[0].dtype),
                pandas_bytes=round(
                    scale * sum(one.memory_usage(index=False, deep=True) for one in series)
                ),
                bytes=column_bytes(column, statistics, rows=sample.estimated_rows),
            )
        )
    return CsvReport(
        path=path,
        source_bytes=source.bytes,
        dialect=source.dialect.to_json(),
        rows=sample.estimated_rows,
        exact=sample.exact,
        sample_rows=sample.rows,
        sample_bytes=sample.bytes,
        columns=tuple(columns),
        next_command=shlex.join(["bigdata", "convert", path, "--to", "npy"]),
    )


def _examples(array: pa.Array) -> tuple[str, ...]:
    """Up to three values that are not null."""
    values = array.slice(0, _EXAMPLE_ROWS).drop_null().to_pylist()
    return tuple(dict.fromkeys(map(str, values)))[:MAX_EXAMPLES]
