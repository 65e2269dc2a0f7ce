"""HDF5: the contract, and what h5py finds in the files."""

from __future__ import annotations

import datetime
import shutil
import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from bigdata_cli.errors import DataError, UsageError, VerificationError
from bigdata_cli.formats.base import ShardName, StorageOptions
from bigdata_cli.formats.hdf5.format import Hdf5Format
from bigdata_cli.io.local_store import LocalStore
from bigdata_cli.types.dtype import Column, Schema, arrow_type
from tests.contract.example_tables import assert_same_rows
from tests.contract.format_contract import FormatContract, commit

COLUMNS = StorageOptions(layout="columns")
MATRIX = StorageOptions(layout="matrix", label="label")


class TestHdf5(FormatContract):
    format_name = "hdf5"
    repeatable_bytes = False


def write_shard(folder: Path, table: pa.Table, schema: Schema, options: StorageOptions) -> Path:
    """Write one shard in tables as the writer wants them."""
    form = Hdf5Format()
    form.check(schema, options)
    writer = form.writer(LocalStore(folder), ShardName(stem="d", index=0, count=1), schema, options)
    assert writer.batch_rows is not None
    for start in range(0, table.num_rows, writer.batch_rows):
        writer.append(writer.encode(table.slice(start, writer.batch_rows)))
    files = commit(folder, writer.close())
    return folder / files[0]


def read_all(path: Path, schema: Schema, options: StorageOptions) -> pa.Table:
    form = Hdf5Format()
    form.count_rows(LocalStore(path.parent), [path.name], options)
    return pa.Table.from_batches(form.read(LocalStore(path.parent), [path.name], schema, options))


def small_table() -> tuple[pa.Table, Schema]:
    day, moment = datetime.date(1970, 1, 3), datetime.datetime(1970, 1, 1, 0, 0, 1)
    columns = {
        "flag": ("bool", [True, None, False]),
        "n": ("int16", [-1, None, 3]),
        "f": ("float64", [0.5, None, 2.0]),
        "day": ("date", [day, None, day]),
        "moment": ("timestamp[ns, UTC]", [moment, moment, None]),
        "code": ("category", ["b", None, "a"]),
        "t": ("text", ["é", None, ""]),
        "whole": ("uint64", [0, 1, 2**64 - 1]),
    }
    schema = Schema(
        tuple(
            Column(name=name, dtype=dtype, vocabulary=("a", "b") if dtype == "category" else None)
            for name, (dtype, _) in columns.items()
        )
    )
    arrays = []
    for dtype, values in columns.values():
        plain = pa.array(values, pa.string() if dtype == "category" else arrow_type(dtype))
        arrays.append(plain.dictionary_encode() if dtype == "category" else plain)
    return pa.table(arrays, names=list(columns)), schema


@pytest.mark.parametrize("compression", ["none", "gzip", "gzip:9"])
def test_h5py_reads_the_columns(compression: str, tmp_path: Path) -> None:
    table, schema = small_table()
    options = StorageOptions(layout="columns", compression=compression)
    with h5py.File(write_shard(tmp_path, table, schema, options)) as file:
        masks = [f"{name}.valid" for name in schema.names if name != "whole"]
        assert list(file) == [*schema.names, *masks]
        assert {dataset.shape for dataset in file.values()} == {(3,)}
        expected = {
            "flag": ("bool", [True, False, False]),
            "n": ("int16", [-1, 0, 3]),
            "f": ("float64", [0.5, np.nan, 2]),
            "day": ("int32", [2, 0, 2]),
            "moment": ("int64", [10**9, 10**9, 0]),
            "code": ("uint8", [1, 0, 0]),
            "whole": ("uint64", [0, 1, 2**64 - 1]),
            "n.valid": ("bool", [True, False, True]),
            "moment.valid": ("bool", [True, True, False]),
        }
        for name, (dtype, values) in expected.items():
            assert file[name].dtype == dtype, name
            np.testing.assert_array_equal(file[name][:], values, name)
        assert file["t"].asstr()[:].tolist() == ["é", "", ""]
        assert h5py.check_string_dtype(file["t"].dtype).encoding == "utf-8"
        assert file["day"].attrs["unit"] == "days since 1970-01-01"
        assert dict(file["moment"].attrs) == {"unit": "ns", "tz": "UTC"}
        assert file["code"].attrs["vocabulary"].tolist() == ["a", "b"]
        assert (file["n"].compression, file["n"].shuffle) == (
            (None, False) if compression == "none" else ("gzip", True)
        )


