"""The manifest in a Parquet file: one without row groups, with the JSON in its metadata."""

from __future__ import annotations

import pyarrow as pa

from bigdata_cli.formats.parquet.footer import footer
from bigdata_cli.formats.parquet.write import MAGIC
from bigdata_cli.strict_json import JsonError
from bigdata_cli.types.dtype import Schema

_KEY = "bigdata.manifest"


def wrap(text: bytes, schema: Schema) -> bytes:
    """A file with the columns of the dataset and no rows; `text` is in its key-value metadata."""
    encoded = footer(schema, 0, [], {_KEY: text})
    return MAGIC + encoded + len(encoded).to_bytes(4, "little") + MAGIC


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
