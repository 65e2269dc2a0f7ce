"""Reading the HDF5 file of a shard: nothing of it lies in another file, and no size is believed."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import h5py
import numpy as np
import pyarrow as pa

from bigdata_cli.arrays.columns import arrow_column, arrow_text, matrix_columns
from bigdata_cli.arrays.table import texts_of_fixed
from bigdata_cli.errors import VerificationError
from bigdata_cli.formats.base import StorageOptions
from bigdata_cli.formats.hdf5.encode import VOCABULARY, dataset_name, stored_dtype
from bigdata_cli.formats.matrix import feature_columns
from bigdata_cli.formats.row_ranges import clipped
from bigdata_cli.io.store import StoredFile
from bigdata_cli.types.dtype import VALIDITY_SUFFIX, Column, Kind, Schema

MAX_ATTRIBUTE_STRINGS = 4_000
"""An attribute holds 64 KB, and 16 bytes of a string are in it."""
DAMAGE = (OSError, RuntimeError, KeyError, TypeError, ValueError, OverflowError, MemoryError)
_READ_BYTES = 16 << 20
_TEXT_BYTES = 256
"""What a text of any length is taken for, where rows are read."""
_MAX_CHUNK_BYTES = 1 << 28
"""Of a row, or of a chunk, which HDF5 decompresses as a whole: ours have far less."""


def shown_name(column: Column) -> str:
    """The column's name as an attribute, which cannot hold NUL: then it is percent-encoded."""
    return dataset_name(column.name) if "\0" in column.name else column.name


def has_zone(column: Column) -> bool:
    return "UTC" in column.dtype


def unit_attributes(column: Column) -> dict[str, str]:
    """The attributes that say what the integers of a date or timestamp mean."""
    if column.kind is Kind.DATE:
        return {"unit": "days since 1970-01-01"}
    if column.kind is not Kind.TIMESTAMP:
        return {}
    unit = {"unit": "ns" if "ns" in column.dtype else "us"}
    return {**unit, "tz": "UTC"} if has_zone(column) else unit


@contextlib.contextmanager
def opened(path: StoredFile) -> Iterator[h5py.File]:
    """The file, open; whatever HDF5 cannot read is a VerificationError."""
    try:
        with open_file(path) as source:
            yield source
    except DAMAGE as error:
        raise damaged(path, str(error)) from error


def open_file(path: StoredFile, **options: Any) -> h5py.File:
    return h5py.File(path.local_path() or path.open(), "r", locking="best-effort", **options)


def damaged(path: StoredFile | str, what: str) -> VerificationError:
    return VerificationError(
        f"{path}: {what}",
        hint="the file is damaged: bigdata convert … --force writes the dataset again",
    )


def _dataset(group: h5py.Group, name: str) -> h5py.Dataset:
    """A dataset of the file itself; links, external storage and virtual datasets are refused."""
    path = group.file.filename
    link = group.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        what = "is not there" if link is None else "is a link"
        raise damaged(path, f'the dataset "{name}" {what}')
    dataset = group[name]
    if not isinstance(dataset, h5py.Dataset):
        raise damaged(path, f'"{name}" is not a dataset')
    if dataset.external or dataset.is_virtual:
        raise damaged(path, f'the dataset "{name}" lies in another file')
    sizes = (dataset.shape or (0,))[1:], dataset.chunks or ()
    if max(math.prod(size) for size in sizes) * dataset.dtype.itemsize > _MAX_CHUNK_BYTES:
        raise damaged(path, f'the dataset "{name}" has rows or chunks that are too large')
    return dataset


def _expected(
    source: h5py.File, name: str, dtype: np.dtype, shape: tuple[int, ...] = ()
) -> h5py.Dataset:
    """A dataset of rows of that dtype and shape."""
    dataset = _dataset(source, name)
    same = dataset.dtype == dtype and dataset.shape[1:] == shape and dataset.ndim == 1 + len(shape)
    if h5py.check_string_dtype(dtype) is not None:
        same = h5py.check_string_dtype(dataset.dtype) is not None and dataset.ndim == 1
    if not same:
        found = f"{dataset.dtype} {dataset.shape}"
        raise damaged(source.filename, f'the dataset "{name}" is {found}, and should be {dtype}')
    return dataset


def _datasets(source: h5py.File) -> list[h5py.Dataset]:
    return [_dataset(source, name) for name in source if name != VOCABULARY]


def file_rows(source: h5py.File) -> int:
    """The rows that the datasets of a file promise."""
    return equal_length(source, _datasets(source))


