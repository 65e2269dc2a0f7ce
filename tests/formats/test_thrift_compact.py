"""The compact protocol against Parquet's own footers, and against itself."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli.formats.parquet.thrift_compact import (
    BINARY,
    DOUBLE,
    FALSE,
    I8,
    I16,
    I32,
    I64,
    LIST,
    MAP,
    SET,
    STRUCT,
    TRUE,
    UUID,
    Encoded,
    Mapping,
    Sequence,
    Struct,
    encode_struct,
    parse_struct,
)

LEAVES: dict[int, st.SearchStrategy[Any]] = {
    TRUE: st.booleans(),
    I8: st.integers(-128, 127),
    I16: st.integers(-(2**15), 2**15 - 1),
    I32: st.integers(-(2**31), 2**31 - 1),
    I64: st.integers(-(2**63), 2**63 - 1),
    DOUBLE: st.floats(allow_nan=False),
    BINARY: st.binary(max_size=200),
    UUID: st.binary(min_size=16, max_size=16),
}


@st.composite
def typed_values(draw: st.DrawFn, depth: int = 2) -> tuple[int, Any]:
    kinds = [*LEAVES, *([LIST, SET, MAP, STRUCT] if depth else [])]
    kind = draw(st.sampled_from(kinds))
    if kind in LEAVES:
        return kind, draw(LEAVES[kind])
    if kind == STRUCT:
        return kind, draw(structs(depth - 1))
    element = draw(st.sampled_from(list(LEAVES)))
    if kind in (LIST, SET):
        return kind, Sequence(element, draw(st.lists(LEAVES[element], max_size=40)))
    pairs = draw(st.lists(st.tuples(LEAVES[BINARY], LEAVES[element]), max_size=20))
    return kind, Mapping(BINARY, element, pairs) if pairs else Mapping(0, 0, [])


@st.composite
def structs(draw: st.DrawFn, depth: int = 2) -> Struct:
    made = Struct()
    for field_id in sorted(draw(st.sets(st.integers(1, 2**15 - 1), max_size=8))):
        kind, value = draw(typed_values(depth))
        made.types[field_id] = (TRUE if value else FALSE) if kind == TRUE else kind
        made.values[field_id] = value
    return made


@given(structs())
def test_what_is_encoded_is_parsed(value: Struct) -> None:
    assert parse_struct(encode_struct(value)) == value


@given(structs())
def test_a_struct_that_is_cut_off_is_an_error(value: Struct) -> None:
    encoded = encode_struct(value)
    for length in range(min(len(encoded), 50)):
        with pytest.raises(ValueError, match=r"truncated|not a type"):
            parse_struct(encoded[:length])


def test_a_footer_of_parquet_goes_through_unchanged() -> None:
    sink = pa.BufferOutputStream()
    table = pa.table({f"column {i}": pa.array([i, None, 2.5]) for i in range(30)})
    pq.write_table(table, sink, row_group_size=1, write_page_index=True)
    content = sink.getvalue().to_pybytes()
    n_bytes = int.from_bytes(content[-8:-4], "little")
    footer = content[-8 - n_bytes : -8]
    parsed = parse_struct(footer)
    assert encode_struct(parsed) == footer
    assert parsed[3] == 3
    assert len(parsed[4].items) == 3


def test_an_encoded_element_is_written_as_it_is() -> None:
    inner = Struct({1: I32}, {1: 7})
    plain = Struct({1: LIST}, {1: Sequence(STRUCT, [inner])})
    encoded = Struct({1: LIST}, {1: Sequence(STRUCT, [Encoded(encode_struct(inner))])})
    assert encode_struct(plain) == encode_struct(encoded)


def test_only_fields_that_are_there_can_be_changed() -> None:
    with pytest.raises(KeyError):
        Struct()[1] = 2
