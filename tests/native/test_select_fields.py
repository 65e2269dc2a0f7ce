"""Fields of records that are kept apart: they read as they do among the others."""

from __future__ import annotations

import random

import numpy as np
import pytest

from bigdata_cli.sources.csv.blocks import PADDING_BYTES, Block
from bigdata_cli.sources.csv.dialect import Dialect
from bigdata_cli.sources.csv.records import ParsePlan, parse_block
from bigdata_cli.sources.csv.rules import compile_rules
from bigdata_cli.sources.csv.select_fields import record_offset, select_fields
from bigdata_cli.types.state import ColumnState

DIALECTS = [
    Dialect(delimiter=","),
    Dialect(delimiter=",", comment="#"),
    Dialect(delimiter="\t", quote=None),
    Dialect(delimiter=";", escape="\\"),
    Dialect(delimiter="::", quote="'"),
    Dialect(delimiter=",", trim=True),
    Dialect(delimiter="|", quote='"', escape='"', comment="x"),
    Dialect(delimiter="0", comment="1", quote="2", escape="3"),
]
N_FIELDS = 4


def block_of(text: bytes) -> Block:
    data = np.full(len(text) + PADDING_BYTES, 10, np.uint8)
    data[: len(text)] = np.frombuffer(text, np.uint8)
    return Block(data, 1_000, len(text), True)


def parsed(block: Block, fields: list[int], dialect: Dialect, n_columns: int, *, skip: bool):
    columns = tuple(
        ColumnState(name=f"c{i}", dtype="text", fixed=True, distinct=None) for i in range(n_columns)
    )
    plan = ParsePlan(dialect=dialect, columns=columns, skip_bad_rows=skip)
    return parse_block(block, block.offset, block.offset + block.size, fields, plan)


def random_field(chance: random.Random, dialect: Dialect) -> str:
    quote, escape, delimiter = dialect.quote, dialect.escape, dialect.delimiter
    plain = "".join(chance.choice("abé 7#x1") for _ in range(chance.randrange(6)))
    plain = "".join(c for c in plain if c not in (delimiter, quote, escape))
    kind = chance.randrange(4)
    if kind == 0 and quote is not None:
        inner = "".join(
            chance.choice([*"ab \n\r", delimiter, quote * 2]) for _ in range(chance.randrange(6))
        )
        if escape and escape != quote:
            inner = inner.replace(escape, "")
        space = " " * chance.randrange(3) if dialect.trim else ""
        return f"{space}{quote}{inner}{quote}{space}"
    if kind == 1 and escape and escape != quote:
        return f"{plain}{escape}{chance.choice([delimiter[0], 'n', escape])}"
    return plain


@pytest.mark.parametrize("number", range(len(DIALECTS)))
@pytest.mark.parametrize("seed", range(60))
def test_they_read_as_they_do_among_the_others(number, seed):
    dialect, chance = DIALECTS[number], random.Random(seed)
    lines = []
    for _ in range(chance.randrange(40)):
        record = dialect.delimiter.join(
            random_field(chance, dialect) for _ in range(chance.choice([N_FIELDS] * 9 + [2]))
        )
        lines.append(record + chance.choice(["\n", "\n", "\r\n", "\r"]))
        if chance.random() < 0.1:
            lines.append(chance.choice(["\n", "\r\n"]))
        if dialect.comment is not None and chance.random() < 0.1:
            lines.append(f"{dialect.comment} a comment, of course\n")
    text = "".join(lines)
    if chance.random() < 0.5:
        text = text.rstrip("\r\n")
    block = block_of(text.encode())
    whole = parsed(block, list(range(N_FIELDS)), dialect, N_FIELDS, skip=True)
    wanted = [chance.random() < 0.5 for _ in range(N_FIELDS)]
    rules = compile_rules(dialect)
    chosen = [i for i, is_wanted in enumerate(wanted) if is_wanted]
    selected = select_fields(block, whole.rejects, rules, wanted, whole.rows)
    some = block_of(selected.tobytes())
    found = parsed(some, [-1, *range(len(chosen))], dialect, len(chosen), skip=False)
    assert found.rows == whole.rows
    assert not found.rejects
    for column, i in enumerate(chosen):
        assert found.batch.column(column).to_pylist() == whole.batch.column(i).to_pylist()


def test_where_a_record_begins():
    text = b'\n#c\na,1,x,\n"b\n",2,x,y\r\n\r\nbad\nc,3,x,y\n'
    dialect = Dialect(delimiter=",", comment="#")
    block = block_of(text)
    whole = parsed(block, [0, 1, 2, 3], dialect, 4, skip=True)
    assert len(whole.rejects) == 1
    places = [record_offset(block, whole.rejects, dialect, row) - 1_000 for row in range(4)]
    assert places == [text.index(b"a,1"), text.index(b'"b'), text.index(b"c,3"), len(text)]


@pytest.mark.parametrize("trim", [False, True])
def test_a_surplus_is_joined_as_the_parser_joins_it(trim):
    dialect = Dialect(
        delimiter=",", trim=trim, trailing_delimiter=True, long_rows="join", join_field=1
    )
    text = b"1,a,2,\n1,a,b,2,\n1,a,b,c,2\n" + (b"1,a,b,2,  \n1,a,2, \n" if trim else b"")
    block = block_of(text)
    whole = parsed(block, [0, 1, 2, -1], dialect, 3, skip=True)
    assert whole.batch.column(1).to_pylist() == ["a", "a,b", "a,b,c", *["a,b", "a"][: 2 * trim]]
    wanted = [True, True, True, False]
    selected = select_fields(block, whole.rejects, compile_rules(dialect), wanted, whole.rows)
    found = parsed(block_of(selected.tobytes()), [-1, 0, 1, 2], dialect.mended(), 3, skip=False)
    assert found.batch.to_pydict() == whole.batch.to_pydict()
