"""Arrow columns as the NumPy arrays that npy and HDF5 store, and back.

Beneath a null lies 0, False, the code 0, NaN or NaT; what is null is told by a validity mask, in a
matrix by NaN.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from bigdata_cli.errors import DataError, UsageError, VerificationError
from bigdata_cli.formats.base import Change, StorageOptions, feature_columns
from bigdata_cli.types.buffers import array_of, booleans_of, numbers_of, text_array
from bigdata_cli.types.dtype import Column, Kind, Schema, arrow_type, numpy_dtype
from bigdata_cli.types.footprint import column_bytes
from bigdata_cli.types.statistics import ColumnStatistics
from bigdata_cli.types.vocabulary import global_codes

_TICKS_PER_SECOND = {"us": 1e6, "ns": 1e9}


def column_physical(column: Column) -> str:
    """How a column is stored as an array; equal strings mean equal bytes.

    >>> column_physical(Column(name="a", dtype="timestamp[us, UTC]"))
    'datetime64[us]'
    """
    if column.kind is Kind.TEXT:
        return "text"
    stored = str(numpy_dtype(column.dtype, n_values=column.n_values))
    if column.kind is Kind.CATEGORY:
        return f"{stored} {vocabulary_digest(column)}"
    return stored


def matrix_physical(column: Column, options: StorageOptions) -> str:
    """How a column of the layout matrix is stored; equal strings mean equal bytes.

    >>> matrix_physical(Column(name="a", dtype="uint8"), StorageOptions(layout="matrix"))
    'float32'
    """
    if column.name == options.label:
        return column_physical(column)
    if column.kind is Kind.CATEGORY:
        return f"{options.matrix_dtype} {vocabulary_digest(column)}"
    if column.kind is Kind.DATE:
        return f"{options.matrix_dtype} days"
    if column.kind is Kind.TIMESTAMP:
        return f"{options.matrix_dtype} seconds of {np.dtype(numpy_dtype(column.dtype))}"
    return "text" if column.kind is Kind.TEXT else options.matrix_dtype


def matrix_change(old: Column, new: Column, options: StorageOptions, *, has_values: bool) -> Change:
    """`Format.change` of a column of the layout matrix."""
    if matrix_physical(old, options) == matrix_physical(new, options):
        return Change.SAME
    if old.name == options.label:
        return Change.VALUES
    # NaN is a null of any dtype. A vocabulary stands in the headers of some formats.
    is_category = Kind.CATEGORY in (old.kind, new.kind)
    return Change.VALUES if has_values or is_category else Change.SAME


def matrix_kept_dtype(column: Column, options: StorageOptions) -> str:
    """`Format.kept_dtype` of a column of the layout matrix: features come back as floats."""
    is_feature = column.name != options.label and column.kind is not Kind.CATEGORY
    return options.matrix_dtype if is_feature else column.dtype


def matrix_row_bytes(schema: Schema, options: StorageOptions) -> float:
    """Memory that encoding a row of a matrix takes: the row, and a copy."""
    return 2.0 * len(schema) * np.dtype(options.matrix_dtype).itemsize


def matrix_array_bytes(
    column: Column, known: ColumnStatistics, options: StorageOptions, n_rows: int
) -> float:
    """Memory of a column of a matrix; the label has an array of its own."""
    if column.name == options.label:
        return column_bytes(column, known, rows=n_rows)
    return n_rows * np.dtype(options.matrix_dtype).itemsize


def matrix_as_read(array: pa.Array, column: Column, options: StorageOptions) -> pa.Array:
    """The values of a source as a matrix gives them back: NaN is null, features have its dtype.

    Dates are days and timestamps seconds since 1970.
    """
    if column.name == options.label:
        return nan_as_null(array) if column.kind is Kind.FLOAT else array
    if column.kind is Kind.CATEGORY:
        return array
    kind = array.type
    valid = booleans_of(array.is_valid())
    if pa.types.is_boolean(kind):
        numbers = booleans_of(array.fill_null(False))
    elif pa.types.is_date(kind):
        numbers = numbers_of(array.view(pa.int32()).fill_null(0))
    elif pa.types.is_timestamp(kind):
        numbers = numbers_of(array.view(pa.int64()).fill_null(0)) / _TICKS_PER_SECOND[kind.unit]
    else:
        numbers = numbers_of(array.fill_null(0))
    return nan_as_null(
        pa.array(numbers.astype(options.matrix_dtype), mask=~valid, from_pandas=False)
    )


def nan_as_null(array: pa.Array) -> pa.Array:
    """Floats with null in the place of NaN."""
    import pyarrow.compute as pc  # 40 ms that a conversion need not spend

    return pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)


def vocabulary_digest(column: Column) -> str:
    """The SHA-1 of a category's vocabulary, in order."""
    digest = hashlib.sha1(usedforsecurity=False)
    for value in column.vocabulary or ():
        encoded = value.encode()
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
    return digest.hexdigest()


