"""Arrow IPC files, read with pyarrow, Polars and pandas, as streams, and by a memory map."""

from __future__ import annotations

import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from bigdata_cli.errors import UsageError, VerificationError
from bigdata_cli.formats.arrow.file import ArrowFile
from bigdata_cli.formats.arrow.format import ArrowFormat
from bigdata_cli.formats.arrow.messages import (
    BLOCK,
    PREFIX_BYTES,
    START,
    TAIL_BYTES,
    batch_metadata,
    encode_footer,
    footer_blocks,
)
from bigdata_cli.formats.arrow.write import ArrowEncoder, batch_rows
from bigdata_cli.formats.base import ShardName, StorageOptions
from bigdata_cli.io.local_store import LocalStore
from bigdata_cli.io.store import StoredFile
from bigdata_cli.types.dtype import Column, Schema
from tests.contract.example_tables import VOCABULARY, decoded
from tests.contract.format_contract import FormatContract

COMPRESSIONS = ("none", "lz4", "zstd")


def storage(compression: str | None = None) -> StorageOptions:
    return StorageOptions(layout="rows", compression=compression)


class TestArrow(FormatContract):
    format_name = "arrow"

    def written(
        self, folder: Path, compression: str | None = None, rows: int = 1500
    ) -> tuple[Path, pa.Table, Schema]:
        schema = self.schema("rows")
        table = self.table(schema, "rows", rows)
        [file] = self.write(folder, table, schema, storage(compression))
        return folder / file, table, schema

    @pytest.mark.parametrize("compression", COMPRESSIONS)
    def test_pyarrow_reads_values_types_and_batches(self, tmp_path: Path, compression: str) -> None:
        path, table, schema = self.written(tmp_path, compression)
        reader = pa.ipc.open_file(path)
        assert reader.schema == schema.arrow()
        assert reader.num_record_batches > 3
        found = reader.read_all()
        found.validate(full=True)
        for name in table.column_names:
            assert decoded(found.column(name)).equals(decoded(table.column(name))), name
        for number in range(reader.num_record_batches):
            dictionary = reader.get_batch(number).column("c category").dictionary
            assert dictionary.to_pylist() == list(VOCABULARY)

    @pytest.mark.parametrize("compression", COMPRESSIONS)
    def test_a_file_is_a_stream_too(self, tmp_path: Path, compression: str) -> None:
        """Readers that know no footer read it from its start: dictionaries come first."""
        path, table, _ = self.written(tmp_path, compression)
        found = pa.ipc.open_stream(path.read_bytes()[len(START) :]).read_all()
        assert found.equals(pa.ipc.open_file(path).read_all())
        assert found.num_rows == table.num_rows

    def test_pyarrow_wrote_the_same_footer(self, tmp_path: Path) -> None:
        """Schema, blocks and rows, as those of a file that pyarrow writes of the same batches."""
        path, _, _ = self.written(tmp_path)
        reader = pa.ipc.open_file(path)
        other = tmp_path / "pyarrow.arrow"
        with pa.ipc.new_file(other, reader.schema) as writer:
            for number in range(reader.num_record_batches):
                writer.write_batch(reader.get_batch(number))
        footers = []
        for place in (path, other):
            data = place.read_bytes()
            size = int.from_bytes(data[-TAIL_BYTES : -TAIL_BYTES + 4], "little")
            footers.append(footer_blocks(data[-TAIL_BYTES - size : -TAIL_BYTES]))
        for mine, theirs in zip(*footers, strict=True):
            assert mine.tolist() == theirs.tolist()
        assert (
            path.read_bytes()[: footers[0][1]["start"][-1]]
            == (other.read_bytes()[: footers[0][1]["start"][-1]])
        )

    @pytest.mark.parametrize("compression", COMPRESSIONS)
    def test_polars_reads_values_and_types(self, tmp_path: Path, compression: str) -> None:
        path, table, _ = self.written(tmp_path, compression)
        frames = [
            pl.read_ipc(path),
            pl.scan_ipc(path).collect(),
            pl.scan_ipc(path).select("c text", "c category", "label").collect(),
        ]
        for frame in frames:
            back = frame.to_arrow()
            for name in frame.columns:
                actual, wanted = back.column(name), table.column(name)
                assert frame.schema["c category"] in (pl.Categorical, pl.Enum(VOCABULARY))
                if pa.types.is_dictionary(actual.type):
                    actual = actual.cast(pa.string())
                if pa.types.is_large_string(actual.type) or "view" in str(actual.type):
                    actual = actual.cast(pa.string())
                assert decoded(actual).equals(decoded(wanted)), name

    def test_pandas_reads_it_as_feather(self, tmp_path: Path) -> None:
        path, table, _ = self.written(tmp_path)
        frame = pd.read_feather(path)
        assert list(frame.columns) == table.column_names
        assert frame["label"].dtype == np.int8
        assert list(frame["c category"].cat.categories) == list(VOCABULARY)
        mine = [None if pd.isna(value) else value for value in frame["c text"]]
        assert mine == table.column("c text").to_pylist()

    def test_a_map_gives_the_bytes_of_the_file(self, tmp_path: Path) -> None:
        """Nothing is copied: values lie in the mapped file, and memory is not taken for them."""
        schema = Schema((Column(name="f", dtype="float64"), Column(name="t", dtype="text")))
        values = np.random.default_rng(0).normal(size=50_000)
        table = pa.table({"f": values, "t": [f"{value:.3f}" for value in values]})
        [file] = self.write(tmp_path, table, schema, storage())
        with pa.memory_map(str(tmp_path / file)) as mapped:
            first = mapped.read_buffer(mapped.size()).address
            before = pa.total_allocated_bytes()
            found = pa.ipc.open_file(mapped).read_all()
            assert pa.total_allocated_bytes() - before < 100_000
            for name in ("f", "t"):
                for chunk in found.column(name).chunks:
                    for buffer in chunk.buffers()[1:]:
                        assert first < buffer.address < first + mapped.size()
            assert found.equals(table)

    def test_rows_of_a_map_are_not_copied(self, tmp_path: Path) -> None:
        path, _, schema = self.written(tmp_path, rows=3000)
        access = ArrowFormat().open_rows(
            LocalStore(tmp_path), [path.name], schema, storage(), columns=["c int64", "c text"]
        )
        before = pa.total_allocated_bytes()
        batches = list(access.read(range(3000), 3000))
        assert sum(batch.num_rows for batch in batches) == 3000
        assert pa.total_allocated_bytes() - before < 20_000

    def test_a_column_of_another_type_is_found(self, tmp_path: Path) -> None:
        path, _, _ = self.written(tmp_path)
        other = Schema((Column(name="c int8", dtype="int16"),))
        with pytest.raises(VerificationError, match="c int8"):
            list(ArrowFormat().read(LocalStore(tmp_path), [path.name], other, storage()))

    @pytest.mark.parametrize("compression", COMPRESSIONS)
    @pytest.mark.parametrize("change", ["fewer", "others", "order"])
    def test_other_categories_are_found(
        self, tmp_path: Path, compression: str, change: str
    ) -> None:
        path, _, _ = self.written(tmp_path, compression)
        words = {
            "fewer": VOCABULARY[:-1],
            "others": (*VOCABULARY[:-1], "\U0001f600"),
            "order": VOCABULARY[::-1],
        }[change]
        other = Schema((Column(name="c category", dtype="category", vocabulary=words),))
        with pytest.raises(VerificationError, match=r"categories|dictionary"):
            list(ArrowFormat().read(LocalStore(tmp_path), [path.name], other, storage(compression)))

    def test_columns_in_another_order_and_others_are_found(self, tmp_path: Path) -> None:
        path, _, schema = self.written(tmp_path)
        form = ArrowFormat()
        assert form.check_schema(LocalStore(tmp_path), [path.name], schema, storage()) == 1500
        for columns, what in (
            (schema.columns[::-1], "another order"),
            (schema.columns[1:], f'a column "{schema.names[0]}"'),
        ):
            with pytest.raises(VerificationError, match=what):
                form.check_schema(LocalStore(tmp_path), [path.name], Schema(columns), storage())


