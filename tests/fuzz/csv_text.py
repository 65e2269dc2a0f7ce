"""Tables that Python's csv writes, and any bytes."""

from __future__ import annotations

import csv
import io
import random
from typing import Any

from bigdata_cli.sources.bad_values import RecordError
from bigdata_cli.sources.csv.dialect import Dialect
from tests.fuzz import mutated, target
from tests.fuzz.blocks import parse
from tests.sources.test_fuzz import DIALECTS, PIECES

LETTERS = "ab01.-,;|\t:'\"\\^# \n\ré😀"
DTYPES = ("null", "null", "text", "int8", "int64", "uint64", "float32", "float64", "date", "bool")
DTYPES += ("timestamp", "category")


def _cell(chance: random.Random) -> str:
    n = chance.choice([0, 1, 2, 3, 7, 30, 70]) if chance.random() < 0.2 else chance.randrange(6)
    return "".join(chance.choices(LETTERS, k=n))


def _arguments(chance: random.Random) -> dict[str, Any]:
    """Arguments of csv.writer that our dialects can say."""
    return {
        "delimiter": chance.choice([",", ";", "\t", "|", " ", ":", "\x1f"]),
        "quotechar": chance.choice(['"', "'", "`"]),
        "quoting": chance.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
        "doublequote": True,
        "lineterminator": chance.choice(["\n", "\r\n", "\r"]),
    }


@target
def csv_tables(chance: random.Random) -> int:
    """What csv.writer writes comes back, where csv.reader agrees that it does."""
    arguments = _arguments(chance)
    width = chance.randint(1, 5)
    rows = [[_cell(chance) for _ in range(width)] for _ in range(chance.randint(1, 40))]
    stream = io.StringIO(newline="")
    csv.writer(stream, **arguments).writerows(rows)
    text = stream.getvalue()
    if list(csv.reader(io.StringIO(text, newline=""), **arguments)) != rows:
        return 0
    dialect = Dialect(
        delimiter=arguments["delimiter"], quote=arguments["quotechar"], null_tokens=("\x07",)
    )
    chunk = parse(text.encode(), dialect, ["text"] * width, skip=False)
    found = [list(row.values()) for row in chunk.batch.to_pylist()]
    assert found == rows, (text, arguments, found)
    return len(rows)


@target
def hostile_text(chance: random.Random) -> int:
    """Any bytes are rows or a located error, the same whether bad rows are set aside or not."""
    dialect = chance.choice(DIALECTS)
    width = 1 if dialect.is_text else chance.randint(1, 4)
    dtypes = ["text"] if dialect.is_text else chance.choices(DTYPES, k=width)
    data = b"".join(chance.choices(PIECES, k=chance.choice([3, 20, 60, 400])))
    data = mutated(data, chance, PIECES)
    refused = None
    try:
        whole = parse(data, dialect, dtypes, skip=False)
        _check(whole, data)
    except RecordError as error:
        refused = error
    chunk = parse(data, dialect, dtypes, skip=True)
    _check(chunk, data)
    if refused is None:
        assert not chunk.rejects
        assert chunk.batch.equals(whole.batch), (data, dialect)
    else:
        assert 0 <= refused.offset < max(len(data), 1), (data, refused)
        assert chunk.rows + len(chunk.rejects) > 0, (data, dialect)
    return 1


def _check(chunk: Any, data: bytes) -> None:
    """All bytes were gone through, and the batch is sound."""
    assert chunk.position == len(data), data
    assert chunk.batch.num_rows == chunk.rows, data
    chunk.batch.validate(full=True)
