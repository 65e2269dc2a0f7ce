"""`head`: the first rows of a dataset, or of a source, as a table."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from bigdata_cli.export.options import HeadOptions
from bigdata_cli.export.select import columns_read, selected_rows
from bigdata_cli.native.text_rows import csv_rows
from bigdata_cli.sources.typed_rows import open_typed_rows

_BATCH_BYTES = 1 << 18


class FirstRows(NamedTuple):
    """The first rows.

    Attributes:
        table: With the types of `Schema.arrow`.
        dtypes: Of its columns after a conversion, as far as a sample tells.
    """

    table: pa.Table
    dtypes: tuple[str, ...]


def run(path: str | Path, options: HeadOptions) -> FirstRows:
    """The first rows of what `path` names."""
    chosen = options.selection
    rows = open_typed_rows(
        options.cached.place(path),
        options.source,
        columns=lambda names: columns_read(names, chosen.columns, chosen.where),
        split=chosen.split,
        skip_bad_rows=options.on_bad_row == "skip",
    )
    schema, batches = selected_rows(
        rows,
        columns=chosen.columns,
        where=chosen.where,
        n_rows=options.n_rows,
        batch_bytes=_BATCH_BYTES,
    )
    dtypes = dict(zip(rows.schema.names, rows.dtypes, strict=True))
    table = pa.Table.from_batches(list(batches), schema.arrow())
    return FirstRows(table, tuple(dtypes[name] for name in schema.names))


def cell_texts(column: pa.ChunkedArray) -> list[str | None]:
    """The values of a column as texts; None for null."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # of no chunks
        array = pa.concat_arrays(array.chunks) if array.chunks else pa.array([], column.type)
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_string(array.type):
        return array.to_pylist()
    lines = b"".join(map(bytes, csv_rows([array.type]).render(_one_column(array))))
    valid = array.is_valid().to_pylist()
    texts = lines.decode().splitlines()
    return [text if known else None for text, known in zip(texts, valid, strict=True)]


def _one_column(array: pa.Array) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([array], names=["value"])
