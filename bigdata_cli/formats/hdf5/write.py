"""Writing the HDF5 file of a shard."""

from __future__ import annotations

import contextlib
from functools import cache

import h5py
import numpy as np
import pyarrow as pa
from h5py import h5t

from bigdata_cli.checksum import FileEntry, entry_of_source
from bigdata_cli.formats.base import ShardName, ShardWriter, StorageOptions
from bigdata_cli.formats.deflate import FAST_LEVEL, zlib_stream
from bigdata_cli.formats.hdf5.dataset import (
    Deflate,
    RowsDataset,
    TextDataset,
    new_file,
    put_in_order,
)
from bigdata_cli.formats.hdf5.encode import (
    MAX_TABLE_BYTES,
    VOCABULARY,
    EncodedTable,
    EncodedText,
    Hdf5Encoder,
    dataset_name,
    stored_dtype,
)
from bigdata_cli.formats.hdf5.read import MAX_ATTRIBUTE_STRINGS, shown_name, unit_attributes
from bigdata_cli.io.discardable import DiscardableFile
from bigdata_cli.io.store import Store, partial_name
from bigdata_cli.resources.stages import stage
from bigdata_cli.types.dtype import Column, Kind, Schema

_MAX_KEPT_OPEN = 256
"""Datasets that stay open; of more each is opened for each table."""


@cache
def _number_type(dtype: np.dtype) -> h5t.TypeID:
    return h5t.py_create(dtype, logical=True)


