"""The evidence of single texts, for columns that are read as text."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from bigdata_cli.native.library import CLASSIFIED, address, lib
from bigdata_cli.sources.csv.blocks import PADDING_BYTES
from bigdata_cli.sources.csv.dialect import Dialect
from bigdata_cli.sources.csv.rules import Rules
from bigdata_cli.types.lattice import Observed


def classify_texts(
    texts: pa.StringArray, rules: Rules, column: str, dialect: Dialect
) -> Iterator[tuple[int, Observed]]:
    """(row, what it shows) of each text that is a value in a column that is not text."""
    nulls = frozenset(dialect.tokens_of(column))
    rows, values = [], []
    for row, text in enumerate(texts.to_pylist()):
        trimmed = None if text is None else text.strip(" \t")
        if trimmed and trimmed not in nulls:
            rows.append(row)
            values.append(trimmed.encode())
    stops = np.cumsum([len(value) for value in values], dtype=np.int64)
    starts = stops - np.array([len(value) for value in values], np.int64)
    content = b"".join(values)
    block = np.full(len(content) + PADDING_BYTES, 10, np.uint8)
    block[: len(content)] = np.frombuffer(content, np.uint8)
    found = np.zeros(len(rows), CLASSIFIED)
    lib.bd_classify_texts(
        address(block), address(starts), address(stops), len(rows), rules.native, address(found)
    )
    for row, one in zip(rows, found, strict=True):
        magnitude = int(one["magnitude"])
        sides = (magnitude, 0) if one["negative"] else (0, magnitude)
        yield row, Observed(int(one["forms"]), *sides)
