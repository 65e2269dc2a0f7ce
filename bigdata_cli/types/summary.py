"""Evidence of types and statistics, for all columns at once.

A summary is an array with one element for each column, as the C library fills it, so that merging
the parts of a shard costs one call, however many columns there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec
import numpy as np

from bigdata_cli.native import parser as native
from bigdata_cli.native.library import address, lib
from bigdata_cli.types.dtype import Kind, kind_of
from bigdata_cli.types.lattice import Observed
from bigdata_cli.types.statistics import ColumnStatistics


@cache
def mode_of(dtype: str) -> int:
    """How the values of a dtype are parsed, and what the bits of their minimum are."""
    kind = kind_of(dtype)
    if kind is Kind.INT:
        return native.UINT64 if dtype == "uint64" else native.INT64
    if kind is Kind.TIMESTAMP:
        return native.TIMESTAMP_NS if "ns" in dtype else native.TIMESTAMP_US
    return {
        Kind.NULL: native.NULL,
        Kind.BOOL: native.BOOLEAN,
        Kind.FLOAT: native.FLOAT64,
        Kind.DATE: native.DATE,
        Kind.CATEGORY: native.TEXT,
        Kind.TEXT: native.TEXT,
    }[kind]


def modes_of(dtypes: Sequence[str]) -> np.ndarray:
    """`mode_of` each: int32 (n,)."""
    return np.array([mode_of(dtype) for dtype in dtypes], np.int32)


class Summary(msgspec.Struct, frozen=True):
    """What `rows` rows showed. results: native.RESULT (columns,); modes: int32 (columns,)."""

    results: np.ndarray
    modes: np.ndarray
    rows: int

    def merged(self, other: Summary) -> Summary:
        """The summary of both sets of rows, whose columns are parsed in the same modes."""
        results = self.results.copy()
        n = len(results)
        lib.bd_merge_results(address(results), address(other.results), address(self.modes), n)
        return Summary(results, self.modes, self.rows + other.rows)

    def observed(self) -> tuple[Observed, ...]:
        """The evidence of each column."""
        columns = (self.results[name].tolist() for name in ("forms", "negative", "positive"))
        return tuple(Observed(*values) for values in zip(*columns, strict=True))

    def statistics(self, dtypes: Sequence[str]) -> tuple[ColumnStatistics, ...]:
        """The statistics of each column, which has this dtype."""
        means, m2 = (array.tolist() for array in native.finish_moments(self.results))
        return tuple(
            _column_statistics(result, moments, dtype, self.rows)
            for result, *moments, dtype in zip(self.results, means, m2, dtypes, strict=True)
        )


def range_of(result: np.ndarray, dtype: str) -> tuple[Any, Any]:
    """The minimum and maximum of a column from its element of a summary; None without values."""
    if not result["has_range"]:
        return None, None
    return _plain(result["low"], dtype), _plain(result["high"], dtype)


def _column_statistics(
    result: np.ndarray, moments: Sequence[float], dtype: str, rows: int
) -> ColumnStatistics:
    """The statistics of a column from its element of a summary. moments: its mean and m2."""
    kind = kind_of(dtype)
    nulls = int(result["n_nulls"])
    if kind is Kind.NULL or rows == nulls:
        return ColumnStatistics(count=rows, nulls=nulls if kind is not Kind.NULL else rows)
    if kind in (Kind.TEXT, Kind.CATEGORY):
        return ColumnStatistics(
            count=rows,
            nulls=nulls,
            text_bytes=int(result["text_bytes"]),
            max_text_bytes=int(result["max_text_bytes"]),
        )
    minimum, maximum = range_of(result, dtype)
    mean = m2 = None
    if kind in (Kind.DATE, Kind.TIMESTAMP):
        return ColumnStatistics(count=rows, nulls=nulls, minimum=minimum, maximum=maximum)
    if result["n_finite"]:
        mean, m2 = moments
    return ColumnStatistics(
        count=rows,
        nulls=nulls,
        minimum=minimum,
        maximum=maximum,
        mean=mean,
        m2=m2,
        infinite=int(result["n_infinite"]),
        float32_error=float(result["float32_error"]),
    )


def _plain(bits: Any, dtype: str) -> Any:
    """A value as JSON holds it; dates and timestamps as ISO 8601."""
    kind = kind_of(dtype)
    if kind is Kind.FLOAT:
        return float(bits.view(np.float64))
    if dtype == "uint64":
        return int(bits)
    value = int(bits.view(np.int64))
    if kind is Kind.DATE:
        return str(np.datetime64(value, "D"))
    if kind is Kind.TIMESTAMP:
        return str(np.datetime64(value, "ns" if "ns" in dtype else "us"))
    return value
