"""HDF5: a dataset per column, or a feature matrix `X` and a label `y`, at the root of a file.

columns: numbers and bools as they are; dates as int32 days and timestamps as int64, with the
attribute `unit` (and `tz`); categories as codes, with the attribute `vocabulary` (the dataset
`_vocabulary/COL` where an attribute cannot hold it); text of variable length, UTF-8. `COL.valid`
tells which rows have a value, where the file has nulls among them; beneath a null lies 0, NaN or
"". Compression is for numbers: HDF5 keeps the text itself outside of the chunks.

matrix: `X` (rows, features) with the attribute `columns` (the dataset `_vocabulary/%columns` where
an attribute cannot hold them), `y` (rows,) with the attribute `column`; the vocabulary of a
category among the features is `_vocabulary/COL`.

HDF5 takes a slash for a group, so that a column's name with a slash or a NUL character, and ".",
"" and "_vocabulary", are percent-encoded (`fare/total` is `fare%2Ftotal`, and "" is `%`), and so is
the percent sign; the attribute `name` has the name itself.

Numbers are put into chunks, shuffled and compressed by `encode`, in any thread, and written as they
are by `append`. h5py itself runs one call at a time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
from h5py._objects import phil

from bigdata_cli.errors import UsageError, VerificationError
from bigdata_cli.formats.arrays import (
    arrow_column,
    check_matrix,
    column_physical,
    matrix_columns,
    matrix_physical,
)
from bigdata_cli.formats.base import (
    Format,
    ShardName,
    ShardWriter,
    StorageOptions,
    check_options,
    feature_columns,
    parse_compression,
    partial_path,
)
from bigdata_cli.formats.deflate import FAST_LEVEL, zlib_stream
from bigdata_cli.formats.discardable import DiscardableFile
from bigdata_cli.formats.hdf5_encode import (
    MAX_TABLE_BYTES,
    TEXT_BYTES,
    VOCABULARY,
    EncodedRows,
    EncodedTable,
    Hdf5Encoder,
    dataset_name,
    nul_error,
    stored_dtype,
)
from bigdata_cli.schema.dtype import VALIDITY_SUFFIX, Column, Kind, Schema

_MAX_ATTRIBUTE_STRINGS = 4_000
"""An attribute holds 64 KB, and 16 bytes of a string are in it."""
_READ_BYTES = 16 << 20


class Hdf5Format(Format):
    """`NAME-00000-of-00003.h5`; layouts columns and matrix."""

    name = "hdf5"
    layouts = ("columns", "matrix")
    compressions = ("none", "gzip")

    def physical(self, column: Column, options: StorageOptions) -> str:
        """How a column is stored; equal strings mean equal values and attributes."""
        if options.layout == "matrix":
            stored = matrix_physical(column, options)
            return f"{stored} tz" if _has_zone(column) and column.name == options.label else stored
        return f"{column_physical(column)} tz" if _has_zone(column) else column_physical(column)

    def check(self, schema: Schema, options: StorageOptions) -> None:
        """Raise UsageError where HDF5 or the layout cannot hold the schema, DataError for NUL."""
        check_options(self, schema, options)
        compression, level = parse_compression(self, options)
        if level is not None and not (compression == "gzip" and level <= 9):
            raise UsageError(
                f"--compression {options.compression} has a level that {compression} does not know",
                hint="--compression gzip:4, of 0 to 9, or --compression none",
            )
        if options.layout == "matrix":
            check_matrix(schema, options)
        else:
            for column in schema:
                if column.name + VALIDITY_SUFFIX in schema.names:
                    mask = column.name + VALIDITY_SUFFIX
                    raise UsageError(
                        f'the column "{mask}" has the name of the validity of "{column.name}"',
                        hint=f"--drop '{mask}', or --to parquet",
                    )
        for column in schema:
            if any("\0" in value for value in column.vocabulary or ()):
                raise nul_error(column)

    def writer(
        self, folder: Path, name: ShardName, schema: Schema, options: StorageOptions
    ) -> ShardWriter:
        """A writer of one shard, one file."""
        return Hdf5Writer(folder, name, schema, options)

    def read(
        self,
        folder: Path,
        files: Sequence[str],
        schema: Schema,
        options: StorageOptions,
        *,
        columns: Sequence[str] | None = None,
        max_rows: int = 65_536,
    ) -> Iterator[pa.RecordBatch]:
        """The rows of a shard; see `Format.read`. Links to other files are not followed."""
        names = schema.names if columns is None else tuple(columns)
        for file in files:
            with _opened(folder / file) as source:
                if options.layout == "matrix":
                    yield from _read_matrix(source, schema, options, names, max_rows)
                else:
                    yield from _read_columns(source, schema, names, max_rows)

    def count_rows(self, folder: Path, files: Sequence[str], options: StorageOptions) -> int:
        """The rows of a shard: all datasets are read to their ends, and have equal lengths."""
        total = 0
        for file in files:
            with _opened(folder / file) as source:
                names = [name for name in source if name != VOCABULARY]
                datasets = [_dataset(source, name) for name in names]
                total += _equal_length(source, datasets)
                for dataset in datasets:
                    for _ in _slices(source, [dataset], 65_536):
                        pass
        return total


def _shown_name(column: Column) -> str:
    """The column's name as an attribute, which cannot hold NUL: then it is percent-encoded."""
    return dataset_name(column.name) if "\0" in column.name else column.name


