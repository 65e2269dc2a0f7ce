"""Reading Parquet files with pyarrow, and what their footers say against what they hold."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from bigdata_cli.errors import VerificationError
from bigdata_cli.formats.hive import constant
from bigdata_cli.formats.row_ranges import clipped, rows_of_file
from bigdata_cli.io.store import Files, StoredFile
from bigdata_cli.types.buffers import text_array
from bigdata_cli.types.dtype import Column, Kind, Schema, arrow_type

if TYPE_CHECKING:  # it takes 40 ms to import
    import pyarrow.parquet as pq

_READ_ROWS = 65_536
_MIN_READ_ROWS = 1_024
_BUFFER_BYTES = 1 << 15
"""Of each column that is open. Pages are larger, and are read beside it."""


def read_rows(
    store: Files,
    files: Sequence[str],
    columns: Sequence[Column],
    *,
    constants: Sequence[str],
    max_rows: int,
    rows: range | None,
) -> Iterator[pa.RecordBatch]:
    """Record batches of at most `max_rows` rows, as `Format.read` gives them.

    constants: columns whose values are in the names of the files.
    """
    wanted = [column for column in columns if column.name not in constants]
    categories = [column.name for column in wanted if column.kind is Kind.CATEGORY]
    before = 0
    for file_name in files:
        path = StoredFile(store, file_name)
        with _opened(path, categories) as file:
            _check_columns(path, file, wanted)
            part = rows_of_file(rows, before)
            before += file.metadata.num_rows
            for batch in _batches(path, file, [c.name for c in wanted], max_rows, part):
                arrays = [
                    constant(c, file_name, batch.num_rows)
                    if c.name in constants
                    else _logical(batch.column(c.name), c, path)
                    for c in columns
                ]
                whole = pa.RecordBatch.from_arrays(arrays, names=[c.name for c in columns])
                for start in range(0, whole.num_rows, max_rows):
                    yield whole.slice(start, max_rows)


def check_schema(
    store: Files, files: Sequence[str], schema: Schema, *, constants: Sequence[str] = ()
) -> int:
    """The rows of the files, by their footers; raises VerificationError for other columns.

    constants: columns whose values are in the names of the files.
    """
    rows = 0
    columns = [column for column in schema if column.name not in constants]
    names = tuple(column.name for column in columns)
    for file_name in files:
        path = StoredFile(store, file_name)
        with _opened(path) as file:
            for name in constants:
                constant(schema[name], file_name, 0)
            _check_columns(path, file, columns)
            found = tuple(file.schema_arrow.names)
            if found != names:
                other = next((n for n in found if n not in names), None)
                what = "the columns in another order" if other is None else f'a column "{other}"'
                raise VerificationError(f"{path} has {what}")
            rows += file.metadata.num_rows
    return rows


def count_rows(store: Files, files: Sequence[str]) -> int:
    """The rows of the files, all of which are read; raises VerificationError for damage."""
    rows = 0
    for file_name in files:
        path = StoredFile(store, file_name)
        with _opened(path) as file:
            found = sum(b.num_rows for b in _batches(path, file, None, _READ_ROWS))
            if found != file.metadata.num_rows:
                raise VerificationError(
                    f"{path}: the footer says {file.metadata.num_rows:,} rows, "
                    f"and there are {found:,}"
                )
            rows += found
    return rows


@contextmanager
def _opened(path: StoredFile, categories: Sequence[str] = ()) -> Iterator[pq.ParquetFile]:
    """A file, some of whose columns are read as dictionaries where they are stored as such.

    pyarrow makes no dictionary of other pages of texts than plain ones.
    """
    import pyarrow.parquet as pq

    with _damage_of(path):
        source = path.local_path() or path.open()
        metadata = pq.read_metadata(source) if categories else None
        file = pq.ParquetFile(
            source,
            metadata=metadata,
            read_dictionary=_dictionaries(metadata, categories) if metadata else [],
            page_checksum_verification=True,
            # Else the row groups that are ahead are held too, and columns as a whole.
            pre_buffer=False,
            buffer_size=_BUFFER_BYTES,
        )
    with file:
        yield file


def _dictionaries(metadata: pq.FileMetaData, names: Sequence[str]) -> list[str]:
    """Those of the columns that have a dictionary in every row group."""
    places = {metadata.schema.column(i).name: i for i in range(metadata.num_columns)}
    groups = [metadata.row_group(g) for g in range(metadata.num_row_groups)]
    return [
        name
        for name in names
        if name in places and all(g.column(places[name]).has_dictionary_page for g in groups)
    ]


@contextmanager
def _damage_of(path: StoredFile) -> Iterator[None]:
    """What pyarrow says of a damaged file as VerificationError."""
    try:
        yield
    except FileNotFoundError as error:
        raise VerificationError(f"{path} is missing") from error
    except KeyError as error:  # of a column that was asked for
        raise VerificationError(f"{path} has no column {error}") from error
    except (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        raise VerificationError(f"{path} is damaged: {error}") from error


def _batches(
    path: StoredFile,
    file: pq.ParquetFile,
    names: list[str] | None,
    max_rows: int,
    rows: range | None = None,
) -> Iterator[pa.RecordBatch]:
    """Record batches of the rows; larger than `max_rows` where that is few, for speed."""
    groups, skipped, left = _groups_of(path, file, rows)
    with _damage_of(path):
        batch_rows = max(max_rows, _MIN_READ_ROWS)
        batches = file.iter_batches(
            batch_size=batch_rows,
            columns=names,
            row_groups=groups,
            # To hand out columns costs more than it gains where they are short.
            use_threads=batch_rows >= _READ_ROWS,
        )
    while left:
        with _damage_of(path):
            batch: Any = next(batches, None)
        if batch is None:
            return
        if skipped < batch.num_rows:
            wanted = batch.slice(skipped, int(min(left, batch.num_rows)))
            left -= wanted.num_rows
            yield wanted
        skipped = max(0, skipped - batch.num_rows)


def _groups_of(
    path: StoredFile, file: pq.ParquetFile, rows: range | None
) -> tuple[list[int], int, float]:
    """The row groups that hold the rows, how many of theirs come before, how many are wanted."""
    with _damage_of(path):
        sizes = [file.metadata.row_group(g).num_rows for g in range(file.num_row_groups)]
    if rows is None:
        return list(range(len(sizes))), 0, math.inf
    groups: list[int] = []
    skipped = end = 0
    for group, size in enumerate(sizes):
        start, end = end, end + size
        if start < rows.stop and rows.start < end:
            if not groups:
                skipped = rows.start - start
            groups.append(group)
    return groups, skipped, len(clipped(rows, end))


def _check_columns(path: StoredFile, file: pq.ParquetFile, wanted: Sequence[Column]) -> None:
    with _damage_of(path):
        found = {field.name: field.type for field in file.schema_arrow}
    for column in wanted:
        expected = arrow_type(column.dtype)
        if column.kind is Kind.CATEGORY and found.get(column.name) == pa.string():
            continue
        if found.get(column.name) != expected:
            raise VerificationError(
                f'{path}: column "{column.name}" is {found.get(column.name, "missing")}, '
                f"and should be {expected}"
            )


def _logical(array: pa.Array, column: Column, path: StoredFile) -> pa.Array:
    """A column as the schema has it: a category with the dataset's vocabulary."""
    if column.kind is not Kind.CATEGORY:
        return array
    import pyarrow.compute as pc

    vocabulary = text_array(column.vocabulary or ())
    if pa.types.is_dictionary(array.type):
        codes = pc.index_in(array.dictionary, vocabulary).take(array.indices)
    else:
        codes = pc.index_in(array, vocabulary)
    if codes.null_count != array.null_count:
        raise VerificationError(
            f'{path}: column "{column.name}" has a value that is not among its categories'
        )
    return pa.DictionaryArray.from_arrays(codes, vocabulary)
