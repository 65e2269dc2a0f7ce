"""The footer of a bucket file: what tables it has, and where the rows of each bucket are."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec
import numpy as np
import pyarrow as pa

from bigdata_cli.errors import VerificationError
from bigdata_cli.io.store import ByteSource
from bigdata_cli.strict_json import Count

MAGIC = b"BDBUCKET"
_LENGTH_BYTES = 8
_MAX_BITS = 20


class TableEntry(msgspec.Struct, frozen=True, array_like=True):
    """A table that was scattered.

    first_row, rows: of the part. schema: its number among those of the file. is_wide: steps from
    position to position are int32, and not uint16. start: its first byte in the file. buckets: how
    many it has. firsts: of a sorted table the keys of the first row of each bucket that has any, as
    a message of Arrow: the positions of these rows, and the columns that it is sorted by.
    """

    first_row: Count
    rows: Count
    schema: Count
    is_wide: bool
    start: Count
    buckets: Count
    firsts: bytes


class Footer(msgspec.Struct, frozen=True, kw_only=True):
    """What stands at the end of a file.

    part: of the source. seed, bits: of random keys and their buckets. by: the columns that tables
    are sorted by instead. schemas: serialised, in
    Arrow's form. sizes: for each table and each of its buckets the bytes that are stored, those
    that they decompress to, and the rows: uint32 (buckets of all tables, 3).
    """

    part: Count
    seed: Count
    bits: Count
    by: tuple[str, ...]
    schemas: tuple[bytes, ...]
    tables: tuple[TableEntry, ...]
    sizes: bytes

    def table_sizes(self) -> list[np.ndarray]:
        """`sizes` of each table: int64 (buckets, 3)."""
        whole = np.frombuffer(self.sizes, np.uint32).reshape(-1, 3).astype(np.int64)
        ends = np.cumsum([0, *(table.buckets for table in self.tables)]).tolist()
        return [whole[start:end] for start, end in pairwise(ends)]

    def arrow_schemas(self) -> list[pa.Schema]:
        return [pa.ipc.read_schema(pa.py_buffer(schema)) for schema in self.schemas]


def encode_footer(
    *,
    part: int,
    seed: int,
    bits: int,
    by: Sequence[str],
    schemas: Sequence[pa.Schema],
    tables: Sequence[TableEntry],
    sizes: Sequence[np.ndarray],
) -> bytes:
    """The footer of a file as bytes, which end it. sizes: of each table, (buckets, 3)."""
    footer = Footer(
        part=part,
        seed=seed,
        bits=bits,
        by=tuple(by),
        schemas=tuple(schema.serialize().to_pybytes() for schema in schemas),
        tables=tuple(tables),
        sizes=b"".join(one.astype(np.uint32).tobytes() for one in sizes),
    )
    data = msgspec.msgpack.encode(footer)
    return data + len(data).to_bytes(_LENGTH_BYTES, "little") + MAGIC


def read_footer(file: ByteSource, n_bytes: int, place: str) -> Footer:
    """The footer of a file of so many bytes; raises VerificationError where it has none."""
    try:
        tail = n_bytes - _LENGTH_BYTES - len(MAGIC)
        if tail < 0:
            raise ValueError("it is too short")
        file.seek(tail)
        end = _read(file, _LENGTH_BYTES + len(MAGIC))
        length = int.from_bytes(end[:_LENGTH_BYTES], "little")
        if end[_LENGTH_BYTES:] != MAGIC or length > tail:
            raise ValueError("it has no footer")
        file.seek(tail - length)
        footer = msgspec.msgpack.decode(_read(file, length), type=Footer)
        if footer.bits > _MAX_BITS:
            raise ValueError("it has too many buckets")
        if len(footer.sizes) != 12 * sum(table.buckets for table in footer.tables):
            raise ValueError("its footer lacks sizes")
        if any(table.schema >= len(footer.schemas) for table in footer.tables):
            raise ValueError("a table has no schema")
        for table, sizes in zip(footer.tables, footer.table_sizes(), strict=True):
            if table.start + int(sizes[:, 0].sum()) > tail - length:
                raise ValueError("its tables lie beyond its end")
    except (ValueError, EOFError) as error:  # msgspec's errors are such
        raise VerificationError(f"{place} is not a file of buckets: {error}") from error
    return footer


def _read(file: ByteSource, n_bytes: int) -> bytes:
    data = file.read(n_bytes)
    if len(data) != n_bytes:
        raise EOFError("it is truncated")
    return data