def check_matrix(schema: Schema, options: StorageOptions) -> None:
    """Raise UsageError where a matrix and its label cannot hold the columns."""
    features = feature_columns(schema, options)
    if not features:
        raise UsageError(
            f"layout {options.layout} needs a column besides the label",
            hint="--layout columns, or another --columns",
        )
    if options.matrix_dtype == "float32":
        for column in features:
            if column.n_values > 2**24:
                raise UsageError(
                    f'column "{column.name}" has {column.n_values:,} categories, and float32 holds '
                    f"codes up to {2**24:,} only",
                    hint=f"--drop '{column.name}', or --layout columns",
                )
    if options.label is not None and schema[options.label].kind is Kind.TEXT:
        raise UsageError(
            f'the label "{options.label}" is text, and layout {options.layout} holds numbers only',
            hint=f"--type '{options.label}=category'",
        )


def validity(array: pa.ChunkedArray | pa.Array) -> np.ndarray | None:
    """Which rows have a value: bool (rows,); None where all have."""
    if array.null_count == 0:
        return None
    chunks = array.chunks if isinstance(array, pa.ChunkedArray) else [array]
    return np.concatenate([booleans_of(chunk.is_valid()) for chunk in chunks])


def column_values(
    array: pa.ChunkedArray | pa.Array, column: Column
) -> tuple[np.ndarray, np.ndarray | None]:
    """The values that are stored for a column, and its validity.

    Returns values (rows,) of `numpy_dtype(column.dtype)` (dates and timestamps datetime64,
    categories codes of the schema's vocabulary; not for text) and bool (rows,), or None where
    no row is null. Raises DataError for a category that is not in the vocabulary.
    """
    dtype = numpy_dtype(column.dtype, n_values=column.n_values)
    chunks = array.chunks if isinstance(array, pa.ChunkedArray) else [array]
    parts = [_storage_values(chunk, column) for chunk in chunks]
    values = parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, dtype), *parts])
    return values.astype(dtype, copy=False), validity(array)


def _storage_values(array: pa.Array, column: Column) -> np.ndarray:
    """The values of one chunk, with the fill value beneath nulls."""
    if column.kind is Kind.NULL:
        return np.zeros(len(array), bool)
    expected = arrow_type(column.dtype)
    if array.type != expected:
        array = array.cast(expected)
    if column.kind is Kind.CATEGORY:
        try:
            return global_codes(array, column.vocabulary or ())
        except KeyError as error:
            raise DataError(
                f'column "{column.name}" has a value that is not among its categories',
                hint=f"--type '{column.name}=text'",
            ) from error
    if column.kind in (Kind.DATE, Kind.TIMESTAMP):
        ticks = array.view(pa.int32() if column.kind is Kind.DATE else pa.int64())
        valid = validity(array)
        values = _numbers(ticks, 0).astype(np.int64, copy=False)
        values = values.view(numpy_dtype(column.dtype))
        return values if valid is None else np.where(valid, values, values.dtype.type("NaT"))
    return _numbers(array, float("nan") if column.kind is Kind.FLOAT else 0)


def _numbers(array: pa.Array, fill: float) -> np.ndarray:
    if array.null_count:
        array = array.fill_null(pa.scalar(fill).cast(array.type))
    return booleans_of(array) if pa.types.is_boolean(array.type) else numbers_of(array)