def big_table(n_rows: int) -> tuple[pa.Table, Schema]:
    random = np.random.default_rng(0)
    arrays = {
        "a": random.integers(-(2**62), 2**62, n_rows),
        "b": random.normal(size=n_rows).astype("f4"),
        "c": random.integers(0, 255, n_rows).astype("u1"),
        "label": random.integers(0, 2, n_rows).astype("i1"),
    }
    schema = Schema(tuple(Column(name=k, dtype=str(v.dtype)) for k, v in arrays.items()))
    return pa.table(arrays), schema


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_full_chunks_as_h5py_and_pandas_see_them(compression: str, tmp_path: Path) -> None:
    table, schema = big_table(3 * 32_768 + 1_234)
    options = StorageOptions(layout="columns", compression=compression)
    with h5py.File(write_shard(tmp_path, table, schema, options)) as file:
        assert file["a"].chunks == (32_768,)
        frame = pd.DataFrame({name: dataset[:] for name, dataset in file.items()})
    pd.testing.assert_frame_equal(frame, table.to_pandas())


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_matrix_as_h5py_sees_it(compression: str, dtype: str, tmp_path: Path) -> None:
    table, schema = big_table(70_000)
    options = StorageOptions(
        layout="matrix", label="label", compression=compression, matrix_dtype=dtype
    )
    with h5py.File(write_shard(tmp_path, table, schema, options)) as file:
        assert list(file) == ["X", "y"]
        assert file["X"].attrs["columns"].tolist() == ["a", "b", "c"]
        assert file["y"].attrs["column"] == "label"
        expected = table.drop_columns("label").to_pandas().to_numpy().astype(dtype)
        assert file["X"].dtype == dtype
        np.testing.assert_array_equal(file["X"][:], expected)
        np.testing.assert_array_equal(file["y"][:], table["label"].to_numpy())


def test_a_matrix_without_label_and_with_a_category(tmp_path: Path) -> None:
    schema = Schema(
        (
            Column(name="c/d", dtype="category", vocabulary=("é", "z")),
            Column(name="n", dtype="int8"),
        )
    )
    table = pa.table(
        {
            "c/d": pa.array(["z", None, "é"]).dictionary_encode(),
            "n": pa.array([1, 2, None], pa.int8()),
        }
    )
    with h5py.File(write_shard(tmp_path, table, schema, StorageOptions(layout="matrix"))) as file:
        np.testing.assert_array_equal(file["X"][:], [[1, 1], [np.nan, 2], [0, np.nan]])
        assert file["X"].attrs["columns"].tolist() == ["c/d", "n"]
        assert file["_vocabulary/c%2Fd"].asstr()[:].tolist() == ["é", "z"]
        assert "y" not in file


def test_names_that_hdf5_takes_for_paths(tmp_path: Path) -> None:
    names = ["a/b", "a", "/", ".", "..", "", "%", "a%2Fb", "_vocabulary", "x.y", "nul\0"]
    schema = Schema(tuple(Column(name=name, dtype="int8") for name in names))
    values = [pa.array([i], pa.int8()) for i in range(len(names))]
    table = pa.table(values, names=names)
    path = write_shard(tmp_path, table, schema, COLUMNS)
    with h5py.File(path) as file:
        assert all(isinstance(item, h5py.Dataset) for item in file.values())
        found = {file[key].attrs.get("name", key): int(file[key][0]) for key in file}
    assert found == {name.replace("\0", "%00"): i for i, name in enumerate(names)}
    assert_same_rows(read_all(path, schema, COLUMNS), table)


def test_a_vocabulary_that_no_attribute_holds(tmp_path: Path) -> None:
    vocabulary = tuple(f"value {i:05d}" for i in range(20_000))
    schema = Schema((Column(name="c", dtype="category", vocabulary=vocabulary),))
    table = pa.table({"c": pa.array(vocabulary[::-1]).dictionary_encode()})
    path = write_shard(tmp_path, table, schema, COLUMNS)
    with h5py.File(path) as file:
        assert tuple(file["_vocabulary/c"].asstr()[:]) == vocabulary
        assert tuple(file["_vocabulary/c"].asstr()[:][file["c"][:]]) == vocabulary[::-1]
    assert_same_rows(read_all(path, schema, COLUMNS), table)


