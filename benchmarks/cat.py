"""CSV out of Arrow tables: our writer beside those of Polars and pyarrow, in processor seconds.

    python -m benchmarks.cat [--rows 1000000] [--runs 3]

For each shape of columns one line: the processor time of the whole process for one table in memory,
the best of the runs, to a file that is thrown away. `ratio` is the time of Polars for one of ours.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

_BATCH_ROWS = 65_536
_DECADES = 10**9


def shapes(n_rows: int) -> dict[str, pa.Table]:
    """Tables of one kind of column each."""
    rng = np.random.default_rng(0)

    def columns(n: int, make: Callable[[], pa.Array]) -> pa.Table:
        return pa.table({f"c{i}": make() for i in range(n)})

    words = pa.array(["PAYMENT", "TRANSFER", "CASH_OUT", "DEBIT"])
    return {
        "float32": columns(8, lambda: pa.array(rng.normal(size=n_rows).astype(np.float32))),
        "float64": columns(4, lambda: pa.array(rng.normal(size=n_rows))),
        "prices": columns(4, lambda: pa.array(np.round(rng.exponential(1e4, n_rows), 2))),
        "integers": columns(8, lambda: pa.array(rng.integers(0, _DECADES, n_rows))),
        "texts": columns(
            3, lambda: pa.array([f"C{number}" for number in rng.integers(0, _DECADES, n_rows)])
        ),
        "categories": columns(
            4, lambda: words.take(pa.array(rng.integers(0, 4, n_rows))).dictionary_encode()
        ),
        "timestamps": columns(
            3, lambda: pa.array(rng.integers(0, 17 * 10**14, n_rows)).cast(pa.timestamp("us"))
        ),
        "dates": columns(
            3, lambda: pa.array(rng.integers(0, 20_000, n_rows).astype(np.int32)).cast(pa.date32())
        ),
    }


def write_ours(table: pa.Table, path: Path) -> None:
    """As `bigdata cat` writes it."""
    from bigdata_cli.export.writers import open_writer

    with path.open("wb") as file:
        writer = open_writer("csv", file, table.schema)
        for batch in table.to_batches(max_chunksize=_BATCH_ROWS):
            writer.write(batch)
        writer.close()


def write_pyarrow(table: pa.Table, path: Path) -> None:
    """As pyarrow writes it, which takes no dictionaries."""
    import pyarrow.csv

    plain = [c.cast(pa.string()) if pa.types.is_dictionary(c.type) else c for c in table.columns]
    pyarrow.csv.write_csv(pa.table(plain, names=table.column_names), path)


def processor_seconds(action: Callable[[], object]) -> float:
    """Of this process, all its threads."""
    before = os.times()
    action()
    after = os.times()
    return after.user + after.system - before.user - before.system


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure all shapes and print a table."""
    import polars as pl

    parser = argparse.ArgumentParser(prog="python -m benchmarks.cat", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args(arguments)
    print("| columns | bigdata | Polars | pyarrow | ratio |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "out.csv")
        for name, table in shapes(asked.rows).items():
            frame = pl.DataFrame(table)
            actions: list[Callable[[], object]] = [
                lambda table=table: write_ours(table, path),
                lambda frame=frame: frame.write_csv(path),
                lambda table=table: write_pyarrow(table, path),
            ]
            seconds = [
                min(processor_seconds(action) for _ in range(asked.runs)) for action in actions
            ]
            shown = " | ".join(f"{second:.2f} s" for second in seconds)
            ratio = seconds[1] / max(seconds[0], 1e-9)
            print(f"| {len(table.columns)} × {name} | {shown} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
