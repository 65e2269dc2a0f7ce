"""Tables as arrays, in one call of the C library for all columns of a batch.

The library reads pyarrow's buffers where they are, by the Arrow C data interface; with thousands of
columns a table costs no Python call for each of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from bigdata_cli.errors import DataError
from bigdata_cli.native.arrow import exported
from bigdata_cli.native.library import address, lib
from bigdata_cli.types.buffers import booleans_of
from bigdata_cli.types.dtype import Column, Kind, Schema

_ALIGNMENT = 64
_TYPES = [
    *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
    *("float32", "float64", "category", "null", "text"),
]
"""The dtypes by their numbers in `arrays.h`."""
_COLUMN = np.dtype(
    [
        ("child", np.int32),
        ("type", np.int32),
        ("width", np.int32),
        ("unused", np.int32),
        ("divisor", np.float64),
        ("fill", np.uint64),
        ("values", np.uint64),
        ("valid", np.uint64),
        ("vocabulary", np.uint64),
        ("lookup", np.uint64),
    ]
)
_MEASURED = np.dtype(
    [(name, np.int64) for name in ("nulls", "dictionary", "text_bytes", "longest", "hidden")]
    + [("has_nul", np.int64), ("text", np.uint64)]
)


class Batch(NamedTuple):
    """A batch as the C library gets it; `capsule` keeps its buffers."""

    address: int
    n_rows: int
    capsule: object


class ColumnsOfTable(msgspec.Struct, frozen=True, kw_only=True):
    """Columns of a table as arrays, in the order that was asked for.

    values: (rows,) each, None for text. valid: bool (rows,), None where no row is null. measured:
    what is in each batch and column, `bd_measured` of `arrays.h`.
    """

    n_rows: int
    values: list[np.ndarray | None]
    valid: list[np.ndarray | None]
    batches: tuple[Batch, ...]
    measured: np.ndarray

    def longest(self, column: int) -> int:
        """Bytes of the longest text."""
        return int(self.measured["longest"][:, column].max(initial=0))


class TableArrays:
    """Makes arrays of some columns of tables. Thread-safe.

    dtypes: of the arrays, None for text; of dates int32 or datetime64, of timestamps int64 or
    datetime64, of categories of the codes; None where only a matrix is made of them. Beneath a
    null lies 0, NaN or NaT.
    """

    def __init__(
        self,
        schema: Schema,
        columns: Sequence[Column],
        dtypes: Sequence[np.dtype | None] | None = None,
    ) -> None:
        place = {name: i for i, name in enumerate(schema.names)}
        self.columns = tuple(columns)
        self.dtypes = (None,) * len(self.columns) if dtypes is None else tuple(dtypes)
        self._arrow_schema = schema.arrow()
        self._specification = np.zeros(len(self.columns), _COLUMN)
        spec = self._specification
        spec["child"] = [place[column.name] for column in self.columns]
        spec["type"] = [_TYPES.index(_type_name(column)) for column in self.columns]
        spec["width"] = [0 if dtype is None else dtype.itemsize for dtype in self.dtypes]
        spec["divisor"] = [_divisor(column) for column in self.columns]
        spec["fill"] = [_fill(dtype) for dtype in self.dtypes]
        self._vocabularies = {
            i: _Vocabulary(column.vocabulary or ())
            for i, column in enumerate(self.columns)
            if column.kind is Kind.CATEGORY
        }
        for i, vocabulary in self._vocabularies.items():
            spec["vocabulary"][i] = vocabulary.address
        self.texts = tuple(i for i, c in enumerate(self.columns) if c.kind is Kind.TEXT)

    def arrays(self, table: pa.Table, *, looks_inside_text: bool = False) -> ColumnsOfTable:
        """The columns of a table; raises DataError for a category that has no code.

        looks_inside_text: measure the longest text of each column too, and whether one has a NUL.
        """
        spec = self._specification.copy()
        batches, measured = self._batches(table, spec, looks_inside_text=looks_inside_text)
        n_rows = sum(batch.n_rows for batch in batches)
        values, storage = self._allocate(spec, n_rows)
        has_nulls = (measured["nulls"] > 0).any(axis=0)
        masks = np.empty((int(has_nulls.sum()), n_rows), bool)
        spec["valid"][has_nulls] = address(masks) + np.arange(len(masks), dtype=np.uint64) * n_rows
        valid: list[np.ndarray | None] = [None] * len(spec)
        for i, mask in zip(np.flatnonzero(has_nulls).tolist(), masks, strict=True):
            valid[i] = mask
        lookups = self._lookups(spec, measured)
        row = 0
        for batch in batches:
            wrong = lib.bd_batch_columns(batch.address, address(spec), len(spec), row)
            if wrong >= 0:
                raise _unknown_category(self.columns[wrong])
            row += batch.n_rows
        del storage, lookups
        return ColumnsOfTable(
            n_rows=n_rows, values=values, valid=valid, batches=batches, measured=measured
        )

    def matrix(self, table: pa.Table, dtype: str, out: np.ndarray | None = None) -> np.ndarray:
        """The columns as a matrix of `dtype`, float32 or float64: (rows, columns), nulls NaN.

        bool is 0 or 1, a category its code, a date days since 1970, a timestamp seconds since
        1970. `out` is filled where it is given. Raises DataError for a number beyond the range of
        `dtype`.
        """
        spec = self._specification.copy()
        batches, measured = self._batches(table, spec, looks_inside_text=False)
        lookups = self._lookups(spec, measured)
        if out is None:
            out = np.empty((sum(batch.n_rows for batch in batches), len(spec)), dtype)
        row = 0
        for batch in batches:
            place = address(out) + row * len(spec) * out.itemsize
            is_double = int(dtype == "float64")
            wrong = lib.bd_batch_matrix(batch.address, address(spec), len(spec), place, is_double)
            if wrong >= 0:
                column = self.columns[wrong]
                raise (
                    _unknown_category(column)
                    if column.kind is Kind.CATEGORY
                    else _out_of_range(column, dtype)
                )
            row += batch.n_rows
        del lookups
        return out

    def ends(self, arrays: ColumnsOfTable, column: int) -> np.ndarray:
        """Where each text of a column ends, counted from the table's first: int64 (rows,)."""
        ends = np.empty(arrays.n_rows, np.int64)
        child = int(self._specification["child"][column])
        row = before = 0
        for batch, measured in zip(arrays.batches, arrays.measured, strict=True):
            lib.bd_text_ends(batch.address, child, before, address(ends) + row * 8)
            row, before = row + batch.n_rows, before + int(measured["text_bytes"][column])
        return ends

    def text_bytes(self, arrays: ColumnsOfTable, column: int) -> list[pa.Buffer]:
        """The UTF-8 bytes of a text column, batch after batch; not copies."""
        return [
            pa.foreign_buffer(int(measured["text"][column]), int(n_bytes), base=batch.capsule)
            for batch, measured in zip(arrays.batches, arrays.measured, strict=True)
            if (n_bytes := measured["text_bytes"][column])
        ]

    def fixed_text(self, arrays: ColumnsOfTable, column: int, width: int) -> np.ndarray:
        """A text column in `width` bytes each: uint8 (rows, width); none may be longer."""
        out = np.empty((arrays.n_rows, width), np.uint8)
        child, row = int(self._specification["child"][column]), 0
        for batch in arrays.batches:
            lib.bd_text_fixed(batch.address, child, width, address(out) + row * width)
            row += batch.n_rows
        return out

    def ended_text(self, arrays: ColumnsOfTable, column: int) -> tuple[np.ndarray, np.ndarray]:
        """A text column with a NUL after each text: uint8, and int64 (rows,), where each begins."""
        n_bytes = int(arrays.measured["text_bytes"][:, column].sum())
        out, places = np.empty(n_bytes + arrays.n_rows, np.uint8), np.empty(arrays.n_rows, np.int64)
        child, row, before = int(self._specification["child"][column]), 0, 0
        for batch, measured in zip(arrays.batches, arrays.measured, strict=True):
            at = address(places) + row * 8
            lib.bd_text_ended(batch.address, child, before, address(out), at)
            row += batch.n_rows
            before += int(measured["text_bytes"][column]) + batch.n_rows
        return out, places

    def _batches(
        self, table: pa.Table, spec: np.ndarray, *, looks_inside_text: bool
    ) -> tuple[tuple[Batch, ...], np.ndarray]:
        """The batches of a table, and what is in their columns: (batches, columns)."""
        table = self._as_expected(table)
        batches = _exported(table)
        measured = self._measure(batches, spec, looks_inside_text=looks_inside_text)
        hidden = measured["hidden"].any(axis=0)
        if hidden.any():
            # A null may have bytes in Arrow; this drops them.
            for i in np.flatnonzero(hidden).tolist():
                place = int(spec["child"][i])
                column = table.column(place)
                cleaned = pa.chunked_array([_without_hidden(chunk) for chunk in column.chunks])
                table = table.set_column(place, table.field(place), cleaned)
            batches = _exported(table)
            measured = self._measure(batches, spec, looks_inside_text=looks_inside_text)
        return batches, measured

    def _measure(
        self, batches: tuple[Batch, ...], spec: np.ndarray, *, looks_inside_text: bool
    ) -> np.ndarray:
        measured = np.empty((len(batches), len(spec)), _MEASURED)
        for batch, row in zip(batches, measured, strict=True):
            inside = int(looks_inside_text)
            lib.bd_batch_measure(batch.address, address(spec), len(spec), inside, address(row))
        return measured

    def _as_expected(self, table: pa.Table) -> pa.Table:
        """The table with the columns and types of the schema."""
        expected = self._arrow_schema
        if table.schema.equals(expected):
            return table
        columns = []
        for field in expected:
            column = table.column(field.name)
            columns.append(column if column.type == field.type else column.cast(field.type))
        return pa.table(columns, schema=expected)

    def _allocate(
        self, spec: np.ndarray, n_rows: int
    ) -> tuple[list[np.ndarray | None], np.ndarray]:
        """One array that holds all; those of the columns are parts of it."""
        sizes = spec["width"].astype(np.int64) * n_rows
        starts = np.zeros(len(spec) + 1, np.int64)
        np.cumsum(-(-sizes // _ALIGNMENT) * _ALIGNMENT, out=starts[1:])
        storage = np.empty(int(starts[-1]), np.uint8)
        spec["values"] = address(storage) + starts[:-1].astype(np.uint64)
        values = [
            None if dtype is None else storage[start : start + size].view(dtype)
            for dtype, start, size in zip(
                self.dtypes, starts[:-1].tolist(), sizes.tolist(), strict=True
            )
        ]
        return values, storage

    def _lookups(self, spec: np.ndarray, measured: np.ndarray) -> list[np.ndarray]:
        """Scratch for the codes of the batches' dictionaries."""
        lookups = []
        for i in self._vocabularies:
            longest = int(measured["dictionary"][:, i].max(initial=0))
            lookups.append(np.empty(longest, np.int32))
            spec["lookup"][i] = address(lookups[-1])
        return lookups


def label_values(label: TableArrays, table: pa.Table) -> np.ndarray:
    """The label of a matrix, (rows,) of its own dtype; nulls of a float are NaN.

    Raises DataError where a label of another kind is null.
    """
    found = label.arrays(table)
    [column], [values], [valid] = label.columns, found.values, found.valid
    assert values is not None
    if valid is not None and column.kind is not Kind.FLOAT:
        raise DataError(
            f'the label "{column.name}" is null in {int((~valid).sum()):,} rows, and '
            f"{column.dtype} has no value for that",
            hint=f"--type '{column.name}=float64' makes them NaN, --layout columns keeps nulls",
        )
    return values


def texts_of_fixed(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Texts of a fixed length, without the NULs at their ends.

    Returns int64 (rows + 1), where each begins and the last one ends, and the UTF-8 bytes.
    """
    values = np.ascontiguousarray(values)
    offsets, content = np.empty(len(values) + 1, np.int64), np.empty(values.nbytes, np.uint8)
    n_bytes = lib.bd_text_from_fixed(
        address(values.view(np.uint8)), len(values), values.itemsize, address(offsets),
        address(content),
    )  # fmt: skip
    return offsets, content[:n_bytes]


def _exported(table: pa.Table) -> tuple[Batch, ...]:
    batches = []
    for batch in table.to_batches():
        place, capsule = exported(batch)
        batches.append(Batch(place, len(batch), capsule))
    return tuple(batches)


def _without_hidden(chunk: pa.Array) -> pa.Array:
    """A chunk of text with no bytes beneath its nulls."""
    if not chunk.null_count:
        return chunk
    filled = chunk.fill_null("")
    bitmap = pa.py_buffer(np.packbits(booleans_of(chunk.is_valid()), bitorder="little"))
    if filled.offset:
        filled = pa.concat_arrays([filled])
    return pa.Array.from_buffers(chunk.type, len(chunk), [bitmap, *filled.buffers()[1:]])


class _Vocabulary:
    """The values of a category, hashed, as the C library finds them."""

    def __init__(self, values: Sequence[str]) -> None:
        encoded = [value.encode() for value in values]
        offsets = np.zeros(len(encoded) + 1, np.int64)
        np.cumsum([len(value) for value in encoded], out=offsets[1:])
        content = np.frombuffer(b"".join(encoded) or b"\0", np.uint8)
        slots = np.empty(1 << (2 * len(encoded) + 1).bit_length(), np.int32)
        self._held = offsets, content, slots
        addresses = [address(offsets), address(content), len(encoded), address(slots)]
        self._struct = np.array([*addresses, len(slots) - 1], np.int64)
        self.address = address(self._struct)
        lib.bd_vocabulary_build(self.address)


def _type_name(column: Column) -> str:
    """The name in `_TYPES` of how Arrow holds a column."""
    if column.kind is Kind.DATE:
        return "int32"
    return "int64" if column.kind is Kind.TIMESTAMP else column.dtype


def _divisor(column: Column) -> float:
    """What ticks are divided by to be seconds; 0 for all other columns."""
    if column.kind is not Kind.TIMESTAMP:
        return 0
    return 1e9 if "ns" in column.dtype else 1e6


def _fill(dtype: np.dtype | None) -> int:
    """The bits that lie beneath a null."""
    if dtype is None or dtype.kind not in "fM":
        return 0
    value = np.array("NaT" if dtype.kind == "M" else "nan", dtype)
    return int.from_bytes(value.tobytes(), "little")


def _unknown_category(column: Column) -> DataError:
    return DataError(
        f'column "{column.name}" has a value that is not among its categories',
        hint=f"--type '{column.name}=text'",
    )


def _out_of_range(column: Column, dtype: str) -> DataError:
    return DataError(
        f'column "{column.name}" has a number beyond the range of {dtype}',
        hint="--float 64, or --layout columns",
    )