def one_batch(folder: Path, compression: str) -> tuple[Path, Schema]:
    """A file of one record batch: numbers with nulls, text and a category."""
    schema = Schema(
        (
            Column(name="n", dtype="int32"),
            Column(name="t", dtype="text"),
            Column(name="c", dtype="category", vocabulary=("x", "y")),
        )
    )
    n = pa.array([None if i % 3 else i for i in range(1000)], pa.int32())
    c = pa.array(["x", "y"] * 500).dictionary_encode()
    table = pa.table({"n": n, "t": [f"text {i}" for i in range(1000)], "c": c})
    form = ArrowFormat()
    writer = form.writer(
        LocalStore(folder), ShardName(stem="d", index=0, count=1), schema, storage(compression)
    )
    writer.append(writer.encode(table))
    [file] = writer.close()
    return (folder / f"_{file.name}.partial").rename(folder / file.name), schema


def blocks_of(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    size = int.from_bytes(data[-TAIL_BYTES : -TAIL_BYTES + 4], "little")
    return footer_blocks(data[-TAIL_BYTES - size : -TAIL_BYTES])


def assert_refused(path: Path, schema: Schema, compression: str) -> None:
    form, options = ArrowFormat(), storage(compression)
    for look in (
        lambda: form.count_rows(LocalStore(path.parent), [path.name], options),
        lambda: list(form.read(LocalStore(path.parent), [path.name], schema, options)),
        lambda: list(
            form.open_rows(
                LocalStore(path.parent), [path.name], schema, options, columns=schema.names
            ).read(range(1000), 100)
        ),
    ):
        with pytest.raises(VerificationError):
            look()


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
@pytest.mark.parametrize("size", [2**62, 2**31, 100_000_000, 3999, -2, 0])
def test_sizes_of_compressed_buffers_are_not_believed(
    tmp_path: Path, compression: str, size: int
) -> None:
    path, schema = one_batch(tmp_path, compression)
    data = bytearray(path.read_bytes())
    _, batches = blocks_of(data)
    start, n_bytes, _, _ = batches[0].tolist()
    found = batch_metadata(bytes(data[start : start + n_bytes]), 3)
    for place in found.buffers["start"][[1, 3, 6]].tolist():  # n, offsets of t, codes of c
        damaged = bytearray(data)
        struct.pack_into("<q", damaged, start + n_bytes + place, size)
        path.write_bytes(damaged)
        before = pa.default_memory_pool().max_memory()
        assert_refused(path, schema, compression)
        assert pa.default_memory_pool().max_memory() - before < 50_000_000


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_rows_of_a_message_are_not_believed(tmp_path: Path, compression: str) -> None:
    """Every number of the metadata of a record batch, one after the other, replaced by others."""
    path, schema = one_batch(tmp_path, compression)
    data = path.read_bytes()
    _, batches = blocks_of(data)
    start, n_bytes, _, _ = batches[0].tolist()
    metadata = data[start : start + n_bytes]
    for old in (1000, 666):
        places = [
            at for at in range(n_bytes - 7) if metadata[at : at + 8] == struct.pack("<q", old)
        ]
        assert places
        for at in places:
            for new in (-1, 0, 999, 1001, 10**9, 2**50, 2**63 - 1):
                damaged = bytearray(data)
                struct.pack_into("<q", damaged, start + at, new)
                path.write_bytes(damaged)
                assert_refused(path, schema, compression)


def test_blocks_of_the_footer_are_not_believed(tmp_path: Path) -> None:
    path, schema = one_batch(tmp_path, "none")
    data = path.read_bytes()
    dictionaries, batches = blocks_of(data)
    schema_message = data[len(START) : int(dictionaries["start"][0])]
    size = int.from_bytes(data[-TAIL_BYTES : -TAIL_BYTES + 4], "little")
    content = data[: -TAIL_BYTES - size]
    assert content + encode_footer(schema_message, dictionaries, batches) == data
    for change in (
        {"start": -8}, {"start": 2**62}, {"start": len(data)}, {"start": 8}, {"metadata": -1},
        {"metadata": 0}, {"metadata": 2**31 - 1}, {"body": -1}, {"body": 2**62}, {"body": 8},
    ):  # fmt: skip
        for which in range(2):
            blocks = [dictionaries.copy(), batches.copy()]
            for name, value in change.items():
                blocks[which][name] = value
            path.write_bytes(content + encode_footer(schema_message, *blocks))
            assert_refused(path, schema, "none")
    none = np.empty(0, BLOCK)
    for blocks in ((none, batches), (np.concatenate([dictionaries] * 2), batches)):
        path.write_bytes(content + encode_footer(schema_message, *blocks))
        assert_refused(path, schema, "none")


def test_a_type_that_no_column_has_assert_refused(tmp_path: Path) -> None:
    for kind in (pa.list_(pa.int8()), pa.large_string(), pa.decimal128(5, 1), pa.null()):
        path = tmp_path / "d-00000-of-00001.arrow"
        with pa.ipc.new_file(path, pa.schema([("a", kind)])) as writer:
            writer.write_batch(pa.RecordBatch.from_arrays([pa.nulls(3, kind)], names=["a"]))
        with pytest.raises(VerificationError, match='column "a" is'):
            ArrowFormat().count_rows(LocalStore(tmp_path), [path.name], storage())


def test_codes_beyond_the_vocabulary_are_found(tmp_path: Path) -> None:
    path, schema = one_batch(tmp_path, "none")
    data = bytearray(path.read_bytes())
    _, batches = blocks_of(data)
    start, n_bytes, _, _ = batches[0].tolist()
    found = batch_metadata(bytes(data[start : start + n_bytes]), 3)
    struct.pack_into("<i", data, start + n_bytes + int(found.buffers["start"][-1]) + 40, 2)
    path.write_bytes(data)
    assert_refused(path, schema, "none")


def test_the_bytes_of_a_message_are_those_of_pyarrow() -> None:
    """A record batch with codes in place of categories is encoded as one with the dictionary."""
    schema = Schema((Column(name="c", dtype="category", vocabulary=("x", "y")),))
    codes = pa.array([0, 1, None, 1], pa.int32())
    array = pa.DictionaryArray.from_arrays(codes, pa.array(["x", "y"]))
    batch = pa.RecordBatch.from_arrays([array], schema=schema.arrow())
    message = ArrowEncoder(schema, "none", None).batch(pa.Table.from_batches([batch]))
    assert b"".join(message.pieces) == batch.serialize().to_pybytes()
    assert message.metadata % 8 == 0
    assert message.metadata > PREFIX_BYTES


@pytest.mark.parametrize("compression", ["zstd:9", "lz4:3", "zstd"])
def test_levels(compression: str) -> None:
    schema = Schema((Column(name="a", dtype="int8"),))
    ArrowFormat().check(schema, storage(compression))


@pytest.mark.parametrize("compression", ["zstd:99", "none:1", "lz4:x", "zstd:-1", "snappy"])
def test_levels_that_do_not_exist(compression: str) -> None:
    schema = Schema((Column(name="a", dtype="int8"),))
    with pytest.raises(UsageError, match=compression.partition(":")[0]):
        ArrowFormat().check(schema, storage(compression))


def test_record_batches_fit_in_memory() -> None:
    wide = Schema(tuple(Column(name=f"f{i}", dtype="float64") for i in range(100)))
    assert batch_rows(wide) == 12_288
    assert batch_rows(Schema((Column(name="t", dtype="text"),))) == 65_536
    very_wide = Schema(tuple(Column(name=f"f{i}", dtype="float64") for i in range(9000)))
    assert batch_rows(very_wide) == 256


def test_the_first_batches_are_read_by_several_threads(tmp_path: Path) -> None:
    """pyarrow reads the dictionaries at the first batch, and refuses to read them twice."""
    values = pa.array([f"value {i % 3000}" for i in range(6000)]).dictionary_encode()
    table = pa.table({"a": values, "b": values})
    with pa.ipc.new_file(tmp_path / "a.arrow", table.schema) as writer:
        for batch in table.to_batches(max_chunksize=100):
            writer.write_batch(batch)
    with ThreadPoolExecutor(4) as pool:
        for _ in range(100):
            together = threading.Barrier(4)
            with ArrowFile(StoredFile(LocalStore(tmp_path), "a.arrow"), is_mapped=True) as file:

                def read(index: int) -> pa.RecordBatch:
                    together.wait()  # noqa: B023  (the pool is done before the next turn)
                    return file.batch(index)

                batches = list(pool.map(read, range(4)))
            assert pa.Table.from_batches(batches).equals(table.slice(0, 400))
