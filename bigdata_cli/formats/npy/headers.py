"""The files of a finished shard of npy with other headers around the same values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bigdata_cli.checksum import FileEntry
from bigdata_cli.formats.base import ShardName, StorageOptions
from bigdata_cli.formats.npy.file import npy_header
from bigdata_cli.formats.npy.read import LABEL
from bigdata_cli.io.store import ByteSink, ByteSource, Store, partial_name
from bigdata_cli.types.dtype import Kind, Schema, numpy_dtype

_COPY_BYTES = 1 << 22


def rewrite_npy_headers(
    store: Store,
    old: ShardName,
    files: Sequence[str],
    new: ShardName,
    schema: Schema,
    options: StorageOptions,
) -> tuple[FileEntry, ...]:
    """Copy the files of a shard, with the dtypes of a schema: see `Format.rewrite_headers`."""
    if options.layout == "matrix":
        columns = {} if options.label is None else {LABEL: schema[options.label]}
    else:
        columns = {column.name: column for column in schema if column.kind is not Kind.TEXT}
    dtypes = {
        old.file("npy", part): numpy_dtype(column.dtype, n_values=column.n_values)
        for part, column in columns.items()
    }
    before, after = (name.file("npy").removeprefix(name.stem) for name in (old, new))
    written = []
    for file in files:
        middle = file.removeprefix(old.stem).removesuffix(before)
        name = f"{new.stem}{middle}{after}"
        copy = store.create(partial_name(name))
        try:
            with store.open(partial_name(file)) as source:
                _copy(source, copy, dtypes.get(file))
        finally:
            copy.close()
        written.append(copy.finish(name))
    return tuple(written)


def _copy(source: ByteSource, target: ByteSink, dtype: np.dtype | None) -> None:
    """Copy a .npy file; dtype: what its values are from now on, None for what they are."""
    if dtype is not None:
        np.lib.format.read_magic(source)
        shape, _, before = np.lib.format.read_array_header_1_0(source)
        assert before.itemsize == dtype.itemsize
        target.write(npy_header(dtype, shape))
    while data := source.read(_COPY_BYTES):
        target.write(data)