def count_file_rows(source: h5py.File) -> int:
    """The rows of a file: all its datasets are read to their ends, and have equal lengths."""
    datasets = _datasets(source)
    rows = equal_length(source, datasets)
    for dataset in datasets:
        for _ in _slices(source, [dataset], 65_536):
            pass
    return rows


def check_columns_file(source: h5py.File, schema: Schema) -> int:
    """The rows of a file of the layout columns, whose datasets are those of the schema."""
    datasets = []
    known = {VOCABULARY}
    for column in schema:
        name = dataset_name(column.name)
        known |= {name, name + VALIDITY_SUFFIX}
        datasets.append(_expected(source, name, _dtype(column)))
        shown = {} if name == column.name else {"name": shown_name(column)}
        _check_attributes(source, datasets[-1], {**unit_attributes(column), **shown})
        if column.kind is Kind.CATEGORY:
            _check_strings(source, datasets[-1], "vocabulary", name, column.vocabulary or ())
    _check_no_others(source, known)
    return equal_length(source, datasets)


def check_matrix_file(source: h5py.File, schema: Schema, options: StorageOptions) -> int:
    """The rows of a file of the layout matrix, whose datasets are those of the schema."""
    features = feature_columns(schema, options)
    matrix = _expected(source, "X", np.dtype(options.matrix_dtype), (len(features),))
    _check_strings(source, matrix, "columns", "%columns", [shown_name(c) for c in features])
    for column in features:
        if column.kind is Kind.CATEGORY:
            name = dataset_name(column.name)
            _check_strings(source, None, "vocabulary", name, column.vocabulary or ())
    datasets = [matrix]
    if options.label is not None:
        label = schema[options.label]
        datasets.append(_expected(source, "y", _dtype(label)))
        attributes = {**unit_attributes(label), "column": shown_name(label)}
        _check_attributes(source, datasets[-1], attributes)
        if label.kind is Kind.CATEGORY:
            name = dataset_name(label.name)
            _check_strings(source, datasets[-1], "vocabulary", name, label.vocabulary or ())
    _check_no_others(source, {"X", VOCABULARY, *(("y",) if options.label is not None else ())})
    return equal_length(source, datasets)


def _dtype(column: Column) -> np.dtype:
    return h5py.string_dtype() if column.kind is Kind.TEXT else stored_dtype(column)


def _check_no_others(source: h5py.File, known: set[str]) -> None:
    for name in source:
        if name not in known:
            raise damaged(source.filename, f'the dataset "{name}" is of no column')


def _check_attributes(
    source: h5py.File, dataset: h5py.Dataset, attributes: Mapping[str, str]
) -> None:
    for name, text in attributes.items():
        if dataset.attrs.get(name) != text:
            what = f'the attribute "{name}" of "{dataset.name[1:]}" is not "{text}"'
            raise damaged(source.filename, what)


def _check_strings(
    source: h5py.File,
    dataset: h5py.Dataset | None,
    attribute: str,
    name: str,
    expected: Sequence[str],
) -> None:
    """Strings are as expected, in an attribute of the dataset or under `_vocabulary/NAME`."""
    size = (len(expected),)
    found: list[str] = []
    if dataset is not None and attribute in dataset.attrs:
        if dataset.attrs.get_id(attribute).shape == size:
            found = dataset.attrs[attribute].tolist()
    else:
        group = source.get(VOCABULARY, getlink=True)
        if not isinstance(group, h5py.HardLink) or not isinstance(source[VOCABULARY], h5py.Group):
            raise damaged(source.filename, f'"{VOCABULARY}" is not there')
        stored = _dataset(source[VOCABULARY], name)
        if stored.shape == size:
            found = [value.decode() for value in stored[:]]
    if found != list(expected):
        raise damaged(source.filename, f'{attribute} of "{name}" are not those of the manifest')


def equal_length(source: h5py.File, datasets: Sequence[h5py.Dataset]) -> int:
    if not datasets:
        raise damaged(source.filename, "it has no datasets")
    lengths = {dataset.shape[0] if dataset.ndim else -1 for dataset in datasets}
    if len(lengths) != 1 or -1 in lengths:
        what = ", ".join(f"{dataset.name[1:]} {dataset.shape}" for dataset in datasets[:8])
        raise damaged(source.filename, f"its datasets differ in length: {what}")
    return lengths.pop()


