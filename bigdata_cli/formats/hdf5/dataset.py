"""Datasets of an HDF5 file while it is written, by h5py's low-level calls.

h5py runs one call at a time, and its high-level calls take ten times as long as they must; with
thousands of columns that is all the time there is.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache

import h5py
import numpy as np
from h5py import h5d, h5f, h5fd, h5o, h5p, h5s, h5t
from h5py._objects import phil

from bigdata_cli.formats.deflate import Compress
from bigdata_cli.formats.hdf5.encode import LONG, EncodedRows, EncodedText, shuffled
from bigdata_cli.io.discardable import DiscardableFile

_CHUNKS_AT_ONCE = 16
"""A dataset grows by so many chunks, as each time takes as long as to write one."""


class Deflate:
    """How chunks are compressed: `compress` makes a zlib stream, `level` is what HDF5 records."""

    def __init__(self, compress: Compress, level: int) -> None:
        self.compress = compress
        self.level = level


def text_type(width: int) -> h5t.TypeID:
    """UTF-8 of `width` bytes, ended by NULs where it is shorter; of any length where LONG."""
    made = h5t.C_S1.copy()
    made.set_cset(h5t.CSET_UTF8)
    if width == LONG:
        made.set_size(h5t.VARIABLE)
    else:
        made.set_size(width)
        made.set_strpad(h5t.STR_NULLPAD)
    return made


class RowsDataset:
    """A dataset of rows, appended chunk by chunk.

    chunk_rows: rows of a chunk, or None where the dataset has `n_rows` rows, which are written by
    one append. fill: of rows that are never written. `close` ends it.
    """

    def __init__(
        self,
        file: h5py.File,
        name: str,
        dtype: h5t.TypeID,
        row_shape: tuple[int, ...] = (),
        *,
        chunk_rows: int | None,
        n_rows: int = 0,
        deflate: Deflate | None = None,
        fill: np.ndarray | None = None,
    ) -> None:
        self.name = name
        self.rows = 0
        self._file = file
        self.row_shape = row_shape
        self._type = dtype
        self._is_text = dtype.get_class() == h5t.STRING
        self._deflate = deflate
        self._is_whole = is_whole = chunk_rows is None
        self._chunk_rows = max(1, n_rows) if chunk_rows is None else chunk_rows
        self._is_chunked = not is_whole or (deflate is not None and n_rows > 0)
        creation = _creation(
            (self._chunk_rows, *row_shape) if self._is_chunked else None,
            None if deflate is None or not self._is_chunked else deflate.level,
            None if fill is None else fill.item(),
            is_shuffled=not self._is_text,  # the bytes of a text are alike one after the other
        )
        self._extent = n_rows if is_whole else 0
        space = _space((self._extent, *row_shape), can_grow=not is_whole)
        made = h5d.create(file.id, None, dtype, space, creation)
        h5o.link(made, file.id, name.encode(), lcpl=_link_properties(name.isascii()))
        self._kept: h5d.DatasetID | None = made

    def release(self) -> None:
        """Have it open only while it is used from now on.

        That takes no longer. An open dataset has 22 kB of memory, and partial chunks beside that.
        """
        self._kept = None

    def open(self) -> h5d.DatasetID:
        """The dataset, open as long as it is referred to."""
        return h5d.open(self._file.id, self.name.encode()) if self._kept is None else self._kept

    @property
    def dataset(self) -> h5py.Dataset:
        return h5py.Dataset(self.open())

    def append(self, rows: EncodedRows) -> None:
        """Append rows, full chunks as they are, what is not aligned through HDF5."""
        opened = self.open()
        at, values = self.rows, rows.values
        self.set_rows(opened, at + len(values))
        if not self._is_chunked:
            if len(values):
                opened.write(h5s.ALL, h5s.ALL, values, self._type)
            return
        done = 0
        if at % self._chunk_rows == 0:
            chunks = rows.chunks if rows.chunk_rows == self._chunk_rows else ()
            for chunk in chunks:
                self._write_chunk(opened, at + done, chunk)
                done += self._chunk_rows
            while done < len(values):
                chunk = self._as_chunk(values[done : done + self._chunk_rows])
                self._write_chunk(opened, at + done, chunk)
                done = min(len(values), done + self._chunk_rows)
        if done < len(values):
            self._write_slowly(opened, at + done, values[done:])

    def fill_up_to(self, rows: int) -> None:
        """Have so many rows; those that were not written are of the fill value."""
        if rows > self.rows:
            self.set_rows(self.open(), rows)

    def set_rows(self, opened: h5d.DatasetID, rows: int) -> None:
        """Have so many rows, or more until it is closed."""
        self.rows = rows
        if rows > self._extent and not self._is_whole:
            step = _CHUNKS_AT_ONCE * self._chunk_rows
            self._set_extent(opened, -(-rows // step) * step)

    def _set_extent(self, opened: h5d.DatasetID, rows: int) -> None:
        opened.set_extent((rows, *self.row_shape))
        self._extent = rows

    def close(self) -> None:
        """Have as many rows as were appended."""
        if self._extent != self.rows and not self._is_whole:
            self._set_extent(self.open(), self.rows)
        self._kept = None

    def _write_chunk(self, opened: h5d.DatasetID, row: int, chunk: bytes | np.ndarray) -> None:
        # h5py before 3.16 takes its global lock for every call but this one.
        with phil:
            opened.write_direct_chunk((row, *(0,) * len(self.row_shape)), chunk)

    def _as_chunk(self, values: np.ndarray) -> bytes | np.ndarray:
        """Rows as a chunk, with zeros after them where they are fewer."""
        if len(values) < self._chunk_rows:
            full = np.zeros((self._chunk_rows, *values.shape[1:]), values.dtype)
            full[: len(values)] = values
            values = full
        if self._deflate is None:
            return values
        return self._deflate.compress(values if self._is_text else shuffled(values))

    def _write_slowly(self, opened: h5d.DatasetID, row: int, values: np.ndarray) -> None:
        space = opened.get_space()
        start, count = (row, *(0,) * len(self.row_shape)), (len(values), *self.row_shape)
        space.select_hyperslab(start, count)
        opened.write(h5s.create_simple(count), space, values, self._type)


class TextDataset:
    """A dataset of text: of a fixed length while all texts are short, else of any length.

    Where a longer text comes the dataset is made anew with longer ones, from its own rows. So its
    type follows from the longest text in it, however the rows came.
    """

    def __init__(
        self, file: h5py.File, name: str, *, chunk_rows: int | None, deflate: Deflate | None
    ) -> None:
        self._file = file
        self.name = name
        self.rows = 0
        self.was_made_anew = False
        self._chunk_rows = chunk_rows
        self._deflate = deflate
        self._is_released = False
        self._width = 0
        self._rows: RowsDataset | None = None

    @property
    def width(self) -> int:
        """Bytes of a text; LONG where they are of any length; 0 before the first table."""
        return self._width

    @property
    def dataset(self) -> h5py.Dataset:
        assert self._rows is not None
        return self._rows.dataset

    def create(self, width: int, n_rows: int = 0) -> None:
        """Have the dataset; n_rows: where these are all, and not to be in chunks."""
        self._width = width
        self._rows = RowsDataset(
            self._file,
            self.name,
            text_type(width),
            chunk_rows=self._chunk_rows,
            n_rows=n_rows,
            deflate=None if width == LONG else self._deflate,
        )
        if self._is_released:
            self._rows.release()

    def release(self) -> None:
        """See `RowsDataset.release`."""
        assert self._rows is not None
        self._is_released = True
        self._rows.release()

    def append(self, text: EncodedText) -> bool:
        """Append texts; returns whether the dataset was made anew for them."""
        assert self._rows is not None
        is_wider = text.width > self._width
        if is_wider:
            self._make_anew(text.width)
        self._append(text)
        self.rows = self._rows.rows
        return is_wider

    def close(self) -> None:
        """Have as many rows as were appended."""
        assert self._rows is not None
        self._rows.close()

    def _append(self, text: EncodedText) -> None:
        assert self._rows is not None
        if self._width != LONG:
            assert text.fixed is not None
            self._rows.append(text.fixed if text.width == self._width else text.wider(self._width))
            return
        content, places = text.ended()
        row, opened = self._rows.rows, self._rows.open()
        self._rows.set_rows(opened, row + len(places))
        if not len(places):
            return
        space = opened.get_space()
        space.select_hyperslab((row,), (len(places),))
        pointers = places + content.__array_interface__["data"][0]
        memory = h5s.create_simple((len(places),))
        opened.write(memory, space, pointers, text_type(LONG))

    def _make_anew(self, width: int) -> None:
        """Put a dataset of longer texts in the place of this one."""
        before = self._rows
        assert before is not None
        n_rows, old_width = before.rows, self._width
        old = before.dataset  # it stays as long as it is open
        self._file.id.unlink(self.name.encode())
        self.create(width)
        step = self._chunk_rows or max(1, n_rows)
        for start in range(0, n_rows, step):
            values = old[start : min(n_rows, start + step)]
            values = np.ascontiguousarray(values).view(np.uint8).reshape(len(values), old_width)
            self._append(EncodedText(width=old_width, fixed=EncodedRows.of_text(values, step)))


@cache
def _link_properties(is_ascii: bool) -> h5p.PropLCID:
    """Names are UTF-8 where they must, as those that h5py gives."""
    properties = h5p.create(h5p.LINK_CREATE)
    if not is_ascii:
        properties.set_char_encoding(h5t.CSET_UTF8)
    return properties


@lru_cache(64)
def _creation(
    chunk: tuple[int, ...] | None, level: int | None, fill: bool | None, *, is_shuffled: bool
) -> h5p.PropDCID:
    """How a dataset is stored; the same for thousands of columns."""
    creation = h5p.create(h5p.DATASET_CREATE)
    creation.set_obj_track_times(False)
    if chunk is not None:
        creation.set_chunk(chunk)
    if level is not None:
        if is_shuffled:
            creation.set_shuffle()
        creation.set_deflate(level)
    if fill is not None:
        creation.set_fill_value(np.array(fill))
    return creation


@lru_cache(64)
def _space(shape: tuple[int, ...], *, can_grow: bool) -> h5s.SpaceID:
    return h5s.create_simple(shape, (h5s.UNLIMITED, *shape[1:]) if can_grow else shape)


def new_file(stream: DiscardableFile) -> h5py.File:
    """A file that keeps the order of its datasets, and no times: the same rows give the same bytes.

    `h5py.File` writes when the root group was made.
    """
    order = h5p.CRT_ORDER_TRACKED | h5p.CRT_ORDER_INDEXED
    creation = h5p.create(h5p.FILE_CREATE)
    creation.set_obj_track_times(False)
    creation.set_link_creation_order(order)
    creation.set_attr_creation_order(order)
    access = h5p.create(h5p.FILE_ACCESS)
    access.set_libver_bounds(h5f.LIBVER_EARLIEST, h5f.LIBVER_LATEST)
    access.set_fileobj_driver(h5fd.fileobj_driver, stream)
    return h5py.File(h5f.create(b"shard", h5f.ACC_TRUNC, fcpl=creation, fapl=access))


def put_in_order(file: h5py.File, names: Sequence[str]) -> None:
    """Link datasets anew, so that this is the order in which they were created."""
    for name in names:
        file.move(name, f"%{name}")  # no dataset of ours begins with a percent sign and a name
        file.move(f"%{name}", name)
