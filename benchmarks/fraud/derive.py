"""PaySim's columns in, the features and the label out, as CSV on standard output, in small blocks.

`python -m benchmarks.fraud.derive TRAIN.csv | python -m bigdata_cli convert - …`: what depends on
differences of balances is computed before anything is stored, so that float32 loses nothing of it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from benchmarks.fraud.features import (
    COLUMNS,
    ERRORS,
    KIND,
    LABEL,
    NUMBERS,
    TYPES,
    balance_errors,
)

BLOCK_BYTES = 1 << 20


def derive(path: Path, out: IO[bytes], *, block_bytes: int = BLOCK_BYTES) -> None:
    """Write the features and the label of each row; memory is that of a block."""
    money = {name: pa.float64() for name in NUMBERS if name != "step"}
    blocks = csv.open_csv(
        path,
        read_options=csv.ReadOptions(use_threads=False, block_size=block_bytes),
        convert_options=csv.ConvertOptions(include_columns=list(COLUMNS), column_types=money),
    )
    writer = None
    for block in blocks:
        table = _features(block)
        if writer is None:
            options = csv.WriteOptions(quoting_style="none", quoting_header="none")
            writer = csv.CSVWriter(out, table.schema, write_options=options)
        writer.write(table)
    if writer is not None:
        writer.close()


def _features(block: pa.RecordBatch) -> pa.RecordBatch:
    columns = {name: block.column(name) for name in NUMBERS}
    errors = balance_errors({name: array.to_numpy() for name, array in columns.items()})
    columns |= {name: pa.array(values) for name, values in zip(ERRORS, errors, strict=True)}
    for kind in TYPES:
        columns[kind] = pc.equal(block.column(KIND), kind).cast(pa.uint8())
    columns[LABEL] = block.column(LABEL)
    return pa.RecordBatch.from_pydict(columns)


if __name__ == "__main__":
    derive(Path(sys.argv[1]), sys.stdout.buffer)
