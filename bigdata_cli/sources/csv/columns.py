"""Cells of one column as an Arrow array, and texts that are not UTF-8."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from bigdata_cli.io.encoding import encoding_hint
from bigdata_cli.sources.bad_values import InvalidValue
from bigdata_cli.types.dtype import Kind, arrow_type, kind_of

VALUE, NO_VALUE = 0, 1
"""Flags of a cell."""
_SHOWN_FOREIGN = 1000


def validity(flags: np.ndarray) -> tuple[pa.Buffer | None, int]:
    """Arrow's validity bitmap of the cells, None where all are valid, and the number of nulls."""
    # Most columns have no flags; to see that is faster than to read them.
    n_nulls = int(np.count_nonzero(flags == NO_VALUE)) if np.count_nonzero(flags) else 0
    if not n_nulls:
        return None, 0
    return pa.py_buffer(np.packbits(flags != NO_VALUE, bitorder="little")), n_nulls


def typed_array(cells: np.ndarray, flags: np.ndarray, dtype: str) -> pa.Array:
    """The Arrow array of cells that hold values of a dtype, which is not text: a copy."""
    kind = kind_of(dtype)
    bitmap, n_nulls = validity(flags)
    values: np.ndarray
    if kind in (Kind.NULL, Kind.BOOL):
        values = np.packbits(cells != 0, bitorder="little")
    elif kind is Kind.FLOAT:
        wide = cells.view(np.float64)
        with np.errstate(over="ignore"):
            values = wide.astype(dtype)
    elif kind is Kind.INT:
        values = cells.astype(dtype)
    else:
        values = cells.astype(np.int32 if kind is Kind.DATE else np.int64)
    buffers = [bitmap, pa.py_buffer(values)]
    return pa.Array.from_buffers(arrow_type(dtype), len(cells), buffers, n_nulls)


def not_utf8(text: pa.Array, name: str) -> InvalidValue:
    """The error for the texts of a column that are not UTF-8."""
    rows = []
    problem = ""
    for row, value in enumerate(text.view(pa.binary()).to_pylist()):
        try:
            (value or b"").decode("utf-8")
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            problem = problem or f"byte 0x{byte:02x} is not UTF-8 ({error.reason})"
            rows.append(row)
    return InvalidValue(
        np.array(rows),
        f'column "{name}": {problem}',
        reason=f'column "{name}" is not UTF-8',
        hint=lambda: encoding_hint(_foreign(text)),
    )


def _foreign(text: pa.Array) -> bytes:
    """The first values that are not ASCII."""
    found: list[bytes] = []
    for value in text.view(pa.binary()).to_pylist():
        if value and not value.isascii():
            found.append(value)
            if len(found) == _SHOWN_FOREIGN:
                break
    return b"\n".join(found)
