"""Predictions as columns of the label's own values, and the files that hold them."""

from __future__ import annotations

import csv
import io
from typing import IO, Any, Self

import numpy as np
import pyarrow as pa

from bigdata_cli.loaders.target import Target, Task
from bigdata_cli.types.dtype import Kind, arrow_type

ROW_GROUP_ROWS = 1 << 17
ROW_GROUP_BYTES = 1 << 24
_COMPRESSION = "zstd"


class PredictionColumns:
    """Makes the columns of predictions, block by block.

    Attributes:
        names: The names of the columns.
        positive: The value of a binary label whose probability is the column `probability`.
        not_finite: The rows so far whose prediction is NaN or infinite; they get a null.
    """

    def __init__(self, target: Target, *, probabilities: bool) -> None:
        self._target = target
        self._values = _class_values(target)
        shown = _value_texts(target, self._values)
        self._each = [f"probability_{text}" for text in shown] if probabilities else []
        self.positive = shown[1] if target.task is Task.BINARY else None
        first = {
            Task.BINARY: ("probability",),
            Task.CLASSES: ("prediction", "probability"),
            Task.REGRESSION: ("prediction",),
        }[target.task]
        self.names = (*first, *self._each)
        self.not_finite = 0

    def of(self, logits: np.ndarray) -> dict[str, pa.Array]:
        """Return the columns of a block of logits, or of standardised labels (rows, outputs)."""
        good = np.isfinite(logits).all(axis=1)
        self.not_finite += int(len(good) - good.sum())
        missing = None if good.all() else ~good
        target = self._target
        safe = np.where(good[:, np.newaxis], logits, 0.0)
        if target.task is Task.REGRESSION:
            values = safe[:, 0] * target.scale + target.center
            return {"prediction": _in_units(values, target, missing)}
        if target.task is Task.BINARY:
            of_values = np.exp(-np.logaddexp(0.0, np.hstack([safe, -safe])))
            columns = {"probability": pa.array(of_values[:, 1], mask=missing)}
        else:
            of_values = np.exp(safe - np.logaddexp.reduce(safe, axis=1, keepdims=True))
            best = safe.argmax(axis=1)
            columns = {
                "prediction": self._values.take(pa.array(best, mask=missing)),
                "probability": pa.array(of_values[np.arange(len(best)), best], mask=missing),
            }
        for name, place in zip(self._each, range(of_values.shape[1]), strict=False):
            columns[name] = pa.array(np.ascontiguousarray(of_values[:, place]), mask=missing)
        return columns


def _class_values(target: Target) -> pa.Array:
    """Return the values of the label by class: text, or of its dtype; none of a number."""
    column = target.column
    if column.vocabulary is not None:
        return pa.array(column.vocabulary, pa.string())
    numbers = [int(target.center) + place for place in range(target.n_classes)]
    if column.kind is Kind.BOOL:
        return pa.array([bool(number) for number in numbers])
    whole = column.kind is Kind.INT
    return pa.array(numbers, arrow_type(column.dtype) if whole else pa.float64())


def _value_texts(target: Target, values: pa.Array) -> list[str]:
    """Return the values as a CSV has them."""
    if target.column.kind is Kind.BOOL:
        return [str(value).lower() for value in values.to_pylist()]
    return [
        f"{value:g}" if isinstance(value, float) else str(value) for value in values.to_pylist()
    ]


def _in_units(values: np.ndarray, target: Target, missing: np.ndarray | None) -> pa.Array:
    """Return numbers in the units of the label: as dates and timestamps where it is one."""
    kind = target.column.kind
    if kind is Kind.DATE:
        return pa.array(_whole(values, np.int32), mask=missing).cast(pa.date32())
    if kind is Kind.TIMESTAMP:
        stamp = pa.timestamp("us", tz="UTC" if "UTC" in target.column.dtype else None)
        return pa.array(_whole(values * 1e6, np.int64), mask=missing).cast(stamp)
    return pa.array(values, mask=missing)


def _whole(values: np.ndarray, dtype: type[np.signedinteger[Any]]) -> np.ndarray:
    """Round to integers, clipped to the range of the dtype."""
    info = np.iinfo(dtype)
    # float64 cannot hold the largest int64, but the number before it.
    top = np.nextafter(float(info.max) + 1, 0)
    return np.clip(np.rint(values), info.min, top).astype(dtype)


def decoded_column(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return a column of a dataset as it is written: a category as text."""
    if pa.types.is_dictionary(array.type):
        return array.cast(pa.string())
    return array


class TableWriter:
    """Writes blocks of columns as Parquet or CSV; a context manager.

    Row groups have ROW_GROUP_ROWS rows or, where that is less, about ROW_GROUP_BYTES. Nulls are
    empty in a CSV.
    """

    def __init__(self, sink: IO[bytes], *, is_csv: bool) -> None:
        self._sink = sink
        self._is_csv = is_csv
        self._writer: Any = None
        self._pending: list[pa.Table] = []

    def write(self, columns: dict[str, pa.Array | pa.ChunkedArray]) -> None:
        """Append rows; every block has the same columns."""
        self._pending.append(pa.table(columns))
        rows = sum(table.num_rows for table in self._pending)
        n_bytes = sum(table.nbytes for table in self._pending)
        if self._is_csv or rows >= ROW_GROUP_ROWS or n_bytes >= ROW_GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if not self._pending:
            return
        table = pa.concat_tables(self._pending)
        self._pending = []
        if self._writer is None:
            self._writer = self._open(table.schema)
        self._writer.write_table(table)

    def _open(self, schema: pa.Schema) -> Any:
        if self._is_csv:
            import pyarrow.csv

            # Its own header has quotes around every name.
            header = io.StringIO()
            csv.writer(header, lineterminator="\n").writerow(schema.names)
            self._sink.write(header.getvalue().encode())
            options = pyarrow.csv.WriteOptions(include_header=False)
            return pyarrow.csv.CSVWriter(self._sink, schema, write_options=options)
        import pyarrow.parquet

        return pyarrow.parquet.ParquetWriter(self._sink, schema, compression=_COMPRESSION)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._flush()
        if self._writer is not None:
            self._writer.close()