def _has_zone(column: Column) -> bool:
    return "UTC" in column.dtype


# Writing.


class Hdf5Writer(ShardWriter):
    """Writes one shard into one file."""

    def __init__(
        self, folder: Path, name: ShardName, schema: Schema, options: StorageOptions
    ) -> None:
        compression, level = parse_compression(Hdf5Format(), options)
        compress = zlib_stream(level) if compression == "gzip" else None
        self._level = None if compress is None else FAST_LEVEL if level is None else level
        self._schema = schema
        self._matrix_dtype = np.dtype(options.matrix_dtype)
        self._encoder = Hdf5Encoder(schema, options, compress=compress)
        self._table_rows = self._encoder.table_rows
        self.batch_rows = self._table_rows
        self.batch_bytes = MAX_TABLE_BYTES
        self.pads_tables = True  # chunks are stored whole
        self._n_rows = 0
        self._name = name.file("h5")
        self._path = partial_path(folder / self._name)
        self._stream = DiscardableFile(self._path)
        self._file = h5py.File(self._stream, "w", track_order=True)
        self._datasets: dict[str, h5py.Dataset] = {}
        self._created = False

    def _create_datasets(self, n_rows: int) -> None:
        """Create the datasets, when the first `n_rows` rows are there.

        A file of few rows gets chunks of no more than these, as a chunk is stored whole.
        """
        self._created = True
        self._chunk_rows = max(1, min(self._table_rows, n_rows))
        if not self._encoder.is_matrix:
            for column in self._schema:
                self._create_column(dataset_name(column.name), column)
            return
        features, label = self._encoder.features, self._encoder.label
        rows = min(self._encoder.matrix_rows, self._chunk_rows)
        matrix = self._create("X", self._matrix_dtype, (rows, len(features)))
        self._write_strings(matrix, "columns", [_shown_name(column) for column in features])
        for column in features:
            if column.kind is Kind.CATEGORY:
                self._write_vocabulary(column)
        if label is not None:
            dataset = self._create_column("y", label)
            dataset.attrs["column"] = _shown_name(label)

    def _create(
        self, name: str, dtype: np.dtype, chunk: tuple[int, ...], *, fill: object = None
    ) -> h5py.Dataset:
        """An empty dataset that grows by rows."""
        is_text = h5py.check_string_dtype(dtype) is not None
        gzip = self._level is not None and not is_text
        dataset = self._file.create_dataset(
            name,
            shape=(0, *chunk[1:]),
            maxshape=(None, *chunk[1:]),
            dtype=dtype,
            chunks=chunk,
            shuffle=gzip,
            compression="gzip" if gzip else None,
            compression_opts=self._level if gzip else None,
            fillvalue=fill,
        )
        self._datasets[name] = dataset
        return dataset

    def _create_column(self, name: str, column: Column) -> h5py.Dataset:
        """The dataset of a column (or of the label), with its attributes."""
        is_text = column.kind is Kind.TEXT
        dtype = h5py.string_dtype() if is_text else stored_dtype(column)
        dataset = self._create(name, dtype, (self._chunk_rows,))
        if name != column.name and not self._encoder.is_matrix:
            dataset.attrs["name"] = _shown_name(column)
        if column.kind is Kind.DATE:
            dataset.attrs["unit"] = "days since 1970-01-01"
        if column.kind is Kind.TIMESTAMP:
            dataset.attrs["unit"] = "ns" if "ns" in column.dtype else "us"
            if _has_zone(column):
                dataset.attrs["tz"] = "UTC"
        if column.kind is Kind.CATEGORY:
            vocabulary = list(column.vocabulary or ())
            if len(vocabulary) > _MAX_ATTRIBUTE_STRINGS:
                self._write_vocabulary(column)
            else:
                self._write_strings(dataset, "vocabulary", vocabulary)
        return dataset

    def _write_strings(self, dataset: h5py.Dataset, name: str, strings: list[str]) -> None:
        """Strings as an attribute, or as a dataset where they are too many for one."""
        values = np.array(strings, dtype=object)
        if len(strings) > _MAX_ATTRIBUTE_STRINGS:
            # No column's dataset has this name, as a percent sign is "%25".
            path = f"{VOCABULARY}/%{name}"
            self._file.create_dataset(path, data=values, dtype=h5py.string_dtype())
        else:
            dataset.attrs.create(name, values, dtype=h5py.string_dtype())

    def _write_vocabulary(self, column: Column) -> None:
        path = f"{VOCABULARY}/{dataset_name(column.name)}"
        values = np.array(column.vocabulary or (), dtype=object)
        self._file.create_dataset(path, data=values, dtype=h5py.string_dtype())

    def encode(self, table: pa.Table) -> EncodedTable:
        """The rows of a table as chunks; see `Hdf5Encoder.encode`."""
        return self._encoder.encode(table)

    def append(self, encoded: EncodedTable) -> None:
        """Write the rows of one table."""
        if encoded.n_rows == 0:
            return
        if not self._created:
            self._create_datasets(encoded.n_rows)
        end = self._n_rows + encoded.n_rows
        for name in encoded.masks:
            if name not in self._datasets:
                # Where nothing is written, the rows before and after are valid.
                self._create(name, np.dtype(bool), (self._chunk_rows,), fill=True)
        for name, rows in (*encoded.datasets.items(), *encoded.masks.items()):
            dataset = self._datasets[name]
            dataset.id.set_extent((end, *rows.values.shape[1:]))
            self._write(dataset, rows)
        self._n_rows = end

    def _write(self, dataset: h5py.Dataset, rows: EncodedRows) -> None:
        """Write full chunks as they are, and the rest, or what is not aligned, through HDF5."""
        at = self._n_rows
        aligned = rows.chunk_rows == dataset.chunks[0] and at % rows.chunk_rows == 0
        written = 0
        if aligned:
            zeros = (0,) * (dataset.ndim - 1)
            for k, chunk in enumerate(rows.chunks):
                # h5py before 3.16 takes its global lock for every call but this one.
                with phil:
                    dataset.id.write_direct_chunk((at + k * rows.chunk_rows, *zeros), chunk)
            written = len(rows.chunks) * rows.chunk_rows
        if written < len(rows.values):
            dataset[at + written :] = rows.values[written:]

    def close(self) -> tuple[str, ...]:
        """Finish the file; returns its final name."""
        if not self._created:
            self._create_datasets(self._table_rows)
        for dataset in self._datasets.values():
            dataset.resize(self._n_rows, axis=0)
        self._file.close()
        self._stream.close()
        return (self._name,)

    def abort(self) -> None:
        """Close and remove the file."""
        self._stream.discard()
        # What could not be flushed does not matter any more.
        with contextlib.suppress(OSError, RuntimeError, ValueError):
            self._file.close()
        self._stream.close()
        self._path.unlink(missing_ok=True)


