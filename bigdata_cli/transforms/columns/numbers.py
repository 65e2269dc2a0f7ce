"""Numbers of a column as steps on columns compute with them."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from bigdata_cli.types.dtype import Kind, kind_of

NUMBER_KINDS = (Kind.INT, Kind.FLOAT)


def is_number(dtype: str) -> bool:
    """Whether a dtype is one of integers or floats."""
    return kind_of(dtype) in NUMBER_KINDS


def floats(array: pa.Array) -> pa.Array:
    """Numbers as float64."""
    return array if pa.types.is_float64(array.type) else pc.cast(array, pa.float64(), safe=False)