def test_a_matrix_of_very_many_columns(tmp_path: Path) -> None:
    names = [f"column {i}" for i in range(5_000)]
    schema = Schema(tuple(Column(name=name, dtype="int8") for name in names))
    table = pa.table([pa.array([1, 2], pa.int8())] * len(names), names=names)
    options = StorageOptions(layout="matrix")
    with h5py.File(write_shard(tmp_path, table, schema, options)) as file:
        assert file["_vocabulary/%columns"].asstr()[:].tolist() == names
        assert file["X"].shape == (2, 5_000)


def test_a_few_rows_make_a_small_file(tmp_path: Path) -> None:
    names = [f"c{i}" for i in range(50)]
    schema = Schema(tuple(Column(name=name, dtype="float64") for name in names))
    table = pa.table([pa.array([0.5] * 100)] * 50, names=names)
    assert write_shard(tmp_path, table, schema, COLUMNS).stat().st_size < 200_000


def test_a_mask_that_is_needed_late_and_then_no_more(tmp_path: Path) -> None:
    n_rows = 4 * 32_768 + 7
    valid = np.ones(n_rows, bool)
    valid[40_000:40_010] = False
    table = pa.table({"a": pa.array(np.arange(n_rows), mask=~valid)})
    schema = Schema((Column(name="a", dtype="int64"),))
    path = write_shard(tmp_path, table, schema, COLUMNS)
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file["a.valid"][:], valid)
    assert_same_rows(read_all(path, schema, COLUMNS), table)


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_tables_cut_for_their_bytes(compression: str, tmp_path: Path) -> None:
    # As where text is long: tables of any size, some beginning and some not beginning a chunk.
    table, schema = big_table(80_000)
    options = StorageOptions(layout="columns", compression=compression)
    writer = Hdf5Format().writer(
        LocalStore(tmp_path), ShardName(stem="d", index=0, count=1), schema, options
    )
    start = 0
    for rows in (32_768, 5_000, 27_768, 10, 14_454):
        writer.append(writer.encode(table.slice(start, rows)))
        start += rows
    files = commit(tmp_path, writer.close())
    assert_same_rows(read_all(tmp_path / files[0], schema, options), table)


def test_text_with_nul_is_never_cut_off(tmp_path: Path) -> None:
    table = pa.table({"name": ["fine", "a\0b"]})
    schema = Schema((Column(name="name", dtype="text"),))
    with pytest.raises(DataError, match='"name" has a text with a NUL') as caught:
        write_shard(tmp_path, table, schema, COLUMNS)
    assert "--to parquet" in (caught.value.hint or "")
    category = Schema((Column(name="name", dtype="category", vocabulary=("a\0b",)),))
    with pytest.raises(DataError, match="NUL"):
        Hdf5Format().check(category, COLUMNS)


def test_what_is_refused() -> None:
    form = Hdf5Format()
    schema = Schema((Column(name="a", dtype="int8"), Column(name="a.valid", dtype="int8")))
    with pytest.raises(UsageError, match=r"a\.valid"):
        form.check(schema, COLUMNS)
    form.check(schema, StorageOptions(layout="matrix"))
    for compression in ("none:3", "gzip:10", "gzip:high"):
        with pytest.raises(UsageError, match="level"):
            form.check(schema, StorageOptions(layout="matrix", compression=compression))


# Damage.


def replace(file: h5py.File, name: str, make: Callable[[h5py.File], object]) -> None:
    """Remove a dataset and put something else in its place."""
    file.move(name, f"_vocabulary/old {name}")
    make(file)


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((3,), "i2")
    layout[:] = h5py.VirtualSource("/etc/hostname", "n", (3,))
    file.create_virtual_dataset("n", layout)


def external(file: h5py.File) -> None:
    file.create_dataset("n", (3,), "i2", external=[("/etc/hostname", 0, 6)])


def link(file: h5py.File) -> None:
    file["n"] = h5py.ExternalLink("/etc/hostname", "n")


def soft_link(file: h5py.File) -> None:
    file["n"] = h5py.SoftLink("/whole")


def group(file: h5py.File) -> None:
    file.create_group("n")


def shorter(file: h5py.File) -> None:
    file.create_dataset("n", data=np.zeros(2, "i2"))