# Reading.


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    """The file, open; whatever HDF5 cannot read is a VerificationError."""
    try:
        with h5py.File(path, "r", locking="best-effort") as source:
            yield source
    except (OSError, RuntimeError, KeyError, TypeError, ValueError) as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Path | str, what: str) -> VerificationError:
    return VerificationError(
        f"{path}: {what}",
        hint="the file is damaged: bigdata convert … --force writes the dataset again",
    )


def _dataset(source: h5py.File, name: str) -> h5py.Dataset:
    """A dataset of the file itself; links, external storage and virtual datasets are refused."""
    if not isinstance(source.get(name, getlink=True), h5py.HardLink):
        present = source.get(name, getlink=True) is not None
        what = "is a link" if present else "is not there"
        raise _damaged(source.filename, f'the dataset "{name}" {what}')
    dataset = source[name]
    if not isinstance(dataset, h5py.Dataset):
        raise _damaged(source.filename, f'"{name}" is not a dataset')
    if dataset.external or dataset.is_virtual:
        raise _damaged(source.filename, f'the dataset "{name}" lies in another file')
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
        raise _damaged(source.filename, f'the dataset "{name}" is {found}, and should be {dtype}')
    return dataset


def _equal_length(source: h5py.File, datasets: Sequence[h5py.Dataset]) -> int:
    if not datasets:
        raise _damaged(source.filename, "it has no datasets")
    lengths = {dataset.shape[0] if dataset.ndim else -1 for dataset in datasets}
    if len(lengths) != 1 or -1 in lengths:
        what = ", ".join(f"{dataset.name[1:]} {dataset.shape}" for dataset in datasets[:8])
        raise _damaged(source.filename, f"its datasets differ in length: {what}")
    return lengths.pop()


