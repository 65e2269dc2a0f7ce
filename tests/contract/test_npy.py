"""npy, read with NumPy alone."""

from __future__ import annotations

import resource
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from bigdata_cli.errors import DataError, UsageError, VerificationError
from bigdata_cli.formats.base import ShardName, StorageOptions
from bigdata_cli.formats.npy.file import NpyFile, npy_header, open_npy
from bigdata_cli.formats.npy.format import NpyFormat
from bigdata_cli.io.local_store import LocalStore
from bigdata_cli.io.store import StoredFile, partial_name
from bigdata_cli.types.dtype import Column, Schema
from tests.contract.format_contract import FormatContract, commit

COLUMNS = StorageOptions(layout="columns")
MATRIX = StorageOptions(layout="matrix", label="y")


def loaded(folder: Path, part: str) -> np.ndarray:
    return np.load(folder / f"data.{part}-00000-of-00001.npy", mmap_mode="r", allow_pickle=False)


def write(
    folder: Path, schema: Schema, tables: list[pa.Table], options: StorageOptions
) -> tuple[str, ...]:
    name = ShardName(stem="data", index=0, count=1)
    NpyFormat().check(schema, options)
    writer = NpyFormat().writer(LocalStore(folder), name, schema, options)
    for table in tables:
        writer.append(writer.encode(table))
    return commit(folder, writer.close())


def integers(*names: str) -> Schema:
    return Schema(tuple(Column(name=name, dtype="int8") for name in names))


class TestNpy(FormatContract):
    format_name = "npy"
    shards_have_files_of_rows = False

    def test_numpy_opens_every_file(self, layout: str, tmp_path: Path) -> None:
        schema, options = self.schema(layout), self.options(layout)
        for rows in (0, 1, 300):
            folder = tmp_path / str(rows)
            folder.mkdir()
            for file in self.write(folder, self.table(schema, layout, rows), schema, options):
                array = np.load(folder / file, mmap_mode="r", allow_pickle=False)
                saved = tmp_path / "saved.npy"
                np.save(saved, array)
                assert np.array_equal(np.load(saved), array, equal_nan=array.dtype.kind in "fmM")
                assert array.offset % 64 == 0

    def test_trailing_bytes_are_found(self, layout: str, tmp_path: Path) -> None:
        schema, options = self.schema(layout), self.options(layout)
        files = self.write(tmp_path, self.table(schema, layout, 300), schema, options)
        for path in self.each_file(tmp_path, files):
            with open(path, "ab") as file:
                file.write(b"\0")
            self.assert_damaged(tmp_path, files, schema, options, 300)


def test_columns_as_numpy_sees_them(tmp_path: Path) -> None:
    schema = Schema(
        (
            Column(name="n", dtype="int8"),
            Column(name="f", dtype="float32"),
            Column(name="d", dtype="date"),
            Column(name="t", dtype="timestamp[ns, UTC]"),
            Column(name="c", dtype="category", vocabulary=("a", "b")),
            Column(name="s", dtype="text"),
            Column(name="full", dtype="uint64"),
        )
    )
    table = pa.table(
        {
            "n": pa.array([1, None, 3], pa.int8()),
            "f": pa.array([0.5, None, 1.5], pa.float32()),
            "d": pa.array([0, None, 19_000], pa.int32()).cast(pa.date32()),
            "t": pa.array([1, None, 2], pa.int64()).cast(pa.timestamp("ns", "UTC")),
            "c": pa.array(["b", None, "b"]).dictionary_encode(),
            "s": pa.array(["é", None, ""]),
            "full": pa.array([0, 1, 2**64 - 1], pa.uint64()),
        }
    )
    files = write(tmp_path, schema, [table], COLUMNS)
    assert loaded(tmp_path, "n").tolist() == [1, 0, 3]
    assert loaded(tmp_path, "n").dtype == np.int8
    assert np.isnan(loaded(tmp_path, "f")[1])
    assert loaded(tmp_path, "d").dtype == "datetime64[D]"
    assert str(loaded(tmp_path, "d")[2]) == "2022-01-08"
    assert np.isnat(loaded(tmp_path, "t")[1])
    assert loaded(tmp_path, "c").tolist() == [1, 0, 1]
    assert loaded(tmp_path, "s.offsets").tolist() == [0, 2, 2, 2]
    assert loaded(tmp_path, "s.bytes").tobytes().decode() == "é"
    assert loaded(tmp_path, "s.valid").tolist() == [True, False, True]
    assert loaded(tmp_path, "full").tolist() == [0, 1, 2**64 - 1]
    assert not any("full.valid" in name for name in files)


def test_validity_is_filled_in_when_the_first_null_comes(tmp_path: Path) -> None:
    tables = [
        pa.table({"a": pa.array(values, pa.int8())}) for values in ([1, 2], [3], [None, 5], [6])
    ]
    files = write(tmp_path, integers("a"), tables, COLUMNS)
    assert files == ("data.a-00000-of-00001.npy", "data.a.valid-00000-of-00001.npy")
    assert loaded(tmp_path, "a.valid").tolist() == [True, True, True, False, True, True]
    assert loaded(tmp_path, "a").tolist() == [1, 2, 3, 0, 5, 6]


