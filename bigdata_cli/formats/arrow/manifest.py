"""Files of a dataset that are no shards, as Arrow IPC files without record batches.

The manifest stands in the metadata of the schema. Rejected records, of which there may be
gigabytes, stand before the footer, where no reader looks; the metadata of its schema says where.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from bigdata_cli.formats.arrow.messages import TAIL_BYTES
from bigdata_cli.strict_json import JsonError
from bigdata_cli.types.dtype import Schema

_KEY = "bigdata.manifest"
_REJECTS_KEY = "bigdata.rejects"


def wrap(text: bytes, schema: Schema) -> bytes:
    """A file with the columns of the dataset and no rows; `text` is in the schema's metadata.

    The schema stands in an Arrow file twice, at its start and in the footer, and so does the text.
    """
    return _without_rows(schema, {_KEY: text})


def head(schema: Schema) -> bytes:
    """What stands before rejected records."""
    return _halves(_without_rows(schema, {}))[0]


def tail(schema: Schema, place: str) -> bytes:
    """What stands behind rejected records; place: of them, as the metadata says it."""
    return _halves(_without_rows(schema, {_REJECTS_KEY: place}))[1]


def place(source: Any) -> str | None:
    """What the metadata of an open file says of the place of rejected records.

    None where it says nothing; raises ValueError where it is no whole Arrow file.
    """
    try:
        found = (pa.ipc.open_file(source).schema.metadata or {}).get(_REJECTS_KEY.encode())
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"it is not a complete Arrow file: {error}") from error
    return None if found is None else found.decode("utf-8", "replace")


def _without_rows(schema: Schema, metadata: Mapping[str, str | bytes]) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema.arrow().with_metadata(dict(metadata))):
        pass
    return sink.getvalue().to_pybytes()


def _halves(file: bytes) -> tuple[bytes, bytes]:
    """What stands in a file before its footer, and the rest."""
    n_bytes = int.from_bytes(file[-TAIL_BYTES:][:4], "little") + TAIL_BYTES
    return file[:-n_bytes], file[-n_bytes:]


def unwrap(data: bytes) -> bytes:
    """What `wrap` put into a file; raises JsonError where it is another one."""
    try:
        text = (pa.ipc.open_file(data).schema.metadata or {}).get(_KEY.encode())
    except (pa.ArrowException, OSError, ValueError) as error:
        raise JsonError(f"it is not a complete Arrow file: {error}") from error
    if text is None:
        raise JsonError(f"it is an Arrow file without {_KEY} in its metadata")
    return text
