"""Columns that have one value for all rows of a file: the keys in the names of its folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from bigdata_cli.native.parser import RESULT, DistinctTexts
from bigdata_cli.sources.csv.blocks import PADDING_BYTES, Block
from bigdata_cli.sources.csv.dialect import Dialect
from bigdata_cli.sources.csv.files import FileFields
from bigdata_cli.sources.csv.records import Chunk, ParsePlan, parse_block
from bigdata_cli.types.state import arrow_schema
from bigdata_cli.types.summary import Summary

_MARK = "\x1f"
_DIALECT = Dialect(delimiter=_MARK, quote=None, header=False, null_tokens=("",))


def parse_block_of_file(
    block: Block, start: int, limit: int, fields: Sequence[int], plan: ParsePlan
) -> Chunk:
    """`records.parse_block`, with the constant columns of the file.

    They are parsed as fields are, so that their dtypes, evidence and statistics follow from the
    same rules.
    """
    if not isinstance(fields, FileFields) or not fields.constants:
        return parse_block(block, start, limit, fields, plan)
    texts = dict(fields.constants)
    own = [index for index in range(len(plan.columns)) if index not in texts]
    place = {column: index for index, column in enumerate(own)}
    columns = tuple(plan.columns[index] for index in own)
    found = parse_block(
        block,
        start,
        limit,
        [place.get(field, -1) for field in fields],
        replace(plan, columns=columns, divides=False),
    )
    row = _MARK + _MARK.join(texts.values()) + "\n"  # with a first field, so that none is blank
    size = found.rows * len(row.encode())
    data = np.full(size + PADDING_BYTES, 10, np.uint8)
    data[:size] = np.frombuffer(row.encode() * found.rows, np.uint8)
    constants = parse_block(
        Block(data, 0, size, True),
        0,
        size,
        range(-1, len(texts)),
        replace(
            plan,
            dialect=_DIALECT,
            columns=tuple(plan.columns[index] for index in texts),
            skip_bad_rows=False,
            split=None,
            divides=False,
        ),
    )
    if plan.hash_split is not None and found.hashes is not None:
        named = {plan.columns[index].name: text for index, text in texts.items()}
        found = replace(found, hashes=found.hashes + plan.hash_split.hash_of_constants(named))
    return _joined(found, own, constants, list(texts), plan)


def _joined(
    found: Chunk, own: list[int], constants: Chunk, added: list[int], plan: ParsePlan
) -> Chunk:
    """The columns of two chunks of the same rows, in the order of the plan."""
    n = len(plan.columns)
    states, arrays = list(plan.columns), [pa.nulls(0)] * n
    results, modes = np.zeros(n, RESULT), np.zeros(n, np.int32)
    parts: dict[int, tuple[int, int, int, int]] = {}
    for chunk, indices in ((found, own), (constants, added)):
        for place, index in enumerate(indices):
            states[index] = chunk.columns[place]
            arrays[index] = chunk.batch.column(place)
            if chunk.texts is not None and place in chunk.texts.parts:
                parts[index] = chunk.texts.parts[place]
        results[indices] = chunk.summary.results
        modes[indices] = chunk.summary.modes
    same = all(a is b for a, b in zip(states, plan.columns, strict=True))
    columns = plan.columns if same else tuple(states)
    memory = (found.texts, constants.texts)
    return replace(
        found,
        batch=pa.RecordBatch.from_arrays(arrays, schema=arrow_schema(columns)),
        columns=columns,
        summary=Summary(results, modes, found.rows),
        texts=DistinctTexts(parts, memory) if parts else None,
    )
