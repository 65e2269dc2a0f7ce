"""What a comparison gives."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from bigdata_cli.comparison.drift import Drift
from bigdata_cli.comparison.rows import RowDifference
from bigdata_cli.printable import ShortRepr
from bigdata_cli.types.statistics import ColumnStatistics


@dataclass(frozen=True, kw_only=True)
class ColumnSide:
    """A column of one side, with its statistics."""

    dtype: str
    nulls: int
    minimum: Any
    maximum: Any
    mean: float | None
    std: float | None

    @classmethod
    def of(cls, dtype: str, known: ColumnStatistics) -> ColumnSide:
        """From the statistics of a column."""
        return cls(
            dtype=dtype,
            nulls=known.nulls,
            minimum=known.minimum,
            maximum=known.maximum,
            mean=known.mean,
            std=known.std,
        )


@dataclass(frozen=True, kw_only=True)
class ColumnDifference:
    """A column of both sides, or of one of them.

    Attributes:
        a, b: None where the side has no such column.
        differing_values: How many values differ, row by row; None where they were not compared.
        drift: None where there are no values, or they are of kinds that cannot be compared.
    """

    name: str
    a: ColumnSide | None
    b: ColumnSide | None
    differing_values: int | None = None
    drift: Drift | None = None

    @property
    def has_other_dtype(self) -> bool:
        """Whether it is missing on one side, or has another dtype there."""
        return self.a is None or self.b is None or self.a.dtype != self.b.dtype


@dataclass(frozen=True, kw_only=True, repr=False)
class DiffReport(ShortRepr):
    """Two datasets or files beside each other.

    Attributes:
        a, b: What was compared, as the user gave it.
        rows_a, rows_b: Their rows, estimated where only samples were read.
        is_full: Whether all rows were compared, one by one, and not only samples.
        same_order: Whether the columns that both have stand in the same order.
        columns: Those of the first side, then those that the second one has alone.
        differing_rows: Rows that both have and that differ; None where they were not compared.
        first_rows: The first ones of these.
        notes: What could not be compared.
    """

    shown = (
        "a",
        "b",
        "rows_a",
        "rows_b",
        "is_equal",
        "is_full",
        "columns",
        "differing_rows",
        "notes",
    )

    a: str
    b: str
    rows_a: int
    rows_b: int
    is_full: bool
    same_order: bool
    columns: tuple[ColumnDifference, ...]
    differing_rows: int | None
    first_rows: tuple[RowDifference, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_equal(self) -> bool:
        """Whether both have the same columns, dtypes and rows in the same order.

        Of samples it is whether nothing that was compared differs.
        """
        return (
            self.same_order
            and not any(column.has_other_dtype for column in self.columns)
            and (not self.is_full or self.rows_a == self.rows_b)
            and not self.differing_rows
        )

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        columns = [
            asdict(column) | ({} if column.drift is None else {"drift": _drift(column.drift)})
            for column in self.columns
        ]
        return asdict(self) | {"columns": columns, "is_equal": self.is_equal}


def _drift(drift: Drift) -> dict[str, Any]:
    return asdict(drift) | {"size": drift.size}
