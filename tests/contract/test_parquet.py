"""Parquet, read with DuckDB, Polars and pandas."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bigdata_cli.errors import UsageError, VerificationError
from bigdata_cli.formats.base import ShardName, StorageOptions
from bigdata_cli.formats.parquet.format import ParquetFormat
from bigdata_cli.formats.parquet.write import row_group_rows
from bigdata_cli.io.local_store import LocalStore
from bigdata_cli.types.dtype import DTYPES, Column, Schema
from tests.contract.example_tables import cut_chunks, decoded
from tests.contract.format_contract import FormatContract

OPTIONS = StorageOptions(layout="rows")


def strings_for_categories(table: pa.Table) -> pa.Table:
    """The table as other readers give it: a category is plain strings."""
    return pa.table({name: decoded(table.column(name)) for name in table.column_names})


class TestParquet(FormatContract):
    format_name = "parquet"

    def written(self, folder: Path, rows: int = 1500) -> tuple[Path, pa.Table, Schema]:
        schema = self.schema("rows")
        table = self.table(schema, "rows", rows)
        [file] = self.write(folder, table, schema, OPTIONS)
        return folder / file, table, schema

    def test_pyarrow_reads_plain_types(self, tmp_path: Path) -> None:
        path, table, _ = self.written(tmp_path)
        assert pq.read_table(path).equals(strings_for_categories(table))
        assert pq.read_table(path).schema.metadata is None

    def test_duckdb_reads_values_types_and_row_groups(self, tmp_path: Path) -> None:
        path, table, _ = self.written(tmp_path)
        with duckdb.connect() as connection:
            connection.sql("SET TimeZone = 'UTC'")
            relation = connection.sql(f"SELECT * FROM '{path}'")
            types = dict(zip(relation.columns, map(str, relation.types), strict=True))
            expected = strings_for_categories(table)
            for dtype in DTYPES:
                values = relation.select(f'"c {dtype}"').to_arrow_table().column(0)
                wanted = expected.column(f"c {dtype}")
                if "timestamp" in dtype:
                    # Python's datetime cannot hold all of them.
                    assert values.type.unit == wanted.type.unit
                    values, wanted = values.cast(pa.int64()), wanted.cast(pa.int64())
                assert values.to_pylist() == wanted.to_pylist()
            [(rows,)] = connection.sql(f"SELECT count(*) FROM '{path}'").fetchall()
            [(groups,)] = connection.sql(
                f"SELECT count(DISTINCT row_group_id) FROM parquet_metadata('{path}')"
            ).fetchall()
        assert rows == table.num_rows
        assert groups > 3
        assert types["c uint8"] == "UTINYINT"
        assert types["c int16"] == "SMALLINT"
        assert types["c uint64"] == "UBIGINT"
        assert types["c float32"] == "FLOAT"
        assert types["c category"] == types["c text"] == "VARCHAR"
        assert types["c date"] == "DATE"
        assert types["c timestamp[us]"] == "TIMESTAMP"
        assert types["c timestamp[ns]"] == "TIMESTAMP_NS"
        assert types["c timestamp[us, UTC]"] == "TIMESTAMP WITH TIME ZONE"

    def test_duckdb_prunes_by_the_statistics_of_moved_row_groups(self, tmp_path: Path) -> None:
        schema = Schema((Column(name="a", dtype="int32"), Column(name="t", dtype="text")))
        values = np.arange(50_000, dtype="i4")
        table = pa.table({"a": values, "t": [f"text {value}" for value in values]})
        [file] = self.write(tmp_path, table, schema, OPTIONS)
        for value in (0, 99, 100, 137, 49_999):
            found = duckdb.sql(f"SELECT * FROM '{tmp_path / file}' WHERE a = {value}").fetchall()
            assert found == [(value, f"text {value}")]

    def test_polars_reads_values_and_types(self, tmp_path: Path) -> None:
        path, table, _ = self.written(tmp_path)
        for frame in (pl.read_parquet(path), pl.scan_parquet(path).collect()):
            expected = strings_for_categories(table)
            back = frame.to_arrow()
            for name in table.column_names:
                actual = back.column(name)
                if pa.types.is_large_string(actual.type) or "view" in str(actual.type):
                    actual = actual.cast(pa.string())
                assert actual.type == expected.column(name).type, name
                assert decoded(actual).equals(decoded(expected.column(name))), name

    def test_pandas_reads_values_and_types(self, tmp_path: Path) -> None:
        path, table, _ = self.written(tmp_path)
        frame = pd.read_parquet(path)
        assert list(frame.columns) == table.column_names
        assert frame["label"].dtype == np.int8
        assert frame["c float32"].dtype == np.float32
        assert pd.api.types.is_string_dtype(frame["c category"].dtype)
        assert frame["c timestamp[us]"].dtype == "datetime64[us]"
        assert str(frame["c timestamp[ns, UTC]"].dtype) == "datetime64[ns, UTC]"
        expected = strings_for_categories(table)
        for name in ("c text", "c category", "c date"):
            mine = [None if pd.isna(value) else value for value in frame[name]]
            assert mine == expected.column(name).to_pylist()

    def test_metadata_of_a_file_put_together(self, tmp_path: Path) -> None:
        path, table, _ = self.written(tmp_path)
        metadata = pq.read_metadata(path)
        groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
        assert sum(group.num_rows for group in groups) == metadata.num_rows == table.num_rows
        place = 4
        for group in groups:
            for i in range(group.num_columns):
                chunk = group.column(i)
                first = chunk.dictionary_page_offset or chunk.data_page_offset
                assert first == place
                place += chunk.total_compressed_size
        assert place + metadata.serialized_size + 8 == path.stat().st_size

    def test_any_row_group_can_be_read_alone(self, tmp_path: Path) -> None:
        path, table, _ = self.written(tmp_path)
        expected, start = strings_for_categories(table), 0
        file = pq.ParquetFile(path, page_checksum_verification=True)
        for i in range(file.num_row_groups):
            group = file.read_row_group(i)
            assert group.equals(expected.slice(start, group.num_rows))
            start += group.num_rows

    def test_a_flipped_byte_in_a_page_is_found(self, tmp_path: Path) -> None:
        schema = Schema((Column(name="a", dtype="float64"),))
        values = np.random.default_rng(0).normal(size=5000)
        table = pa.table({"a": values})
        [file] = self.write(tmp_path, table, schema, OPTIONS)
        content = (tmp_path / file).read_bytes()
        metadata = pq.read_metadata(tmp_path / file)
        for i in range(metadata.num_row_groups):
            chunk = metadata.row_group(i).column(0)
            middle = chunk.data_page_offset + chunk.total_compressed_size - 2
            damaged = bytearray(content)
            damaged[middle] ^= 1
            (tmp_path / file).write_bytes(damaged)
            with pytest.raises(VerificationError, match=file):
                ParquetFormat().count_rows(LocalStore(tmp_path), [file], OPTIONS)

    def test_a_column_of_another_type_is_found(self, tmp_path: Path) -> None:
        path, _, _ = self.written(tmp_path)
        other = Schema((Column(name="c int8", dtype="int16"),))
        with pytest.raises(VerificationError, match="c int8"):
            list(ParquetFormat().read(LocalStore(tmp_path), [path.name], other, OPTIONS))

    def test_a_value_outside_the_vocabulary_is_found(self, tmp_path: Path) -> None:
        path, _, _ = self.written(tmp_path)
        other = Schema((Column(name="c category", dtype="category", vocabulary=("a",)),))
        with pytest.raises(VerificationError, match="categories"):
            list(ParquetFormat().read(LocalStore(tmp_path), [path.name], other, OPTIONS))


def test_the_vocabulary_does_not_change_the_bytes(tmp_path: Path) -> None:
    table = pa.table({"a": pa.array(["x", None, "y", "x"]).dictionary_encode()})
    contents = []
    for vocabulary in (("x", "y"), ("a", "x", "y", "z")):
        schema = Schema((Column(name="a", dtype="category", vocabulary=vocabulary),))
        name = ShardName(stem=str(len(vocabulary)), index=0, count=1)
        writer = ParquetFormat().writer(LocalStore(tmp_path), name, schema, OPTIONS)
        writer.append(writer.encode(table))
        [file] = writer.close()
        contents.append((tmp_path / f"_{file.name}.partial").read_bytes())
    assert contents[0] == contents[1]


def test_pages_do_not_depend_on_chunks() -> None:
    schema = Schema(
        (
            Column(name="f", dtype="float64"),
            Column(name="s", dtype="text"),
            Column(name="c", dtype="category", vocabulary=tuple("0123456789")),
        )
    )
    values = np.random.default_rng(0).normal(size=200_000)
    digits = pa.array([str(i % 10) for i in range(len(values))]).dictionary_encode()
    table = pa.table({"f": values, "s": [f"{value:.17f}" for value in values], "c": digits})
    encoded = []
    for chunk_rows in (200_000, 9_999, 65_537):
        name = ShardName(stem="d", index=0, count=1)
        with TemporaryDirectory() as folder:
            writer = ParquetFormat().writer(LocalStore(Path(folder)), name, schema, OPTIONS)
            pieces = writer.encode(cut_chunks(table, chunk_rows)).pieces
            encoded.append(b"".join(map(bytes, pieces)))
            writer.abort()
    assert encoded[0] == encoded[1] == encoded[2]


@pytest.mark.parametrize("compression", ["zstd:9", "gzip:1", "brotli:3", "lz4:5", "zstd"])
def test_levels(compression: str) -> None:
    schema = Schema((Column(name="a", dtype="int8"),))
    ParquetFormat().check(schema, StorageOptions(layout="rows", compression=compression))


@pytest.mark.parametrize("compression", ["zstd:99", "snappy:1", "none:1", "zstd:x", "gzip:0"])
def test_levels_that_do_not_exist(compression: str) -> None:
    schema = Schema((Column(name="a", dtype="int8"),))
    with pytest.raises(UsageError, match=compression.partition(":")[0]):
        ParquetFormat().check(schema, StorageOptions(layout="rows", compression=compression))


def test_row_groups_fit_in_memory() -> None:
    wide = Schema(tuple(Column(name=f"f{i}", dtype="float64") for i in range(100)))
    assert row_group_rows(wide) == 24_576
    text = Schema((Column(name="text", dtype="text"),))
    assert row_group_rows(text) == 262_144
    category = Schema((Column(name="text", dtype="category", vocabulary=()),))
    assert row_group_rows(category) == row_group_rows(text)
    dtypes = ("int16", "text", "float32") * 100
    sparse = Schema(tuple(Column(name=f"s{i}", dtype=d) for i, d in enumerate(dtypes)))
    assert row_group_rows(sparse) == 16_384
    very_wide = Schema(tuple(Column(name=f"f{i}", dtype="float64") for i in range(9000)))
    assert row_group_rows(very_wide) == 1024


def test_a_dictionary_holds_the_values_that_rows_have_in_their_order(tmp_path: Path) -> None:
    values = pa.array(["é", "z", "a", "unused"])
    codes = pa.array([1, 0, None, 2] * 50, pa.int32())
    array = pa.DictionaryArray.from_arrays(codes, values)
    schema = Schema((Column(name="a", dtype="category", vocabulary=("a", "z", "é")),))
    name = ShardName(stem="d", index=0, count=1)
    writer = ParquetFormat().writer(
        LocalStore(tmp_path), name, schema, StorageOptions(layout="rows", compression="none")
    )
    writer.append(writer.encode(pa.table({"a": pa.chunked_array([array, array.slice(1, 2)])})))
    [file] = writer.close()
    path = tmp_path / f"_{file.name}.partial"
    column = pq.read_table(path, read_dictionary=["a"]).column("a").combine_chunks()
    assert column.dictionary.to_pylist() == ["z", "é", "a"]
    assert column.to_pylist() == [*["z", "é", None, "a"] * 50, "é", None]


def test_a_category_whose_texts_hardly_repeat_is_read_as_a_category(tmp_path: Path) -> None:
    """pyarrow makes dictionaries of plain pages only, and these are none."""
    words = [f"{i * 2_654_435_761 % 2**32:08x}" for i in range(3_000)]
    texts = pa.array([None, *words, words[7]])
    schema = Schema((Column(name="a", dtype="category", vocabulary=tuple(sorted(words))),))
    name = ShardName(stem="d", index=0, count=1)
    form = ParquetFormat()
    writer = form.writer(LocalStore(tmp_path), name, schema, OPTIONS)
    for part in (texts, pa.array(["00000000"] * 9_000)):
        writer.append(writer.encode(pa.table({"a": part.dictionary_encode()})))
    [file] = (entry.name for entry in writer.close())
    path = (tmp_path / f"_{file}.partial").rename(tmp_path / file)
    metadata = pq.read_metadata(path)
    encodings = [metadata.row_group(g).column(0).encodings for g in range(2)]
    assert "DELTA_LENGTH_BYTE_ARRAY" in encodings[0]
    assert "RLE_DICTIONARY" in encodings[1]
    found = pa.Table.from_batches(list(form.read(LocalStore(tmp_path), [file], schema, OPTIONS)))
    assert found.schema.equals(schema.arrow())
    assert found.column("a").to_pylist() == [*texts.to_pylist(), *["00000000"] * 9_000]
    assert form.check_schema(LocalStore(tmp_path), [file], schema, OPTIONS) == len(texts) + 9_000
    other = Schema((Column(name="a", dtype="category", vocabulary=tuple(words[1:])),))
    with pytest.raises(VerificationError, match="categories"):
        list(form.read(LocalStore(tmp_path), [file], other, OPTIONS))