def _slices(
    source: h5py.File,
    datasets: Sequence[h5py.Dataset],
    max_rows: int,
    rows: range | None = None,
) -> Iterator[list[np.ndarray]]:
    """Rows of datasets of equal length, side by side, a few megabytes at a time."""
    n_rows = equal_length(source, datasets)
    step = max_rows_at_once(datasets, max_rows)
    rows = clipped(rows, n_rows)
    for start in range(rows.start, rows.stop, step):
        yield [dataset[start : min(rows.stop, start + step)] for dataset in datasets]


def max_rows_at_once(datasets: Sequence[h5py.Dataset], max_rows: int) -> int:
    """How many rows of datasets are read at a time, at most so many."""
    row_bytes = sum(
        (_TEXT_BYTES if dataset.dtype.kind == "O" else dataset.dtype.itemsize)
        * int(np.prod(dataset.shape[1:]))
        for dataset in datasets
    )
    return max(1, min(max_rows, _READ_BYTES // max(1, row_bytes)))


def open_columns(
    source: h5py.File, columns: Sequence[Column]
) -> tuple[list[h5py.Dataset], dict[str, h5py.Dataset]]:
    """The datasets of columns, and the masks of those that have one, by their names."""
    values, masks = [], {}
    for column in columns:
        name = dataset_name(column.name)
        values.append(_expected(source, name, _dtype(column)))
        mask = name + VALIDITY_SUFFIX
        if source.get(mask, getlink=True) is not None:
            masks[column.name] = _expected(source, mask, np.dtype(bool))
    return values, masks


def read_columns(
    source: h5py.File,
    schema: Schema,
    names: Sequence[str],
    max_rows: int,
    rows: range | None = None,
) -> Iterator[pa.RecordBatch]:
    columns = [schema[name] for name in names]
    values, masks = open_columns(source, columns)
    for parts in _slices(source, [*values, *masks.values()], max_rows, rows):
        valid = dict(zip(masks, parts[len(columns) :], strict=True))
        arrays = [
            arrow_values(part, valid.get(column.name), column, source)
            for column, part in zip(columns, parts, strict=False)
        ]
        yield pa.RecordBatch.from_arrays(arrays, names=list(names))


def arrow_values(
    values: np.ndarray, valid: np.ndarray | None, column: Column, source: h5py.File
) -> pa.Array:
    if valid is not None:
        valid = valid.view(np.uint8) != 0
    try:
        if column.kind is not Kind.TEXT:
            return arrow_column(values, valid, column)
        if values.dtype.kind == "S":
            return arrow_text(*texts_of_fixed(values), valid, column)
        mask = None if valid is None else ~valid
        return pa.array(values, pa.large_binary(), mask=mask).cast(pa.string())
    except pa.ArrowInvalid as error:
        raise damaged(source.filename, f'column "{column.name}": {error}') from error
    except VerificationError as error:
        raise damaged(source.filename, error.message) from error


def open_matrix(
    source: h5py.File, schema: Schema, options: StorageOptions, names: Sequence[str]
) -> dict[str, h5py.Dataset]:
    """The datasets `X` and `y`, as far as a column of theirs is asked for."""
    datasets: dict[str, h5py.Dataset] = {}
    if any(name != options.label for name in names):
        n_features = len(feature_columns(schema, options))
        datasets["X"] = _expected(source, "X", np.dtype(options.matrix_dtype), (n_features,))
    if options.label is not None and options.label in names:
        datasets["y"] = _expected(source, "y", stored_dtype(schema[options.label]))
    return datasets


def matrix_slices(
    source: h5py.File,
    schema: Schema,
    options: StorageOptions,
    names: Sequence[str],
    max_rows: int,
    rows: range | None = None,
) -> Iterator[tuple[np.ndarray | None, np.ndarray | None]]:
    """Rows of `X` and of `y` as they are stored; None where no column of theirs is asked for."""
    datasets = open_matrix(source, schema, options, names)
    for parts in _slices(source, list(datasets.values()), max_rows, rows):
        by_name = dict(zip(datasets, parts, strict=True))
        yield by_name.get("X"), by_name.get("y")


def read_matrix(
    source: h5py.File,
    schema: Schema,
    options: StorageOptions,
    names: Sequence[str],
    max_rows: int,
    rows: range | None = None,
) -> Iterator[pa.RecordBatch]:
    for X, y in matrix_slices(source, schema, options, names, max_rows, rows):
        try:
            yield matrix_columns(X, y, schema, options.label, columns=list(names))
        except VerificationError as error:
            raise damaged(source.filename, error.message) from error