class Hdf5Writer(ShardWriter):
    """Writes one shard into one file.

    The first table is held until the next one comes: the datasets of a shard of one table have
    its rows, and need no chunks where they are not compressed.
    """

    def __init__(
        self,
        store: Store,
        name: ShardName,
        schema: Schema,
        options: StorageOptions,
        *,
        gzip: bool,
        level: int | None,
    ) -> None:
        compress = zlib_stream(level) if gzip else None
        self._deflate = (
            None if compress is None else Deflate(compress, FAST_LEVEL if level is None else level)
        )
        self._schema, self._options, self._compress = schema, options, compress
        self._matrix_dtype = np.dtype(options.matrix_dtype)
        self._encoder = Hdf5Encoder(schema, options, compress=compress)
        self._table_rows = self._encoder.table_rows
        self.batch_rows = self._table_rows
        self.batch_bytes = MAX_TABLE_BYTES
        self.pads_tables = True  # chunks are stored whole
        self._n_rows = 0
        self._name = name.file("h5")
        self._store, self._partial = store, partial_name(self._name)
        self._stream = DiscardableFile(store.create_path(self._partial))
        self._file = new_file(self._stream)
        self._datasets: dict[str, RowsDataset | TextDataset] = {}
        self._masks: dict[str, RowsDataset] = {}
        self._widths: dict[str, int] = {}
        self._held: EncodedTable | None = None
        self._chunk_rows: int | None = None
        self._is_out_of_order = False

    def _create_datasets(self, first: EncodedTable | None, *, is_last: bool) -> None:
        """Create the datasets; first: the first table, None where there are no rows at all.

        is_last: there are no other rows. A file of few rows gets chunks of no more than these, as
        a chunk is stored whole.
        """
        n_rows = self._table_rows if first is None else first.n_rows
        exact_rows = n_rows if is_last and first is not None else 0
        self._chunk_rows = None if exact_rows else max(1, min(self._table_rows, n_rows))
        if not self._encoder.is_matrix:
            for column in self._schema:
                name = dataset_name(column.name)
                if column.kind is Kind.TEXT:
                    text = TextDataset(
                        self._file, name, chunk_rows=self._chunk_rows, deflate=self._deflate
                    )
                    encoded = None if first is None else first.datasets[name]
                    text.create(
                        encoded.width if isinstance(encoded, EncodedText) else 1, exact_rows
                    )
                    self._datasets[name] = text
                    self._describe(column, name, text.dataset)
                else:
                    self._create_column(name, column, exact_rows)
                self._release_beyond(self._datasets[name])
            return
        features, label = self._encoder.features, self._encoder.label
        rows = None
        if self._chunk_rows is not None:
            rows = min(self._encoder.matrix_rows, self._chunk_rows)
        elif self._deflate is not None and exact_rows > self._encoder.matrix_rows:
            rows = self._encoder.matrix_rows
        matrix = self._datasets["X"] = RowsDataset(
            self._file,
            "X",
            _number_type(self._matrix_dtype),
            (len(features),),
            chunk_rows=rows,
            n_rows=exact_rows,
            deflate=self._deflate,
        )
        names = [shown_name(column) for column in features]
        self._write_strings(matrix.dataset, "columns", names)
        for column in features:
            if column.kind is Kind.CATEGORY:
                self._write_vocabulary(column)
        if label is not None:
            self._create_column("y", label, exact_rows)
            self._datasets["y"].dataset.attrs["column"] = shown_name(label)

    def _release_beyond(self, created: RowsDataset | TextDataset) -> None:
        """Keep a dataset open while there are few."""
        if len(self._datasets) + len(self._masks) > _MAX_KEPT_OPEN:
            created.release()

    def _create_column(self, name: str, column: Column, n_rows: int) -> None:
        """The dataset of a column that is no text, or of the label, with its attributes."""
        made = self._datasets[name] = RowsDataset(
            self._file,
            name,
            _number_type(stored_dtype(column)),
            chunk_rows=self._chunk_rows,
            n_rows=n_rows,
            deflate=self._deflate,
        )
        if name != column.name or column.kind in (Kind.DATE, Kind.TIMESTAMP, Kind.CATEGORY):
            self._describe(column, name, made.dataset)

    def _describe(self, column: Column, name: str, dataset: h5py.Dataset) -> None:
        """Write the attributes of a column."""
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
        """The rows of a table as chunks; see `Hdf5Encoder.encode`.

        How wide text is by now saves work in `append`, and changes nothing in the file.
        """
        return self._encoder.encode(table, self._widths)

    def append(self, encoded: EncodedTable) -> None:
        """Write the rows of one table."""
        if encoded.n_rows == 0:
            return
        if not self._datasets:
            if self._held is None:
                self._held = encoded
                return
            self._create_datasets(self._held, is_last=False)
            held, self._held = self._held, None
            self._write(held)
        self._write(encoded)

    def _write(self, encoded: EncodedTable) -> None:
        for name in encoded.masks:
            if name not in self._masks:
                # Where nothing is written, the rows before and after are valid.
                self._masks[name] = RowsDataset(
                    self._file,
                    name,
                    _number_type(np.dtype(bool)),
                    chunk_rows=self._chunk_rows,
                    n_rows=0 if self._chunk_rows else encoded.n_rows,
                    deflate=self._deflate,
                    fill=np.array(True),
                )
                self._release_beyond(self._masks[name])
        for name, rows in encoded.datasets.items():
            dataset = self._datasets[name]
            if isinstance(rows, EncodedText):
                assert isinstance(dataset, TextDataset)
                if dataset.append(rows):
                    self._is_out_of_order = True
                    column = next(c for c in self._schema if dataset_name(c.name) == name)
                    self._describe(column, name, dataset.dataset)
                self._widths[name] = dataset.width
            else:
                assert isinstance(dataset, RowsDataset)
                dataset.append(rows)
        for name, rows in encoded.masks.items():
            mask = self._masks[name]
            mask.fill_up_to(self._n_rows)
            mask.append(rows)
        self._n_rows += encoded.n_rows

    def widen(self, schema: Schema) -> None:
        self._schema = schema
        self._encoder = Hdf5Encoder(schema, self._options, compress=self._compress)

    def close(self) -> tuple[FileEntry, ...]:
        """Finish the file."""
        if not self._datasets:
            held, self._held = self._held, None
            self._create_datasets(held, is_last=True)
            if held is not None:
                self._write(held)
        for mask in self._masks.values():
            mask.fill_up_to(self._n_rows)
        for dataset in (*self._datasets.values(), *self._masks.values()):
            dataset.close()
        if self._is_out_of_order:
            put_in_order(self._file, [*self._datasets, *self._masks])
        self._datasets.clear()
        self._masks.clear()
        self._file.close()
        self._stream.close()
        self._store.adopt(self._partial)
        with stage("hash"), self._store.open(self._partial) as file:  # HDF5 writes here and there
            return (entry_of_source(file, self._name),)

    def abort(self) -> None:
        """Close and remove the file."""
        self._held = None
        self._stream.discard()
        # What could not be flushed does not matter any more.
        with contextlib.suppress(OSError, RuntimeError, ValueError):
            self._file.close()
        self._stream.close()
        self._store.remove([self._partial])