def text_buffers(array: pa.ChunkedArray | pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """A text column as offsets, int64 (rows + 1) from 0, and UTF-8 bytes, uint8 (offsets[-1]).

    A null has no bytes.
    """
    chunks = array.chunks if isinstance(array, pa.ChunkedArray) else [array]
    ends, data, total = [np.zeros(1, np.int64)], [], 0
    for chunk in chunks:
        offsets, content = _text_chunk(chunk)
        ends.append(offsets[1:] + total)
        data.append(content)
        total += len(content)
    return np.concatenate(ends), data[0] if len(data) == 1 else np.concatenate(
        [np.empty(0, np.uint8), *data]
    )


def _text_chunk(array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    if len(array) == 0:
        return np.zeros(1, np.int64), np.empty(0, np.uint8)
    if array.null_count:
        # A null may have bytes in Arrow; this drops them.
        array = array.fill_null("")
    _, offset_buffer, data_buffer = array.buffers()
    item = np.dtype(np.int64 if pa.types.is_large_string(array.type) else np.int32)
    offsets = np.frombuffer(
        offset_buffer, item, count=len(array) + 1, offset=array.offset * item.itemsize
    ).astype(np.int64)
    first, last = int(offsets[0]), int(offsets[-1])
    if data_buffer is None or first == last:
        return offsets - first, np.empty(0, np.uint8)
    return offsets - first, np.frombuffer(data_buffer, np.uint8, count=last - first, offset=first)


def arrow_column(values: np.ndarray, valid: np.ndarray | None, column: Column) -> pa.Array:
    """The Arrow column of stored values: what `column_values` gave, or days and ticks as ints.

    Raises VerificationError for a code beyond the vocabulary.
    """
    if valid is not None:
        valid = np.asarray(valid, bool)
    if column.kind is Kind.NULL:
        return pa.nulls(len(values), pa.bool_())
    if column.kind is Kind.CATEGORY:
        return _arrow_category(values, valid, column)
    if column.kind in (Kind.DATE, Kind.TIMESTAMP):
        ticks = values.view(np.int64) if values.dtype.kind == "M" else values
        integer = np.int32 if column.kind is Kind.DATE else np.int64
        if valid is not None:
            ticks = np.where(valid, ticks, 0)
        if column.kind is Kind.DATE and len(ticks) and (ticks != ticks.astype(np.int32)).any():
            raise VerificationError(f'column "{column.name}" has a date that is out of range')
        return array_of(ticks.astype(integer, copy=False), valid).view(arrow_type(column.dtype))
    dtype = bool if column.kind is Kind.BOOL else column.dtype
    return array_of(values.astype(dtype, copy=False), valid)


def _arrow_category(codes: np.ndarray, valid: np.ndarray | None, column: Column) -> pa.Array:
    vocabulary = text_array(column.vocabulary or ())
    if valid is not None:
        codes = np.where(valid, codes, 0)
    known = codes if valid is None else codes[valid]
    if len(known) and not 0 <= known.min() <= known.max() < len(vocabulary):
        raise VerificationError(
            f'column "{column.name}" has the code {known.max()}, and its vocabulary '
            f"has {len(vocabulary)} values"
        )
    indices = array_of(codes.astype(np.int32), valid)
    return pa.DictionaryArray.from_arrays(indices, vocabulary)


def arrow_text(
    offsets: np.ndarray, data: np.ndarray, valid: np.ndarray | None, column: Column
) -> pa.Array:
    """The Arrow column of text: int64 offsets (rows + 1) into uint8 `data`, which may begin late.

    `offsets[0]` is where `data` begins. Raises VerificationError for what is not UTF-8 text.
    """
    n_rows = len(offsets) - 1
    relative = offsets - offsets[0]
    if (np.diff(relative) < 0).any() or relative[-1] != len(data):
        raise VerificationError(f'the offsets of column "{column.name}" do not fit its bytes')
    bitmap = None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))
    buffers = [bitmap, pa.py_buffer(relative), pa.py_buffer(np.ascontiguousarray(data))]
    array = pa.Array.from_buffers(pa.large_string(), n_rows, buffers)
    try:
        array.validate(full=True)
    except pa.ArrowInvalid as error:
        raise VerificationError(f'column "{column.name}" is not UTF-8 text: {error}') from error
    return array.cast(pa.string())


def matrix_columns(
    matrix: np.ndarray | None,
    label: np.ndarray | None,
    schema: Schema,
    options: StorageOptions,
    *,
    columns: Sequence[str] | None = None,
) -> pa.RecordBatch:
    """Rows of a matrix and its label as columns in the schema's order, or as `columns` says.

    `matrix` (rows, features) and `label` (rows,) may be None where none of theirs is asked for.
    Features have the matrix dtype, NaN is null; categories are categories again.
    """
    place = {column.name: i for i, column in enumerate(feature_columns(schema, options))}
    names = schema.names if columns is None else columns
    arrays = []
    for name in names:
        column = schema[name]
        if name == options.label:
            assert label is not None
            nulls = np.isnan(label) if label.dtype.kind == "f" else np.zeros(len(label), bool)
            arrays.append(arrow_column(label, ~nulls if nulls.any() else None, column))
        else:
            assert matrix is not None
            arrays.append(_arrow_feature(np.ascontiguousarray(matrix[:, place[name]]), column))
    return pa.RecordBatch.from_arrays(arrays, names=list(names))


def _arrow_feature(values: np.ndarray, column: Column) -> pa.Array:
    valid = ~np.isnan(values)
    is_whole = bool(valid.all())
    if column.kind is not Kind.CATEGORY:
        return array_of(values, None if is_whole else valid)
    codes = np.where(valid, values, 0)
    if not ((codes >= 0) & (codes < 2**31)).all() or (codes != np.floor(codes)).any():
        raise VerificationError(f'column "{column.name}" holds what is not a code')
    return _arrow_category(codes.astype(np.int64), None if is_whole else valid, column)
