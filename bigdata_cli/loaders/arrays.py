"""Arrow columns as NumPy arrays: category codes, masks, plain numbers."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from bigdata_cli.errors import UsageError, VerificationError
from bigdata_cli.types.buffers import array_of, booleans_of, numbers_of, text_array, validity_of
from bigdata_cli.types.dtype import VALIDITY_SUFFIX, Column, Schema, code_dtype
from bigdata_cli.types.vocabulary import global_codes


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
    """Return a column, a category as codes, as (values, validity), both (rows,).

    A null is 0 in numbers, False, NaN in floats, NaT in dates and timestamps, "" in text. Validity
    is bool, True where there is a value; None without nulls. Text is an object array of str;
    timestamps with a zone are UTC.
    """
    kind = array.type
    valid = validity_of(array)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        text = array if valid is None else array.fill_null("")
        return text.to_numpy(zero_copy_only=False), valid
    if pa.types.is_boolean(kind):
        return booleans_of(array if valid is None else array.fill_null(False)), valid
    if pa.types.is_date32(kind):
        values = numbers_of(array.view(pa.int32())).astype("datetime64[D]")
        return _with_fill(values, valid, np.datetime64("NaT")), valid
    if pa.types.is_timestamp(kind):
        values = numbers_of(array.view(pa.int64())).view(f"datetime64[{kind.unit}]")
        return _with_fill(values, valid, np.datetime64("NaT")), valid
    fill = np.nan if pa.types.is_floating(kind) else 0
    return _with_fill(numbers_of(array), valid, fill), valid


def _with_fill(values: np.ndarray, valid: np.ndarray | None, fill: object) -> np.ndarray:
    """Replace the values under nulls, which Arrow leaves undefined."""
    return values if valid is None else np.where(valid, values, np.array(fill, values.dtype))


def plain_numbers(array: pa.Array) -> tuple[np.ndarray, np.ndarray | None]:
    """Return a column as numbers of any dtype, 0 where it is null, and its validity: (rows,).

    Bools are 0 and 1, dates days and timestamps seconds since 1970, categories codes (see
    `CategoryCodes`).

    Raises:
        TypeError: The column is text.
    """
    kind = array.type
    if pa.types.is_date32(kind):
        values = numbers_of(array.view(pa.int32()))
    elif pa.types.is_timestamp(kind):
        values = numbers_of(array.view(pa.int64())) / {"us": 1e6, "ns": 1e9}[kind.unit]
    elif pa.types.is_boolean(kind):
        values = booleans_of(array)
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        values = numbers_of(array)
    else:
        raise TypeError(f"{kind} is not a number")
    valid = validity_of(array)
    return _with_fill(values, valid, 0), valid


def numbers(array: pa.Array) -> np.ndarray:
    """Return a column as float64 (rows,), NaN where it is null; see `plain_numbers`."""
    values, valid = plain_numbers(array)
    whole = values if valid is None else np.where(valid, values, np.nan)
    return whole.astype(np.float64, copy=False)


def check_mask_names(columns: Iterable[Column]) -> None:
    """Raise UsageError where the mask of a column would have the name of another column."""
    names = {column.name for column in columns}
    for name in sorted(names):
        if name + VALIDITY_SUFFIX in names:
            raise UsageError(
                f'the mask of column "{name}" would be "{name + VALIDITY_SUFFIX}", '
                "which is a column too",
                hint="read one of them at a time, with columns=[…]",
            )
