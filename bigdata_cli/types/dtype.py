"""The dtypes a column can have, and what they are in NumPy and Arrow."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache, cached_property
from typing import TYPE_CHECKING

from bigdata_cli.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

INTEGER_DTYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
FLOAT_DTYPES = ("float32", "float64")
TIMESTAMP_DTYPES = (
    "timestamp[us]",
    "timestamp[ns]",
    "timestamp[us, UTC]",
    "timestamp[ns, UTC]",
)
DTYPES = (
    "null",
    "bool",
    *INTEGER_DTYPES,
    *FLOAT_DTYPES,
    "date",
    *TIMESTAMP_DTYPES,
    "category",
    "text",
)
VALIDITY_SUFFIX = ".valid"
"""`fare.valid` is the validity mask beside the column `fare`."""


class Kind(StrEnum):
    """What a column's values are, apart from their width."""

    NULL = "null"
    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    DATE = "date"
    TIMESTAMP = "timestamp"
    CATEGORY = "category"
    TEXT = "text"


@cache
def kind_of(dtype: str) -> Kind:
    """The kind of a dtype.

    >>> kind_of("uint8"), kind_of("timestamp[ns, UTC]")
    (<Kind.INT: 'int'>, <Kind.TIMESTAMP: 'timestamp'>)
    """
    if dtype in INTEGER_DTYPES:
        return Kind.INT
    if dtype in FLOAT_DTYPES:
        return Kind.FLOAT
    if dtype in TIMESTAMP_DTYPES:
        return Kind.TIMESTAMP
    return Kind(dtype)


_WIDEST = {Kind.INT: "int64", Kind.FLOAT: "float64", Kind.CATEGORY: "text"}


def widest_dtype(dtype: str) -> str:
    """The widest dtype of a kind, in which steps read a column whatever values come.

    >>> widest_dtype("int8"), widest_dtype("uint64"), widest_dtype("category")
    ('int64', 'uint64', 'text')
    """
    return dtype if dtype == "uint64" else _WIDEST.get(kind_of(dtype), dtype)


def parse_dtype(text: str) -> str:
    """A dtype as a user may write it; raises UsageError for one that is not known.

    >>> parse_dtype("timestamp"), parse_dtype("INT8")
    ('timestamp[us]', 'int8')
    """
    lowered = text.strip().lower().replace("utc", "UTC")
    dtype = {
        "timestamp": "timestamp[us]",
        "string": "text",
        "str": "text",
        "boolean": "bool",
        "int": "int64",
        "float": "float64",
        "datetime": "timestamp[us]",
    }.get(lowered, lowered)
    if dtype not in DTYPES:
        raise UsageError(f'"{text}" is not a dtype', hint=did_you_mean(text, DTYPES))
    return dtype


def _range_of(dtype: str) -> tuple[int, int]:
    bits = int(dtype.lstrip("uint"))
    return (0, 2**bits - 1) if dtype.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


_RANGES = {dtype: _range_of(dtype) for dtype in INTEGER_DTYPES}


def integer_range(dtype: str) -> tuple[int, int]:
    """The smallest and largest value of an integer dtype.

    >>> integer_range("uint8")
    (0, 255)
    """
    return _RANGES[dtype]


def smallest_integer(low: int, high: int) -> str | None:
    """The narrowest integer dtype that holds [low, high], signed where both fit.

    >>> smallest_integer(0, 127), smallest_integer(0, 200), smallest_integer(-1, 200)
    ('int8', 'uint8', 'int16')
    >>> smallest_integer(0, 2**63), smallest_integer(-1, 2**63)
    ('uint64', None)
    """
    for dtype, (smallest, largest) in _RANGES.items():
        if smallest <= low and high <= largest:
            return dtype
    return None


def code_dtype(n_values: int) -> str:
    """The dtype of the codes of a vocabulary of `n_values` values.

    >>> code_dtype(5), code_dtype(257)
    ('uint8', 'uint16')
    """
    return "uint8" if n_values <= 2**8 else "uint16" if n_values <= 2**16 else "uint32"


def numpy_dtype(dtype: str, *, n_values: int = 0) -> np.dtype:
    """How NumPy holds a column: bool, intN, floatN, datetime64, codes; text has none.

    A column with only nulls is held as bool. `n_values` is the vocabulary's size.
    """
    import numpy as np

    kind = kind_of(dtype)
    if kind in (Kind.NULL, Kind.BOOL):
        return np.dtype("bool")
    if kind is Kind.DATE:
        return np.dtype("datetime64[D]")
    if kind is Kind.TIMESTAMP:
        return np.dtype("datetime64[ns]" if "ns" in dtype else "datetime64[us]")
    if kind is Kind.CATEGORY:
        return np.dtype(code_dtype(n_values))
    if kind is Kind.TEXT:
        raise ValueError("text has no NumPy dtype")
    return np.dtype(dtype)


@cache
def arrow_type(dtype: str) -> pa.DataType:
    """How Arrow holds a column in a chunk.

    null is bool (all null), category a dictionary of int32 codes over strings.
    """
    import pyarrow as pa

    kind = kind_of(dtype)
    if kind in (Kind.NULL, Kind.BOOL):
        return pa.bool_()
    if kind is Kind.DATE:
        return pa.date32()
    if kind is Kind.TIMESTAMP:
        return pa.timestamp("ns" if "ns" in dtype else "us", tz="UTC" if "UTC" in dtype else None)
    if kind is Kind.CATEGORY:
        return pa.dictionary(pa.int32(), pa.string())
    if kind is Kind.TEXT:
        return pa.string()
    return pa.type_for_alias(dtype)


def item_bytes(dtype: str, *, n_values: int = 0, mean_text_bytes: float = 0.0) -> float:
    """Bytes of one value in memory: NumPy's item size; text as an offset and its bytes."""
    if kind_of(dtype) is Kind.TEXT:
        return 8 + mean_text_bytes
    return numpy_dtype(dtype, n_values=n_values).itemsize


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of a dataset: its name, its dtype, and for a category its sorted values."""

    name: str
    dtype: str
    vocabulary: tuple[str, ...] | None = None

    @property
    def kind(self) -> Kind:
        return kind_of(self.dtype)

    @property
    def n_values(self) -> int:
        return len(self.vocabulary) if self.vocabulary is not None else 0


@dataclass(frozen=True)
class Schema:
    """The columns of a dataset, in order, with unique names."""

    columns: tuple[Column, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @cached_property
    def _by_name(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}

    def __len__(self) -> int:
        return len(self.columns)

    def __iter__(self):
        return iter(self.columns)

    def __getitem__(self, name: str) -> Column:
        """The column of that name; raises UsageError with a suggestion."""
        column = self._by_name.get(name)
        if column is not None:
            return column
        raise UsageError(f'there is no column "{name}"', hint=did_you_mean(name, self.names))

    def arrow(self) -> pa.Schema:
        """The schema of a chunk."""
        import pyarrow as pa

        return pa.schema([(column.name, arrow_type(column.dtype)) for column in self.columns])
