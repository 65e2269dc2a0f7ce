"""Files of a dataset that are no shards, as Parquet files without row groups.

The manifest stands in the metadata. Rejected records, of which there may be gigabytes, stand
between the first bytes and the footer, where no reader looks; the metadata says where.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from bigdata_cli.formats.parquet.footer import footer
from bigdata_cli.formats.parquet.write import MAGIC
from bigdata_cli.strict_json import JsonError
from bigdata_cli.types.dtype import Schema

_KEY = "bigdata.manifest"
_REJECTS_KEY = "bigdata.rejects"


def wrap(text: bytes, schema: Schema) -> bytes:
    """A file with the columns of the dataset and no rows; `text` is in its key-value metadata."""
    encoded = footer(schema, 0, [], {_KEY: text})
    return MAGIC + encoded + len(encoded).to_bytes(4, "little") + MAGIC


def head(schema: Schema) -> bytes:
    """What stands before rejected records."""
    return MAGIC


def tail(schema: Schema, place: str) -> bytes:
    """What stands behind rejected records; place: of them, as the metadata says it."""
    encoded = footer(schema, 0, [], {_REJECTS_KEY: place.encode()})
    return encoded + len(encoded).to_bytes(4, "little") + MAGIC


def place(source: Any) -> str | None:
    """What the metadata of an open file says of the place of rejected records.

    None where it says nothing; raises ValueError where it is no whole Parquet file.
    """
    import pyarrow.parquet as pq  # it takes 40 ms to import

    try:
        found = (pq.read_metadata(source).metadata or {}).get(_REJECTS_KEY.encode())
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"it is not a complete Parquet file: {error}") from error
    return None if found is None else found.decode("utf-8", "replace")


def unwrap(data: bytes) -> bytes:
    """What `wrap` put into a file; raises JsonError where it is another one."""
    import pyarrow.parquet as pq  # it takes 40 ms to import

    try:
        size = min(len(data), 2**31 - 1)
        file = pq.ParquetFile(pa.BufferReader(data), thrift_string_size_limit=size)
        text = (file.metadata.metadata or {}).get(_KEY.encode())
    except (pa.ArrowException, OSError, ValueError) as error:
        raise JsonError(f"it is not a complete Parquet file: {error}") from error
    if text is None:
        raise JsonError(f"it is a Parquet file without {_KEY} in its metadata")
    return text
