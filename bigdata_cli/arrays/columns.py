"""Single columns: Arrow as numbers and codes, and stored arrays as Arrow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from bigdata_cli.errors import VerificationError
from bigdata_cli.types.buffers import array_of, booleans_of, numbers_of, text_array, validity_of
from bigdata_cli.types.dtype import Column, Kind, Schema, arrow_type, code_dtype
from bigdata_cli.types.vocabulary import global_codes

_TICKS_PER_SECOND = {"us": 1e6, "ns": 1e9}


class CategoryCodes:
    """Replaces the categories of batches by codes of the dataset's vocabularies."""

    def __init__(self, schema: Schema) -> None:
        self._vocabularies = {
            column.name: column.vocabulary or () for column in schema if column.dtype == "category"
        }
        self._dictionaries = {
            name: text_array(values) for name, values in self._vocabularies.items()
        }

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the batch with each category as uint8/16/32 codes, with the same nulls.

        Raises:
            VerificationError: A value is not in the vocabulary.
        """
        names = [name for name in batch.schema.names if name in self._vocabularies]
        if not names:
            return batch
        arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
        for name in names:
            arrays[name] = self._codes(name, arrays[name])
        return pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))

    def _codes(self, name: str, array: pa.DictionaryArray) -> pa.Array:
        vocabulary = self._vocabularies[name]
        if array.dictionary.equals(self._dictionaries[name]):
            return array.indices.cast(pa.from_numpy_dtype(np.dtype(code_dtype(len(vocabulary)))))
        try:
            codes = global_codes(array, vocabulary)
        except KeyError as error:
            raise VerificationError(
                f'column "{name}" holds a value that is not in the manifest\'s vocabulary',
                hint="bigdata verify DATASET shows what else differs",
            ) from error
        return array_of(codes, validity_of(array))


def column_values(array: pa.Array) -> tuple[np.ndarray, np.ndarray | None]:
    """A column, a category as codes, as (values, validity), both (rows,); not copied without need.

    A null is 0 in numbers, False, NaN in floats, NaT in dates and timestamps, "" in text. Validity
    is bool, True where there is a value; None without nulls. Text is an object array of str;
    timestamps with a zone are UTC.
    """
    kind = array.type
    valid = validity_of(array)
    if pa.types.is_string(kind):
        text = array if valid is None else array.fill_null("")
        return text.to_numpy(zero_copy_only=False), valid
    if pa.types.is_boolean(kind):
        return booleans_of(array if valid is None else array.fill_null(False)), valid
    fill: object = np.nan if pa.types.is_floating(kind) else 0
    if pa.types.is_date32(kind):
        values = numbers_of(array.view(pa.int32())).astype("datetime64[D]")
        fill = np.datetime64("NaT")
    elif pa.types.is_timestamp(kind):
        values = numbers_of(array.view(pa.int64())).view(f"datetime64[{kind.unit}]")
        fill = np.datetime64("NaT")
    else:
        values = numbers_of(array)
    if valid is not None:  # what lies beneath a null is undefined
        values = np.where(valid, values, np.array(fill, values.dtype))
    return values, valid


def numbers(array: pa.Array, dtype: str = "float64") -> np.ndarray:
    """A column of no text as floats (rows,), NaN where it is null; each number is rounded once.

    Bools are 0 and 1, dates days and timestamps seconds since 1970, categories codes (see
    `CategoryCodes`).
    """
    values, valid = column_values(array)
    if values.dtype.kind == "M":
        values = values.view(np.int64)
        if pa.types.is_timestamp(array.type):
            values = values / _TICKS_PER_SECOND[array.type.unit]
    floats = values.astype(dtype, copy=valid is not None)
    if valid is not None:
        floats[~valid] = np.nan
    return floats


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
    label_name: str | None,
    *,
    columns: Sequence[str] | None = None,
) -> pa.RecordBatch:
    """Rows of a matrix and its label as columns in the schema's order, or as `columns` says.

    `matrix` (rows, features) and `label` (rows,) may be None where none of theirs is asked for.
    Features have the matrix dtype, NaN is null; categories are categories again.
    """
    features = (name for name in schema.names if name != label_name)
    place = {name: i for i, name in enumerate(features)}
    names = schema.names if columns is None else columns
    arrays = []
    for name in names:
        column = schema[name]
        if name == label_name:
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


def nan_as_null(array: pa.Array) -> pa.Array:
    """Floats with null in the place of NaN."""
    import pyarrow.compute as pc  # 40 ms that a conversion need not spend

    return pc.if_else(pc.is_nan(array), pa.scalar(None, array.type), array)
