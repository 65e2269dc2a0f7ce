"""The footer of a Parquet file: the schema, the metadata of the row groups, orders of columns.

Source: parquet.thrift and LogicalTypes.md of the Parquet format.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

from bigdata_cli import DISTRIBUTION
from bigdata_cli.formats.parquet.pages import physical_type
from bigdata_cli.formats.parquet.thrift_compact import (
    BINARY,
    I8,
    I32,
    I64,
    LIST,
    STRUCT,
    TRUE,
    Encoded,
    Struct,
    encode_struct,
    varint,
)
from bigdata_cli.formats.parquet.thrift_compact import Sequence as ThriftList
from bigdata_cli.types.dtype import Column, Kind, Schema, arrow_type

_VERSION = 2
_WRITER = f"{DISTRIBUTION} version 0.2.0"
"""The first version that writes these bytes: a later one that mends a shard writes the same."""
_OPTIONAL = 1
_CONVERTED_INTEGERS = {
    "uint8": 11,
    "uint16": 12,
    "uint32": 13,
    "uint64": 14,
    "int8": 15,
    "int16": 16,
    "int32": 17,
    "int64": 18,
}
_CONVERTED_UTF8, _CONVERTED_DATE, _CONVERTED_MICROS = 0, 6, 10


def footer(
    schema: Schema,
    n_rows: int,
    row_groups: Sequence[bytes],
    texts: Mapping[str, bytes] | None = None,
) -> bytes:
    """The struct FileMetaData. Row groups come encoded. texts: its key-value metadata."""
    pairs = [
        Encoded(encode_struct(_struct((1, BINARY, key.encode()), (2, BINARY, value))))
        for key, value in (texts or {}).items()
    ]
    elements = [Encoded(encode_struct(_root(len(schema))))]
    elements += [_element(column) for column in schema]
    order = Encoded(encode_struct(_struct((1, STRUCT, Struct()))))
    return encode_struct(
        _struct(
            (1, I32, _VERSION),
            (2, LIST, ThriftList(STRUCT, elements)),
            (3, I64, n_rows),
            (4, LIST, ThriftList(STRUCT, [Encoded(group) for group in row_groups])),
            *([(5, LIST, ThriftList(STRUCT, pairs))] if pairs else []),
            (6, BINARY, _WRITER.encode()),
            (7, LIST, ThriftList(STRUCT, [order] * len(schema))),
        )
    )


def _struct(*fields: tuple[int, int, object]) -> Struct:
    return Struct(
        {field_id: kind for field_id, kind, _ in fields},
        {field_id: value for field_id, _, value in fields},
    )


def _root(n_columns: int) -> Struct:
    return _struct((4, BINARY, b"schema"), (5, I32, n_columns))


def _element(column: Column) -> Encoded:
    """The struct SchemaElement of a column. Wide tables have many: only the name is put anew."""
    before, after = _around_name(column.dtype)
    name = column.name.encode()
    return Encoded(before + varint(len(name)) + name + after)


@cache
def _around_name(dtype: str) -> tuple[bytes, bytes]:
    """What stands before and after a column's name in its SchemaElement."""
    column = Column(name="", dtype=dtype)
    fields: list[tuple[int, int, object]] = [
        (1, I32, physical_type(column)),
        (3, I32, _OPTIONAL),
        (4, BINARY, b""),
    ]
    converted, logical = _types(column)
    if converted is not None:
        fields.append((6, I32, converted))
    if logical is not None:
        fields.append((10, STRUCT, logical))
    whole = encode_struct(_struct(*fields))
    start = len(encode_struct(_struct(*fields[:3]))) - 2  # an empty name, and the struct's end
    return whole[:start], whole[start + 1 :]


def _types(column: Column) -> tuple[int | None, Struct | None]:
    """The converted type, which old readers know, and the logical type."""
    kind = column.kind
    if kind in (Kind.TEXT, Kind.CATEGORY):
        return _CONVERTED_UTF8, _struct((1, STRUCT, Struct()))
    if kind is Kind.DATE:
        return _CONVERTED_DATE, _struct((6, STRUCT, Struct()))
    if kind is Kind.TIMESTAMP:
        return _timestamp(column)
    if kind is Kind.INT and column.dtype not in ("int32", "int64"):
        integer = _struct(
            (1, I8, arrow_type(column.dtype).bit_width),
            (2, TRUE, not column.dtype.startswith("u")),
        )
        return _CONVERTED_INTEGERS[column.dtype], _struct((10, STRUCT, integer))
    return None, None


def _timestamp(column: Column) -> tuple[int | None, Struct]:
    is_utc, is_nanoseconds = "UTC" in column.dtype, "ns" in column.dtype
    unit = _struct((3 if is_nanoseconds else 2, STRUCT, Struct()))
    logical = _struct((8, STRUCT, _struct((1, TRUE, is_utc), (2, STRUCT, unit))))
    # There is no converted type of nanoseconds.
    return (None if is_nanoseconds else _CONVERTED_MICROS), logical
