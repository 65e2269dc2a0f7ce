"""The parser alone, on one core: `python -m benchmarks.parse SOURCE`.

Types are taken from a sample as a conversion does; then all units of the file are parsed one after
the other under them, and what they gave is thrown away. `work_cpu_seconds` is the processor time
within the parser: structure, values, evidence, statistics, Arrow buffers; no reading, no encoding.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from bigdata_cli.sources.bad_values import NeedMore
from bigdata_cli.sources.csv.blocks import LOOKAHEAD_BYTES, BlockReader, split_source, split_units
from bigdata_cli.sources.csv.records import ParsePlan, parse_block
from bigdata_cli.sources.csv.sample import take_sample
from bigdata_cli.sources.csv.source import Source, open_source
from bigdata_cli.types.lattice import TypeOptions


def parse_all(source: Source, plan: ParsePlan) -> Iterator[tuple[Any, float]]:
    """Each chunk of a source of one file, and the processor seconds of parsing it."""
    (fields,) = source.fields_of(source.names)
    (pieces,) = split_source(source, 1)
    position = pieces[0].start
    with BlockReader(source) as reader:
        for unit in split_units(pieces[0]):
            beyond = LOOKAHEAD_BYTES
            while position < unit.stop:
                block = reader.read(0, position, unit.stop + beyond)
                started = time.process_time()
                try:
                    chunk = parse_block(block, position, unit.stop, fields, plan)
                except NeedMore:
                    beyond *= 4
                    continue
                seconds = time.process_time() - started
                plan = replace(plan, columns=chunk.columns)
                position = chunk.position
                yield chunk, seconds


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse a file and print how long it took."""
    import pyarrow as pa

    pa.set_cpu_count(1)
    (path,) = sys.argv[1:] if arguments is None else arguments
    source = open_source([path])
    sample = take_sample(source, TypeOptions())
    rows, seconds = 0, 0.0
    for chunk, spent in parse_all(source, sample.plan):
        rows += chunk.rows
        seconds += spent
    answer = {"rows": rows, "columns": len(source.names), "work_cpu_seconds": round(seconds, 4)}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
