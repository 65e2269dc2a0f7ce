"""Pages of our own, read by pyarrow, DuckDB, Polars and fastparquet, whatever the columns hold."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bigdata_cli.formats.base import ShardName, StorageOptions
from bigdata_cli.formats.parquet.format import ParquetFormat
from bigdata_cli.formats.parquet.thrift_compact import parse_struct
from bigdata_cli.io.local_store import LocalStore
from bigdata_cli.io.store import partial_name
from bigdata_cli.native.compile import LEVELS, family
from bigdata_cli.native.library import lib
from bigdata_cli.types.dtype import Column, Schema, arrow_type
from tests.examples import n_examples
from tests.formats.parquet_tables import ALL, NULLS, NUMBERS, PATTERNS, TEXTS, chunked, column

QUICK = settings(
    max_examples=n_examples(60),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
CODECS = ("zstd", "zstd:5", "snappy", "gzip", "lz4", "brotli", "none")


def schema_of(dtypes: list[str]) -> Schema:
    return Schema(
        tuple(
            Column(
                name=f"c{i} {dtype}",
                dtype=dtype,
                vocabulary=("of no account",) if dtype == "category" else None,
            )
            for i, dtype in enumerate(dtypes)
        )
    )


def one_column(dtype: str) -> Schema:
    vocabulary = ("of no account",) if dtype == "category" else None
    return Schema((Column(name="x", dtype=dtype, vocabulary=vocabulary),))


def write(
    folder: Path, schema: Schema, tables: list[pa.Table], compression: str | None = None
) -> Path:
    options = StorageOptions(layout="rows", compression=compression)
    name = ShardName(stem="t", index=0, count=1)
    writer = ParquetFormat().writer(LocalStore(folder), name, schema, options)
    for table in tables:
        writer.append(writer.encode(table))
    [file] = (entry.name for entry in writer.close())
    return (folder / partial_name(file)).rename(folder / file)


def same(mine: pa.Array | pa.ChunkedArray, theirs: pa.Array | pa.ChunkedArray) -> bool:
    """Equal, floats bit by bit."""
    arrays = []
    for array in (mine, theirs):
        if isinstance(array, pa.ChunkedArray):
            array = pa.concat_arrays(array.chunks or [pa.array([], array.type)])
        if pa.types.is_dictionary(array.type) or "view" in str(array.type):
            array = array.cast(pa.string())
        if pa.types.is_large_string(array.type):
            array = array.cast(pa.string())
        arrays.append(array)
    if pa.types.is_floating(arrays[0].type):
        bits = {32: pa.uint32(), 64: pa.uint64()}[arrays[0].type.bit_width]
        valid = arrays[1].is_valid()
        if not arrays[0].is_valid().equals(valid):
            return False
        arrays = [array.drop_null().view(bits) for array in arrays]
    return arrays[0].equals(arrays[1])


def check_statistics(path: Path, table: pa.Table) -> None:
    """The bounds and counts of every column chunk."""
    metadata = pq.read_metadata(path)
    start = 0
    for g in range(metadata.num_row_groups):
        group = metadata.row_group(g)
        for i, name in enumerate(table.column_names):
            values = table.column(name).slice(start, group.num_rows).drop_null()
            statistics = group.column(i).statistics
            assert statistics.null_count == group.num_rows - len(values)
            if pa.types.is_floating(values.type):
                values = values.filter(pc.invert(pc.is_nan(values)))
            if not len(values) or not statistics.has_min_max:
                assert len(values) == 0 or pa.types.is_string(values.type)
                continue
            low, high = pc.min_max(values).values()
            if pa.types.is_string(values.type):
                # Long ones are cut: bounds, that are not values.
                assert statistics.min.encode() <= low.as_py().encode()
                assert statistics.max.encode() >= high.as_py().encode()
                assert max(len(statistics.min.encode()), len(statistics.max.encode())) <= 64
                if max(len(low.as_py().encode()), len(high.as_py().encode())) <= 64:
                    assert (statistics.min, statistics.max) == (low.as_py(), high.as_py())
            elif pa.types.is_timestamp(values.type):
                lowest, highest = low.value, high.value
                assert _ticks(group.column(i)) == (lowest, highest)
            else:
                assert statistics.min == low.as_py()
                assert statistics.max == high.as_py()
        start += group.num_rows


def _ticks(chunk: Any) -> tuple[int, int]:
    return (
        int.from_bytes(_raw(chunk.statistics.min_raw), "little", signed=True),
        int.from_bytes(_raw(chunk.statistics.max_raw), "little", signed=True),
    )


def _raw(value: Any) -> bytes:
    return value if isinstance(value, bytes) else int(value).to_bytes(8, "little", signed=True)


cases = st.tuples(
    st.sampled_from(ALL), st.sampled_from(PATTERNS), st.sampled_from(NULLS), st.integers(0, 2**32)
)
rows = st.one_of(st.integers(0, 40), st.integers(100, 3000))


@given(columns=st.lists(cases, min_size=1, max_size=8), n=rows, data=st.data())
@QUICK
def test_every_column_comes_back(
    tmp_path: Path, columns: list[tuple[str, str, str, int]], n: int, data: st.DataObject
) -> None:
    schema = schema_of([case[0] for case in columns])
    arrays = [column(dtype, pattern, nulls, n, s) for dtype, pattern, nulls, s in columns]
    tables = []
    for _ in range(2):
        cuts = sorted(data.draw(st.lists(st.integers(0, n), max_size=4)))
        chunks = [chunked(a, c.dtype, cuts) for a, c in zip(arrays, schema, strict=True)]
        tables.append(pa.table(chunks, schema=schema.arrow()))
    compression = data.draw(st.sampled_from(CODECS))
    path = write(tmp_path, schema, tables[:1], compression)
    content = path.read_bytes()
    table = pq.ParquetFile(path, page_checksum_verification=True).read()
    plain = pa.table(arrays, names=list(schema.names))
    for name in schema.names:
        assert same(table.column(name), plain.column(name)), name
    if n:
        check_statistics(path, plain)
    assert write(tmp_path, schema, tables[1:], compression).read_bytes() == content


@pytest.mark.parametrize("compression", ["zstd", "none"])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_text_and_category_are_the_same_bytes(
    tmp_path: Path, pattern: str, compression: str
) -> None:
    """Whether a dictionary pays, and what is in it, follows from the values alone."""
    encodings = set()
    large = NULLS[PATTERNS.index(pattern) % len(NULLS)], 70_000  # with each kind in turn
    for nulls, n in (*itertools.product(NULLS, (1, 40, 4_096, 5_000)), large):
        array = column("text", pattern, nulls, n, n)
        contents = []
        for dtype in ("text", "category"):
            schema = one_column(dtype)
            for cuts in ([], [n // 3, n // 2]):
                table = pa.table([chunked(array, dtype, cuts)], schema=schema.arrow())
                path = write(tmp_path, schema, [table], compression)
                contents.append(path.read_bytes())
                encodings.update(pq.read_metadata(path).row_group(0).column(0).encodings)
        assert len(set(contents)) == 1, (nulls, n)
    assert "RLE_DICTIONARY" in encodings or pattern in ("random", "ascending")
    assert "DELTA_LENGTH_BYTE_ARRAY" in encodings


@pytest.mark.parametrize("dtype", ["int64", "float64", "text"])
@pytest.mark.parametrize("distance", [4_096, 16_384, 20_000, 20_001])
def test_values_that_come_again_far_away_get_a_dictionary(
    tmp_path: Path, dtype: str, distance: int
) -> None:
    random = np.random.default_rng(distance)
    block = random.integers(-(2**62), 2**62, distance)
    values: Any = np.tile(block, 200_000 // distance)
    if dtype == "text":
        values = [f"{value:x}" for value in values.tolist()]
    if dtype == "float64":
        values = values / 3.0
    table = pa.table({"x": pa.array(values)})
    path = write(
        tmp_path,
        one_column(dtype),
        [table],
    )
    chunk = pq.read_metadata(path).row_group(0).column(0)
    assert "RLE_DICTIONARY" in chunk.encodings
    # Of each page the codes once.
    value_bytes = 12 if dtype == "text" else 8
    assert chunk.total_compressed_size < (value_bytes + 4 * 2.2) * distance + 20_000
    assert pq.read_table(path).column("x").equals(table.column("x"))


def test_integers_as_they_are_where_differences_take_more(tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(-(2**63), 2**63 - 1, 30_000)
    for compression in ("zstd", "none"):
        schema = one_column("int64")
        path = write(tmp_path, schema, [pa.table({"x": values})], compression)
        assert "PLAIN" in pq.read_metadata(path).row_group(0).column(0).encodings
        assert path.stat().st_size < values.nbytes + 500


@pytest.mark.parametrize("dtype", ["int64", "float64", "float32", "int32"])
@pytest.mark.parametrize(("pool", "has_dictionary"), [(30_000, True), (2**22, False)])
def test_many_numbers_beside_a_common_one(
    tmp_path: Path, dtype: str, pool: int, has_dictionary: bool
) -> None:
    """A sample has too few of them to tell how many are distinct."""
    random = np.random.default_rng(pool)
    n = 120_000
    numbers = random.integers(-(2**23), 2**23, pool)[random.integers(0, pool, n)]
    numbers[random.random(n) < 0.35] = 0
    scale = {"int64": 1 << 38, "int32": 1 << 7}.get(dtype, 1)
    values = (numbers * scale).astype(dtype)
    path = write(tmp_path, one_column(dtype), [pa.table({"x": values})], "none")
    chunk = pq.read_metadata(path).row_group(0).column(0)
    assert ("RLE_DICTIONARY" in chunk.encodings) == has_dictionary
    assert chunk.total_uncompressed_size < values.nbytes * 1.01
    assert pq.read_table(path).column("x").to_numpy().tobytes() == values.tobytes()


@pytest.mark.parametrize("pattern", PATTERNS)
def test_several_pages_and_row_groups(tmp_path: Path, pattern: str) -> None:
    """Each dtype with two kinds of nulls."""
    n = 80_000
    dtypes = [*ALL, *ALL]
    schema = schema_of(dtypes)
    turn = PATTERNS.index(pattern)
    arrays = []
    for i, dtype in enumerate(dtypes):
        nulls = NULLS[(i + turn + 2 * (i // len(ALL))) % len(NULLS)]
        arrays.append(column(dtype, pattern, nulls, n, 7 + i))
    plain = pa.table(arrays, names=list(schema.names))
    chunks = [
        chunked(a, c.dtype, [10_000, 10_001, 66_666]) for a, c in zip(arrays, schema, strict=True)
    ]
    table = pa.table(chunks, schema=schema.arrow())
    path = write(tmp_path, schema, [table.slice(0, 70_000), table.slice(70_000)])
    check_statistics(path, plain)
    check_page_index(path, plain)
    back = pq.ParquetFile(path, page_checksum_verification=True).read()
    frame = pl.read_parquet(path).to_arrow()
    with duckdb.connect() as connection:
        connection.sql("SET TimeZone = 'UTC'")
        relation = connection.sql(f"SELECT * FROM '{path}'")
        for name in schema.names:
            assert same(back.column(name), plain.column(name)), name
            assert same(frame.column(name), plain.column(name)), f"Polars: {name}"
            found = relation.select(f'"{name}"').to_arrow_table().column(0)
            assert same(found.cast(plain.column(name).type), plain.column(name)), f"DuckDB: {name}"


@pytest.mark.parametrize("where", ["first", "last"])
@pytest.mark.parametrize(
    ("dtype", "encoding"),
    [
        ("uint8", "DELTA_BINARY_PACKED"),
        ("int64", "DELTA_BINARY_PACKED"),
        ("text", "DELTA_LENGTH_BYTE_ARRAY"),
    ],
)
def test_a_page_of_nulls_beside_pages_of_differences(
    tmp_path: Path, dtype: str, encoding: str, where: str
) -> None:
    """Readers ask for the header of the differences, though there are none."""
    n = 66_000  # a page has 65,536 rows
    numbers = np.arange(n) % 250 if dtype == "uint8" else np.arange(n)
    values = [f"text {i}" for i in numbers] if dtype == "text" else numbers.tolist()
    rows = [None] * n + values if where == "first" else values + [None] * n
    array = pa.array(rows, arrow_type(dtype))
    path = write(tmp_path, one_column(dtype), [pa.table({"x": array})])
    assert encoding in pq.read_metadata(path).row_group(0).column(0).encodings
    assert pq.read_table(path).column("x").combine_chunks().equals(array)
    assert same(pl.read_parquet(path).to_arrow().column("x"), array)
    assert duckdb.sql(f"SELECT x FROM '{path}'").to_arrow_table().column(0).to_pylist() == rows


def check_page_index(path: Path, table: pa.Table) -> None:
    """Every page of every chunk lies where the offset index says, with the rows and bounds said."""
    content = path.read_bytes()
    size = int.from_bytes(content[-8:-4], "little")
    footer = parse_struct(content[-8 - size : -8])
    start = 0
    for group in footer[4].items:
        chunks = group[1].items
        indexed = [4 in chunk for chunk in chunks]
        assert all(indexed) or not any(indexed)
        for i, chunk in enumerate(chunks if any(indexed) else []):
            offsets = parse_struct(content[chunk[4] : chunk[4] + chunk[5]])[1].items
            firsts = [page[3] for page in offsets] + [group[3]]
            assert firsts[0] == 0
            for page in offsets:
                header = parse_struct(content[page[1] : page[1] + 100])
                assert header[1] == 0
                assert page[2] > header[3]
            if 6 not in chunk:
                continue
            index = parse_struct(content[chunk[6] : chunk[6] + chunk[7]])
            for p, (first, last) in enumerate(pairwise(firsts)):
                part = table.column(i).slice(start + first, last - first)
                assert index[5].items[p] == part.null_count
                assert index[1].items[p] == (part.null_count == len(part))
                if pa.types.is_string(part.type) and len(part.drop_null()):
                    low, high = (v.as_py().encode() for v in pc.min_max(part).values())
                    assert index[2].items[p] <= low
                    assert index[3].items[p] >= high
                    if max(len(low), len(high)) <= 64:
                        assert (index[2].items[p], index[3].items[p]) == (low, high)
        start += group[3]


@pytest.mark.parametrize("n_alike", [0, 1, 7, 8, 9, 16, 40])
def test_bounds_of_texts_that_begin_alike(tmp_path: Path, n_alike: int) -> None:
    """Some are the beginning of others, some go on with bytes of zero; in three pages."""
    n = 140_000
    random = np.random.default_rng(n_alike)
    ends = ["", "\0", "\0\0", "a", "é", "\x7f\x7f", "🙂"]
    between = [f"{number:x}" for number in random.integers(0, 1 << 40, n).tolist()]
    values = [
        "b" * n_alike + (middle if kind < 90 else "") + ends[kind % len(ends)]
        for middle, kind in zip(between, random.integers(0, 100, n).tolist(), strict=True)
    ]
    table = pa.table({"x": pa.array(values, mask=random.random(n) < 0.1)})
    path = write(tmp_path, one_column("text"), [table])
    chunk = pq.read_metadata(path).row_group(0).column(0)
    assert "DELTA_LENGTH_BYTE_ARRAY" in chunk.encodings
    kept = [value.encode() for value in table.column("x").to_pylist() if value is not None]
    assert (chunk.statistics.min_raw, chunk.statistics.max_raw) == (min(kept), max(kept))
    check_page_index(path, table)


@pytest.mark.parametrize("compression", CODECS)
def test_codecs_and_readers(tmp_path: Path, compression: str) -> None:
    schema = schema_of([*NUMBERS, *TEXTS, "bool"])
    arrays = [column(c.dtype, "many", "few", 5000, i) for i, c in enumerate(schema)]
    plain = pa.table(arrays, names=list(schema.names))
    chunks = [chunked(a, c.dtype, [999]) for a, c in zip(arrays, schema, strict=True)]
    path = write(tmp_path, schema, [pa.table(chunks, schema=schema.arrow())], compression)
    back, frame = pq.read_table(path), pl.read_parquet(path).to_arrow()
    for name in schema.names:
        assert same(back.column(name), plain.column(name)), name
        assert same(frame.column(name), plain.column(name)), f"Polars: {name}"
    with duckdb.connect() as connection:
        [(n,)] = connection.sql(f"SELECT count(*) FROM '{path}'").fetchall()
    assert n == 5000


def test_fastparquet_reads_what_it_knows(tmp_path: Path) -> None:
    """It has neither DELTA_LENGTH_BYTE_ARRAY nor BYTE_STREAM_SPLIT; all else comes back."""
    fastparquet = pytest.importorskip("fastparquet")
    dtypes = [d for d in NUMBERS if d != "timestamp[ns, UTC]"]
    for pattern in ("few", "skewed", "ascending", "runs", "many"):
        schema = schema_of([*dtypes, "category", "bool"])
        arrays = [column(c.dtype, pattern, "none", 3000, i) for i, c in enumerate(schema)]
        day = schema.names.index(f"c{dtypes.index('date')} date")
        arrays[day] = arrays[0].cast(pa.int32()).view(pa.date32())
        chunks = [chunked(a, c.dtype, [999]) for a, c in zip(arrays, schema, strict=True)]
        path = write(tmp_path, schema, [pa.table(chunks, schema=schema.arrow())])
        metadata = pq.read_metadata(path).row_group(0)
        unknown = {"BYTE_STREAM_SPLIT", "DELTA_LENGTH_BYTE_ARRAY"}
        known = [
            name
            for i, name in enumerate(schema.names)
            if not unknown & set(metadata.column(i).encodings)
        ]
        assert len(known) >= len(schema) - (2 if pattern == "few" else 3)
        frame = fastparquet.ParquetFile(str(path)).to_pandas(columns=known)
        for name in known:
            expected = arrays[schema.names.index(name)].to_pandas()
            found = frame[name]
            if "date" in name:  # it has nanoseconds only, which end in 2262
                expected = pd.to_datetime(expected).astype("datetime64[ns]")
            assert (np.asarray(found) == np.asarray(expected)).all(), (pattern, name)


def test_a_table_without_rows_and_one_without_row_groups(tmp_path: Path) -> None:
    schema = schema_of(list(ALL))
    empty = pa.Table.from_batches([], schema.arrow())
    for tables in ([], [empty], [empty, empty]):
        path = write(tmp_path, schema, tables)
        back = pq.read_table(path)
        assert back.num_rows == 0
        assert pl.read_parquet(path).shape == (0, len(schema))
        for name, dtype in zip(schema.names, ALL, strict=True):
            expected = pa.string() if dtype == "category" else arrow_type(dtype)
            assert back.column(name).type == expected


def test_long_texts_and_many_pages(tmp_path: Path) -> None:
    schema = schema_of(["text", "int64"])
    values = ["é" * 700_000, None, "", "x" * 3_000_000, "short", None, "y" * 900_000, "z" * 900_000]
    table = pa.table([pa.array(values), pa.array(range(8))], schema=schema.arrow())
    path = write(tmp_path, schema, [table])
    assert pq.read_table(path).equals(table)
    assert pl.read_parquet(path).to_arrow().column(0).to_pylist() == values
    check_page_index(path, table)
    statistics = pq.read_metadata(path).row_group(0).column(0).statistics
    assert statistics.null_count == 2
    assert statistics.max is None or statistics.max >= "é" * 30


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 63, 64, 65, 127, 128, 129, 4095, 4096, 4097])
def test_sizes_around_blocks(tmp_path: Path, rows: int) -> None:
    schema = schema_of(list(ALL))
    for pattern in ("random", "many", "runs"):
        arrays = [column(c.dtype, pattern, "few", rows, i) for i, c in enumerate(schema)]
        chunks = [chunked(a, c.dtype, []) for a, c in zip(arrays, schema, strict=True)]
        path = write(tmp_path, schema, [pa.table(chunks, schema=schema.arrow())])
        back = pq.read_table(path)
        for name, array in zip(schema.names, arrays, strict=True):
            assert same(back.column(name), array), (pattern, name)


SCRIPT = """
import sys, tempfile
from hashlib import sha256
from pathlib import Path
import pyarrow as pa
from tests.formats.parquet_tables import ALL, NULLS, PATTERNS, chunked, column
from tests.formats.test_parquet_pages import schema_of, write
schema = schema_of(list(ALL))
for pattern in PATTERNS:
    for nulls in NULLS:
        arrays = [column(c.dtype, pattern, nulls, 20_000, i) for i, c in enumerate(schema)]
        chunks = [chunked(a, c.dtype, [999]) for a, c in zip(arrays, schema)]
        with tempfile.TemporaryDirectory() as folder:
            path = write(Path(folder), schema, [pa.table(chunks, schema=schema.arrow())])
            print(pattern, nulls, sha256(path.read_bytes()).hexdigest())
"""


@pytest.mark.slow
def test_every_instruction_set_gives_the_same_bytes() -> None:
    found = lib.bd_instruction_sets()
    levels = [name for i, name in enumerate(LEVELS[family()]) if found >> i & 1]
    outputs = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, "BIGDATA_SIMD": level},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for level in levels
    }
    assert len(outputs) == 1
    assert len(next(iter(outputs)).splitlines()) == len(PATTERNS) * len(NULLS)