def _slices(
    source: h5py.File, datasets: Sequence[h5py.Dataset], max_rows: int
) -> Iterator[list[np.ndarray]]:
    """The rows of datasets of equal length, side by side, a few megabytes at a time."""
    n_rows = _equal_length(source, datasets)
    row_bytes = sum(
        (TEXT_BYTES if dataset.dtype.kind == "O" else dataset.dtype.itemsize)
        * int(np.prod(dataset.shape[1:]))
        for dataset in datasets
    )
    step = max(1, min(max_rows, _READ_BYTES // max(1, row_bytes)))
    for start in range(0, n_rows, step):
        yield [dataset[start : min(n_rows, start + step)] for dataset in datasets]


def _read_columns(
    source: h5py.File, schema: Schema, names: Sequence[str], max_rows: int
) -> Iterator[pa.RecordBatch]:
    columns = [schema[name] for name in names]
    datasets: list[h5py.Dataset] = []
    masks: dict[str, int] = {}
    for column in columns:
        name = dataset_name(column.name)
        is_text = column.kind is Kind.TEXT
        dtype = h5py.string_dtype() if is_text else stored_dtype(column)
        datasets.append(_expected(source, name, dtype))
        if source.get(name + VALIDITY_SUFFIX, getlink=True) is not None:
            masks[column.name] = len(columns) + len(masks)
    for name in masks:
        mask = dataset_name(name) + VALIDITY_SUFFIX
        datasets.append(_expected(source, mask, np.dtype(bool)))
    for parts in _slices(source, datasets, max_rows):
        arrays = []
        for column, values in zip(columns, parts[: len(columns)], strict=True):
            valid = parts[masks[column.name]] if column.name in masks else None
            arrays.append(_arrow(values, valid, column, source))
        yield pa.RecordBatch.from_arrays(arrays, names=list(names))


def _arrow(
    values: np.ndarray, valid: np.ndarray | None, column: Column, source: h5py.File
) -> pa.Array:
    if valid is not None:
        valid = valid.view(np.uint8) != 0
    try:
        if column.kind is not Kind.TEXT:
            return arrow_column(values, valid, column)
        mask = None if valid is None else ~valid
        return pa.array(values, pa.large_binary(), mask=mask).cast(pa.string())
    except pa.ArrowInvalid as error:
        raise _damaged(source.filename, f'column "{column.name}": {error}') from error
    except VerificationError as error:
        raise _damaged(source.filename, error.message) from error


def _read_matrix(
    source: h5py.File,
    schema: Schema,
    options: StorageOptions,
    names: Sequence[str],
    max_rows: int,
) -> Iterator[pa.RecordBatch]:
    features = feature_columns(schema, options)
    datasets: dict[str, h5py.Dataset] = {}
    if any(name != options.label for name in names):
        dtype = np.dtype(options.matrix_dtype)
        datasets["X"] = _expected(source, "X", dtype, (len(features),))
    if options.label is not None and options.label in names:
        datasets["y"] = _expected(source, "y", stored_dtype(schema[options.label]))
    for parts in _slices(source, list(datasets.values()), max_rows):
        by_name = dict(zip(datasets, parts, strict=True))
        try:
            yield matrix_columns(
                by_name.get("X"), by_name.get("y"), schema, options, columns=list(names)
            )
        except VerificationError as error:
            raise _damaged(source.filename, error.message) from error