def test_matrix_as_numpy_sees_it(tmp_path: Path) -> None:
    schema = Schema(
        (
            Column(name="b", dtype="bool"),
            Column(name="y", dtype="category", vocabulary=("no", "yes")),
            Column(name="d", dtype="date"),
            Column(name="t", dtype="timestamp[us]"),
            Column(name="n", dtype="int16"),
        )
    )
    table = pa.table(
        {
            "b": [True, False],
            "y": pa.array(["yes", "no"]).dictionary_encode(),
            "d": pa.array([-1, None], pa.int32()).cast(pa.date32()),
            "t": pa.array([1_500_000, 0], pa.int64()).cast(pa.timestamp("us")),
            "n": pa.array([None, -7], pa.int16()),
        }
    )
    assert len(write(tmp_path, schema, [table], MATRIX)) == 2
    features = loaded(tmp_path, "X")
    assert features.dtype == np.float32
    assert features.flags.c_contiguous
    expected = [[1, -1, 1.5, np.nan], [0, np.nan, 0, -7]]
    assert np.array_equal(features, expected, equal_nan=True)
    assert loaded(tmp_path, "y").tolist() == [1, 0]
    assert loaded(tmp_path, "y").dtype == np.uint8


def test_matrix_without_a_label_is_one_file(tmp_path: Path) -> None:
    table = pa.table({"a": pa.array([1, 2], pa.int8()), "b": pa.array([3, 4], pa.int8())})
    options = StorageOptions(layout="matrix", matrix_dtype="float64")
    assert write(tmp_path, integers("a", "b"), [table], options) == ("data.X-00000-of-00001.npy",)
    assert loaded(tmp_path, "X").tolist() == [[1, 3], [2, 4]]
    assert loaded(tmp_path, "X").dtype == np.float64


def test_a_float_label_may_be_null_and_an_integer_one_not(tmp_path: Path) -> None:
    features = pa.array([1, 2], pa.int8())
    schema = Schema((Column(name="a", dtype="int8"), Column(name="y", dtype="float64")))
    table = pa.table({"a": features, "y": pa.array([None, 2.5])})
    files = write(tmp_path, schema, [table], MATRIX)
    [batch] = NpyFormat().read(LocalStore(tmp_path), files, schema, MATRIX)
    assert batch.column("y").to_pylist() == [None, 2.5]
    table = pa.table({"a": features, "y": pa.array([None, 2], pa.int8())})
    with pytest.raises(DataError, match=r'"y" is null in 1 rows'):
        write(tmp_path, integers("a", "y"), [table], MATRIX)


def test_a_number_beyond_float32_is_refused_and_infinity_is_not(tmp_path: Path) -> None:
    schema = Schema((Column(name="a", dtype="float64"),))
    options = StorageOptions(layout="matrix")
    write(tmp_path, schema, [pa.table({"a": [float("inf"), float("-inf")]})], options)
    assert loaded(tmp_path, "X").tolist() == [[float("inf")], [float("-inf")]]
    with pytest.raises(DataError, match='"a"'):
        write(tmp_path, schema, [pa.table({"a": [1e300]})], options)


@pytest.mark.parametrize(
    "columns",
    [
        {"a": "int8", "a.valid": "bool"},
        {"a": "text", "a.offsets": "int64"},
        {"a.bytes": "uint8", "a": "text"},
        {"a": "text", "a.bytes.valid": "bool", "a.bytes": "int8"},
        {"a.offsets": "int64", "a.bytes": "uint8"},
    ],
)
def test_columns_that_would_share_a_file_are_refused(columns: dict[str, str]) -> None:
    schema = Schema(tuple(Column(name=name, dtype=dtype) for name, dtype in columns.items()))
    with pytest.raises(UsageError) as caught:
        NpyFormat().check(schema, COLUMNS)
    assert caught.value.hint is not None
    assert "--drop" in caught.value.hint


def test_names_like_suffixes_alone_are_columns(tmp_path: Path) -> None:
    names = ("a.offsets", "b.valid", "c.bytes", "X", "y", "data.X")
    table = pa.table({name: pa.array([1, 2], pa.int8()) for name in names})
    files = write(tmp_path, integers(*names), [table], COLUMNS)
    assert NpyFormat().count_rows(LocalStore(tmp_path), files, COLUMNS) == 2
    for subset in (["X"], ["data.X"], ["b.valid"]):
        [batch] = NpyFormat().read(
            LocalStore(tmp_path), files, integers(*names), COLUMNS, columns=subset
        )
        assert batch.column(0).to_pylist() == [1, 2]


def test_a_stem_with_dots_and_columns_that_end_alike(tmp_path: Path) -> None:
    schema = integers("b", "x.b", "a.x.b")
    arrays = {name: pa.array([i], pa.int8()) for i, name in enumerate(schema.names)}
    name = ShardName(stem="a.x", index=0, count=1)
    writer = NpyFormat().writer(LocalStore(tmp_path), name, schema, COLUMNS)
    writer.append(writer.encode(pa.table(arrays)))
    files = commit(tmp_path, writer.close())
    for order in (files, files[::-1]):
        [batch] = NpyFormat().read(LocalStore(tmp_path), order, schema, COLUMNS)
        assert batch.to_pydict() == {"b": [0], "x.b": [1], "a.x.b": [2]}


