"""The manifest in an Arrow IPC file: one without record batches, with the JSON in its metadata."""

from __future__ import annotations

import pyarrow as pa

from bigdata_cli.strict_json import JsonError
from bigdata_cli.types.dtype import Schema

_KEY = "bigdata.manifest"


def wrap(text: bytes, schema: Schema) -> bytes:
    """A file with the columns of the dataset and no rows; `text` is in the schema's metadata.

    The schema stands in an Arrow file twice, at its start and in the footer, and so does the text.
    """
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema.arrow().with_metadata({_KEY: text})):
        pass
    return sink.getvalue().to_pybytes()


def unwrap(data: bytes) -> bytes:
    """What `wrap` put into a file; raises JsonError where it is another one."""
    try:
        text = (pa.ipc.open_file(data).schema.metadata or {}).get(_KEY.encode())
    except (pa.ArrowException, OSError, ValueError) as error:
        raise JsonError(f"it is not a complete Arrow file: {error}") from error
    if text is None:
        raise JsonError(f"it is an Arrow file without {_KEY} in its metadata")
    return text
