"""HDF5: the contract, and what h5py finds in the files."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from bigdata_cli.errors import DataError, UsageError, VerificationError
from bigdata_cli.formats.base import ShardName, StorageOptions
from bigdata_cli.formats.hdf5 import Hdf5Format
from bigdata_cli.schema.dtype import Column, Schema, arrow_type
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
    writer = form.writer(folder, ShardName(stem="d", index=0, count=1), schema, options)
    assert writer.batch_rows is not None
    for start in range(0, table.num_rows, writer.batch_rows):
        writer.append(writer.encode(table.slice(start, writer.batch_rows)))
    files = commit(folder, writer.close())
    return folder / files[0]


def read_all(path: Path, schema: Schema, options: StorageOptions) -> pa.Table:
    form = Hdf5Format()
    form.count_rows(path.parent, [path.name], options)
    return pa.Table.from_batches(form.read(path.parent, [path.name], schema, options))


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
    writer = Hdf5Format().writer(tmp_path, ShardName(stem="d", index=0, count=1), schema, options)
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
        form.count_rows(tmp_path, [path.name], COLUMNS)
    with pytest.raises(VerificationError, match=message):
        list(form.read(tmp_path, [path.name], schema, COLUMNS))


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
        list(Hdf5Format().read(tmp_path, [path.name], schema, COLUMNS))


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
        Hdf5Format().count_rows(tmp_path, [path.name], options)
