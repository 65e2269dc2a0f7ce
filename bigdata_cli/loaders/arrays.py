"""Arrow batches to NumPy: batches of equal size, category codes, masks, plain numbers.

Nothing here runs Python per row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bigdata_cli.errors import UsageError, VerificationError
from bigdata_cli.schema.dtype import VALIDITY_SUFFIX, Column, Schema, code_dtype
from bigdata_cli.schema.vocabulary import global_codes

Arrays = dict[str, np.ndarray]


def rebatch(
    batches: Iterable[pa.RecordBatch], batch_rows: int, *, drop_remainder: bool = False
) -> Iterator[pa.RecordBatch]:
    """The same rows in batches of exactly `batch_rows`; the last may be shorter.

    Holds one outgoing batch and one incoming one. Rows are copied only where a batch is put
    together from several.
    """
    held: list[pa.RecordBatch] = []
    n_held = 0
    for batch in batches:
        offset = 0
        while n_held + batch.num_rows - offset >= batch_rows:
            take = batch_rows - n_held
            held.append(batch.slice(offset, take))
            offset += take
            yield _joined(held)
            held, n_held = [], 0
        if offset < batch.num_rows:
            held.append(batch.slice(offset))
            n_held += batch.num_rows - offset
    if held and not drop_remainder:
        yield _joined(held)


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    if len(batches) == 1:
        return batches[0]
    table = pa.Table.from_batches(batches)
    joined = table.combine_chunks().to_batches()
    if len(joined) != 1:
        raise UsageError(
            f"a batch of {table.num_rows:,} rows has more than 2 GB of text in a column",
            hint="take a smaller batch size",
        )
    return joined[0]


class CategoryCodes:
    """Replaces the category columns of batches by codes of the dataset's vocabularies."""

    def __init__(self, schema: Schema) -> None:
        self._vocabularies = {
            column.name: column.vocabulary or () for column in schema if column.dtype == "category"
        }
        self._dictionaries = {
            name: pa.array(values, pa.string()) for name, values in self._vocabularies.items()
        }

    def apply(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch with each dictionary column as uint8/16/32 codes, null where it was null.

        Raises VerificationError where a value is not in the vocabulary.
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
        missing = None if array.null_count == 0 else np.asarray(array.is_null())
        return pa.array(codes, mask=missing)


def column_values(array: pa.Array) -> tuple[np.ndarray, np.ndarray | None]:
    """A column as (values, validity), both of shape (rows,) and writable.

    Floats have NaN and datetimes NaT where there is no value, and validity is None. All others
    have 0, False or "" there, and a bool mask, True where there is a value; None where every
    row has one. Text is an object array of str; timestamps are UTC where they have a zone.
    """
    if array.null_count and not _shows_nulls(array.type):
        valid = np.array(array.is_valid().to_numpy(zero_copy_only=False))
        array = array.fill_null(_beneath_null(array.type))
    else:
        valid = None
    values = array.to_numpy(zero_copy_only=False)
    return np.array(values) if not values.flags.writeable else values, valid


def _shows_nulls(kind: pa.DataType) -> bool:
    return pa.types.is_floating(kind) or pa.types.is_temporal(kind)


def _beneath_null(kind: pa.DataType) -> str | bool | int:
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return ""
    return False if pa.types.is_boolean(kind) else 0


def numpy_batch(batch: pa.RecordBatch) -> Arrays:
    """A batch as arrays by column, with "COL.valid" beside a column that has a mask."""
    arrays: Arrays = {}
    for name, array in zip(batch.schema.names, batch.columns, strict=True):
        values, valid = column_values(array)
        arrays[name] = values
        if valid is not None:
            arrays[name + VALIDITY_SUFFIX] = valid
    return arrays


def numbers(array: pa.Array) -> np.ndarray:
    """A column as float64 (rows,), NaN where it has no value.

    Bools are 0 and 1, dates days and timestamps seconds since 1970, categories codes (see
    `CategoryCodes`). Text cannot be a number: TypeError.
    """
    kind = array.type
    per_unit = 1.0
    if pa.types.is_date32(kind):
        array = array.cast(pa.int32())
    elif pa.types.is_timestamp(kind):
        per_unit = {"us": 1e6, "ns": 1e9}[kind.unit]
        array = array.cast(pa.timestamp(kind.unit)).cast(pa.int64())
    elif pa.types.is_boolean(kind):
        array = array.cast(pa.uint8())
    elif not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise TypeError(f"{kind} is not a number")
    missing = None
    if array.null_count:
        missing = array.is_null().to_numpy(zero_copy_only=False)
        array = pc.fill_null(array, 0)
    values = array.to_numpy(zero_copy_only=False).astype(np.float64)
    if per_unit != 1.0:
        values /= per_unit
    if missing is not None:
        values[missing] = np.nan
    return values


def check_mask_names(columns: Iterable[Column]) -> None:
    """Raise UsageError where the mask of a column would have the name of another column."""
    names = {column.name for column in columns}
    for name in sorted(names):
        if name + VALIDITY_SUFFIX in names:
            raise UsageError(
                f'the mask of column "{name}" would be "{name + VALIDITY_SUFFIX}", '
                "which is a column too",
                hint="read them apart, with columns=[…]",
            )