def scalar(file: h5py.File) -> None:
    file.create_dataset("n", data=np.int16(2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (virtual, "in another file"),
        (external, "in another file"),
        (link, "is a link"),
        (soft_link, "is a link"),
        (group, "not a dataset"),
        (shorter, "differ in length"),
        (scalar, r"differ in length|should be"),
    ],
)
def test_what_stands_in_place_of_a_dataset(
    make: Callable[[h5py.File], object], message: str, tmp_path: Path
) -> None:
    table, schema = small_table()
    path = write_shard(tmp_path, table, schema, COLUMNS)
    with h5py.File(path, "r+") as file:
        replace(file, "n", make)
    form = Hdf5Format()
    with pytest.raises(VerificationError, match=message):
        form.count_rows(LocalStore(tmp_path), [path.name], COLUMNS)
    with pytest.raises(VerificationError, match=message):
        list(form.read(LocalStore(tmp_path), [path.name], schema, COLUMNS))


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("n", np.zeros(3, "i4"), "should be int16"),
        ("code", np.array([9, 0, 0], "u1"), "vocabulary"),
        ("t", np.zeros(3, "i1"), "should be object"),
        ("t", np.array([b"\xff", b"", b""], object), "UTF"),
        ("n.valid", np.zeros(3, "u1"), "should be bool"),
    ],
)
def test_what_the_schema_does_not_say(
    name: str, values: np.ndarray, message: str, tmp_path: Path
) -> None:
    table, schema = small_table()
    path = write_shard(tmp_path, table, schema, COLUMNS)
    dtype = h5py.string_dtype() if values.dtype == object else values.dtype
    with h5py.File(path, "r+") as file:
        replace(file, name, lambda file: file.create_dataset(name, data=values, dtype=dtype))
    with pytest.raises(VerificationError, match=message):
        list(Hdf5Format().read(LocalStore(tmp_path), [path.name], schema, COLUMNS))


def test_a_damaged_gzip_chunk(tmp_path: Path) -> None:
    table, schema = big_table(40_000)
    options = StorageOptions(layout="columns", compression="gzip")
    path = write_shard(tmp_path, table, schema, options)
    with h5py.File(path) as file:
        place = file["a"].id.get_chunk_info(0).byte_offset
    content = bytearray(path.read_bytes())
    content[place + 5_000 : place + 5_100] = bytes(100)
    path.write_bytes(content)
    with pytest.raises(VerificationError):
        Hdf5Format().count_rows(LocalStore(tmp_path), [path.name], options)


# Text: of a fixed length while all of a dataset is short.


def text_table(*columns: list[str | None]) -> tuple[pa.Table, Schema]:
    names = [f"t{i}" for i in range(len(columns))]
    arrays = [pa.array(values, pa.string()) for values in columns]
    return pa.table(arrays, names=names), Schema(
        tuple(Column(name=name, dtype="text") for name in names)
    )


def write_in_tables(
    folder: Path, table: pa.Table, schema: Schema, options: StorageOptions, cuts: list[int]
) -> Path:
    writer = Hdf5Format().writer(
        LocalStore(folder), ShardName(stem="d", index=0, count=1), schema, options
    )
    for start, stop in pairwise([0, *cuts, table.num_rows]):
        writer.append(writer.encode(table.slice(start, stop - start)))
    [file] = commit(folder, writer.close())
    return folder / file