def test_a_name_too_long_for_a_file_is_refused() -> None:
    with pytest.raises(UsageError, match="too long"):
        NpyFormat().check(integers("x" * 250), COLUMNS)
    NpyFormat().check(integers("x" * 250, "z"), StorageOptions(layout="matrix"))


def test_more_columns_than_files_may_be_open_is_said(tmp_path: Path) -> None:
    """The limit is the process's: a format does not change it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    names = [f"c{i}" for i in range(300)]
    schema = integers(*names)
    table = pa.table({name: pa.array([1, None], pa.int8()) for name in names})
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        files = write(tmp_path, schema, [table], COLUMNS)  # one after the other
        assert len(files) == 600
        with pytest.raises(UsageError, match="more files open") as raised:
            list(NpyFormat().read(LocalStore(tmp_path), files, schema, COLUMNS))
        assert "ulimit -n" in str(raised.value.hint)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (200, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_text_is_read_in_batches_that_fit_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bigdata_cli.formats.npy.read._MAX_BATCH_TEXT_BYTES", 1000)
    schema = Schema((Column(name="n", dtype="int8"), Column(name="s", dtype="text")))
    texts = ["x" * size for size in (400, 700, 5000, 0, 0, 999, 1, 1)]
    table = pa.table({"n": pa.array(range(8), pa.int8()), "s": texts})
    files = write(tmp_path, schema, [table], COLUMNS)
    batches = list(NpyFormat().read(LocalStore(tmp_path), files, schema, COLUMNS))
    assert pa.Table.from_batches(batches).equals(table)
    assert [batch.num_rows for batch in batches] == [1, 1, 1, 4, 1]


@pytest.mark.parametrize("change", ["descending", "beyond", "short"])
def test_offsets_that_do_not_fit_are_found(change: str, tmp_path: Path) -> None:
    schema = Schema((Column(name="s", dtype="text"),))
    files = write(tmp_path, schema, [pa.table({"s": ["ab", "cd", "ef"]})], COLUMNS)
    offsets = {"descending": [0, 4, 2, 6], "beyond": [0, 2, 4, 9], "short": [0, 2, 4, 5]}[change]
    np.save(tmp_path / files[0], np.array(offsets, np.int64))
    with pytest.raises(VerificationError, match=r"s\.offsets"):
        NpyFormat().count_rows(LocalStore(tmp_path), files, COLUMNS)
    with pytest.raises(VerificationError, match=r"s\.offsets"):
        list(NpyFormat().read(LocalStore(tmp_path), files, schema, COLUMNS))


def test_columns_of_unequal_length_are_found(tmp_path: Path) -> None:
    table = pa.table({"a": pa.array([1, 2], pa.int8()), "b": pa.array([1, 2], pa.int8())})
    files = write(tmp_path, integers("a", "b"), [table], COLUMNS)
    np.save(tmp_path / files[1], np.zeros(3, np.int8))
    with pytest.raises(VerificationError, match="3 rows"):
        NpyFormat().count_rows(LocalStore(tmp_path), files, COLUMNS)
    with pytest.raises(VerificationError, match="3 rows"):
        list(NpyFormat().read(LocalStore(tmp_path), files, integers("a", "b"), COLUMNS))


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    files = write(tmp_path, integers("a"), [], COLUMNS)
    np.save(tmp_path / files[0], np.array([print]), allow_pickle=True)
    with pytest.raises(VerificationError):
        NpyFormat().count_rows(LocalStore(tmp_path), files, COLUMNS)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "<f8", "datetime64[us]", "datetime64[D]"])
def test_a_header_is_what_numpy_reads(dtype: str, tmp_path: Path) -> None:
    file = NpyFile(LocalStore(tmp_path), "a.npy", np.dtype(dtype), (3,))
    file.write(5, np.zeros((5, 3), dtype).reshape(-1).view(np.uint8))
    file.close()
    array = np.load(tmp_path / partial_name("a.npy"))
    assert array.shape == (5, 3)
    assert array.dtype == np.dtype(dtype)
    assert len(npy_header(np.dtype(dtype), (2**63, 2**31))) == 128


def test_headers_are_parsed_by_one_thread_at_a_time(tmp_path, monkeypatch):
    """Python's `ast` is not safe in threads before 3.11.8, and NumPy parses headers by it."""
    np.save(tmp_path / "a.npy", np.arange(3))
    at_work, most = 0, 0
    load = np.load

    def watched(*args, **options):
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        time.sleep(0.005)
        array = load(*args, **options)
        at_work -= 1
        return array

    monkeypatch.setattr(np, "load", watched)
    with ThreadPoolExecutor(8) as pool:
        arrays = list(
            pool.map(lambda _: open_npy(StoredFile(LocalStore(tmp_path), "a.npy")), range(16))
        )
    assert most == 1
    assert all(array.tolist() == [0, 1, 2] for array in arrays)
