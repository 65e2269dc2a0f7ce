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

from bigdata_cli.errors import UsageError
from bigdata_cli.formats.arrays import (
    check_matrix,
    column_physical,
    matrix_change,
    matrix_kept_dtype,
    matrix_physical,
)
from bigdata_cli.formats.base import (
    Change,
    Format,
    ShardName,
    ShardWriter,
    StorageOptions,
    check_options,
    parse_compression,
    partial_path,
    rows_of_file,
)
from bigdata_cli.formats.deflate import FAST_LEVEL, zlib_stream
from bigdata_cli.formats.discardable import DiscardableFile
from bigdata_cli.formats.hdf5_encode import (
    MAX_TABLE_BYTES,
    VOCABULARY,
    EncodedRows,
    EncodedTable,
    Hdf5Encoder,
    dataset_name,
    nul_error,
    stored_dtype,
)
from bigdata_cli.formats.hdf5_read import (
    MAX_ATTRIBUTE_STRINGS,
    check_columns_file,
    check_matrix_file,
    count_file_rows,
    file_rows,
    has_zone,
    matrix_slices,
    opened,
    read_columns,
    read_matrix,
    shown_name,
    unit_attributes,
)
from bigdata_cli.formats.hdf5_rows import Hdf5Rows
from bigdata_cli.schema.dtype import VALIDITY_SUFFIX, Column, Kind, Schema


class Hdf5Format(Format):
    """`NAME-00000-of-00003.h5`; layouts columns and matrix."""

    name = "hdf5"
    layouts = ("columns", "matrix")
    compressions = ("none", "gzip")
    same_bytes = False

    def physical(self, column: Column, options: StorageOptions) -> str:
        """How a column is stored; equal strings mean equal values and attributes."""
        if options.layout == "matrix":
            stored = matrix_physical(column, options)
            return f"{stored} tz" if has_zone(column) and column.name == options.label else stored
        return f"{column_physical(column)} tz" if has_zone(column) else column_physical(column)

    def change(
        self, old: Column, new: Column, options: StorageOptions, *, has_values: bool
    ) -> Change:
        if options.layout == "matrix" and options.label != old.name:
            return matrix_change(old, new, options, has_values=has_values)
        return super().change(old, new, options, has_values=has_values)

    def kept_dtype(self, column: Column, options: StorageOptions) -> str:
        if options.layout == "matrix":
            return matrix_kept_dtype(column, options)
        return column.dtype

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
        rows: range | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """The rows of a shard; see `Format.read`. Links to other files are not followed."""
        names = schema.names if columns is None else tuple(columns)
        before = 0
        for file in files:
            with opened(folder / file) as source:
                part = rows_of_file(rows, before)
                if options.layout == "matrix":
                    yield from read_matrix(source, schema, options, names, max_rows, part)
                else:
                    yield from read_columns(source, schema, names, max_rows, part)
                before += file_rows(source) if len(files) > 1 else 0

    def block_rows(self, schema: Schema, options: StorageOptions) -> int:
        """Those of a compressed chunk; what is not compressed is read from anywhere."""
        if parse_compression(self, options)[0] == "none":
            return 1
        encoder = Hdf5Encoder(schema, options, compress=None)
        return encoder.matrix_rows if encoder.is_matrix else encoder.table_rows

    has_row_access = True

    def open_rows(
        self,
        folder: Path,
        files: Sequence[str],
        schema: Schema,
        options: StorageOptions,
        *,
        columns: Sequence[str],
    ) -> Hdf5Rows:
        return Hdf5Rows(folder, files, schema, options, columns)

    def read_matrix(
        self,
        folder: Path,
        files: Sequence[str],
        schema: Schema,
        options: StorageOptions,
        *,
        max_rows: int = 65_536,
        rows: range | None = None,
    ) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """The rows of a shard as they are stored; see `Format.read_matrix`."""
        before = 0
        for file in files:
            with opened(folder / file) as source:
                part = rows_of_file(rows, before)
                for X, y in matrix_slices(source, schema, options, schema.names, max_rows, part):
                    assert X is not None  # a matrix has a feature
                    yield X, y
                before += file_rows(source) if len(files) > 1 else 0

    def check_schema(
        self, folder: Path, files: Sequence[str], schema: Schema, options: StorageOptions
    ) -> int:
        rows = 0
        for file in files:
            with opened(folder / file) as source:
                if options.layout == "matrix":
                    rows += check_matrix_file(source, schema, options)
                else:
                    rows += check_columns_file(source, schema)
        return rows

    def count_rows(self, folder: Path, files: Sequence[str], options: StorageOptions) -> int:
        """The rows of a shard: all datasets are read to their ends, and have equal lengths."""
        total = 0
        for file in files:
            with opened(folder / file) as source:
                total += count_file_rows(source)
        return total


class Hdf5Writer(ShardWriter):
    """Writes one shard into one file."""

    def __init__(
        self, folder: Path, name: ShardName, schema: Schema, options: StorageOptions
    ) -> None:
        compression, level = parse_compression(Hdf5Format(), options)
        compress = zlib_stream(level) if compression == "gzip" else None
        self._level = None if compress is None else FAST_LEVEL if level is None else level
        self._compress = compress
        self._options = options
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
        self._write_strings(matrix, "columns", [shown_name(column) for column in features])
        for column in features:
            if column.kind is Kind.CATEGORY:
                self._write_vocabulary(column)
        if label is not None:
            dataset = self._create_column("y", label)
            dataset.attrs["column"] = shown_name(label)

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
            dataset.attrs["name"] = shown_name(column)
        for attribute, text in unit_attributes(column).items():
            dataset.attrs[attribute] = text
        if column.kind is Kind.CATEGORY:
            vocabulary = list(column.vocabulary or ())
            if len(vocabulary) > MAX_ATTRIBUTE_STRINGS:
                self._write_vocabulary(column)
            else:
                self._write_strings(dataset, "vocabulary", vocabulary)
        return dataset

    def _write_strings(self, dataset: h5py.Dataset, name: str, strings: list[str]) -> None:
        """Strings as an attribute, or as a dataset where they are too many for one."""
        values = np.array(strings, dtype=object)
        if len(strings) > MAX_ATTRIBUTE_STRINGS:
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

    def widen(self, schema: Schema) -> None:
        self._schema = schema
        self._encoder = Hdf5Encoder(schema, self._options, compress=self._compress)

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