@pytest.mark.parametrize(
    ("texts", "stored"),
    [
        (["a", "b", None, ""], "S1"),
        (["", None], "S1"),
        (["id01"], "S4"),
        (["0123abcd", "x"], "S8"),
        (["é" * 4], "S8"),
        (["日本語テキスト"], "S24"),
        (["x" * 64], "S64"),
        (["x" * 65, ""], "O"),
        (["é" * 33], "O"),
    ],
)
@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_short_text_has_a_fixed_length(
    texts: list[str | None], stored: str, compression: str, tmp_path: Path
) -> None:
    table, schema = text_table(texts)
    options = StorageOptions(layout="columns", compression=compression)
    path = write_shard(tmp_path, table, schema, options)
    with h5py.File(path) as file:
        assert file["t0"].dtype.str.removeprefix("|") == stored
        information = h5py.check_string_dtype(file["t0"].dtype)
        assert information.encoding == "utf-8"
        assert (information.length is None) == (stored == "O")
        assert file["t0"].asstr()[:].tolist() == [text or "" for text in texts]
    assert_same_rows(read_all(path, schema, options), table)


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("cuts", [[3], [1, 2, 3, 4, 5], [2, 4], [5]])
def test_a_longer_text_makes_a_dataset_wider_and_at_last_of_any_length(
    cuts: list[int], compression: str, tmp_path: Path
) -> None:
    ascending = ["a", None, "bcde", "é" * 9, "f" * 64, "ü" * 500, "g"]
    table, schema = text_table(ascending, ascending[::-1], ["", None, "x", "y", "zz", "é" * 5, "w"])
    options = StorageOptions(layout="columns", compression=compression)
    path = write_in_tables(tmp_path, table, schema, options, cuts)
    with h5py.File(path) as file:
        assert list(file)[:3] == ["t0", "t1", "t2"]
        assert sorted(file) == ["t0", "t0.valid", "t1", "t1.valid", "t2", "t2.valid"]
        assert [file[name].dtype.str for name in schema.names] == ["|O", "|O", "|S12"]
        assert file["t0"].asstr()[:].tolist() == [text or "" for text in ascending]
    assert_same_rows(read_all(path, schema, options), table)


def test_the_length_of_text_follows_from_the_rows_and_not_from_their_cuts(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    letters = "aé日"
    texts = ["".join(random.choice(list(letters), size=n)) for n in random.integers(0, 20, 3_000)]
    table, schema = text_table(texts, [t[:5] for t in texts])
    found = set()
    for i, cuts in enumerate(([], [1], [1_000, 2_000], [7, 77, 777, 2_999])):
        folder = tmp_path / str(i)
        folder.mkdir()
        path = write_in_tables(folder, table, schema, COLUMNS, cuts)
        with h5py.File(path) as file:
            found.add(tuple((file[n].dtype.str, file[n][:].tobytes()) for n in schema.names))
        assert_same_rows(read_all(path, schema, COLUMNS), table)
    assert len(found) == 1


def test_a_name_is_kept_where_a_dataset_was_made_anew(tmp_path: Path) -> None:
    table, _ = text_table(["a", "b" * 30], ["x", "y"])
    schema = Schema((Column(name="a/b", dtype="text"), Column(name="c", dtype="text")))
    path = write_in_tables(tmp_path, table.rename_columns(["a/b", "c"]), schema, COLUMNS, [1])
    with h5py.File(path) as file:
        assert file["a%2Fb"].attrs["name"] == "a/b"
        assert list(file) == ["a%2Fb", "c"]


def test_text_of_any_length_of_older_files_is_read(tmp_path: Path) -> None:
    table, schema = text_table(["short", None, "é"])
    with h5py.File(tmp_path / "old.h5", "w") as file:
        values = np.array([b"short", b"", "é".encode()], object)
        file.create_dataset("t0", data=values, dtype=h5py.string_dtype())
        file["t0.valid"] = [True, False, True]
    assert_same_rows(read_all(tmp_path / "old.h5", schema, COLUMNS), table)


def test_rows_by_number_of_text_in_one_piece_and_in_chunks(tmp_path: Path) -> None:
    texts = [f"{i:05d}" for i in range(2_500)]
    table, schema = text_table(texts)
    for cuts in ([], [1_000, 2_000]):
        path = write_in_tables(tmp_path, table, schema, COLUMNS, cuts)
        rows = Hdf5Format().open_rows(
            LocalStore(tmp_path), [path.name], schema, COLUMNS, columns=["t0"]
        )
        assert rows.rows == 2_500
        taken = rows.take(np.array([0, 999, 1_000, 2_499]))
        assert taken.column(0).to_pylist() == ["00000", "00999", "01000", "02499"]
        [*batches] = rows.read(range(998, 1_003), 2)
        assert [t for b in batches for t in b.column(0).to_pylist()] == texts[998:1_003]


@pytest.mark.skipif(shutil.which("h5dump") is None, reason="h5dump is not installed")
def test_h5dump_shows_text(tmp_path: Path) -> None:
    table, schema = text_table(["é", None, "abc"], ["x" * 70, "", "y"])
    path = write_shard(tmp_path, table, schema, COLUMNS)
    command = ["h5dump", "-d", "t0", "-d", "t1", str(path)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "STRSIZE 3;" in shown
    assert "CSET H5T_CSET_UTF8;" in shown
    assert '"abc"' in shown
    assert f'"{"x" * 70}"' in shown
