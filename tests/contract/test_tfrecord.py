"""TFRecord: the contract, and what TensorFlow and protobuf say of the files."""

from __future__ import annotations

import contextlib
import gzip
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli.errors import DataError, UsageError, VerificationError
from bigdata_cli.formats.base import ShardName, StorageOptions
from bigdata_cli.formats.tfrecord.format import TfrecordFormat
from bigdata_cli.formats.tfrecord.layout import BLOCK_ROWS, feature_spec
from bigdata_cli.io.local_store import LocalStore
from bigdata_cli.types.dtype import Column, Kind, Schema
from tests.contract.example_tables import assert_same_rows, example_schema
from tests.contract.format_contract import FormatContract, commit
from tests.contract.tfrecord_files import LAYOUTS, read_all, table_of, write_shard
from tests.examples import examples


def as_float32(array: pa.ChunkedArray | pa.Array, *, nan_is_null: bool) -> pa.Array:
    """A float column at the precision that TFRecord stores."""
    whole = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    valid = np.asarray(whole.is_valid())
    with np.errstate(over="ignore"):
        values = whole.fill_null(0.0).to_numpy(zero_copy_only=False).astype(np.float32)
    if nan_is_null:
        valid = valid & ~np.isnan(values)
    return pa.array(values.astype(whole.type.to_pandas_dtype()), mask=~valid, from_pandas=False)


class TestTfrecord(FormatContract):
    format_name = "tfrecord"
    has_checksums = True

    def schema(self, layout: str) -> Schema:
        schema = example_schema(text=layout not in self.layouts_without_text)
        if layout != "packed":
            return schema
        return Schema(tuple(column for column in schema if column.dtype != "uint64"))

    def expected(self, table: pa.Table, schema: Schema, options: StorageOptions) -> pa.Table:
        for i, column in enumerate(schema):
            if column.kind is Kind.FLOAT:
                stored = as_float32(table.column(i), nan_is_null=options.layout == "packed")
                table = table.set_column(i, column.name, stored)
        return table

    def assert_damaged(
        self, folder: Path, files: Sequence[str], schema: Schema, options: StorageOptions, rows: int
    ) -> None:
        """As in the contract; a file cut between two records has fewer rows, and no other sign."""
        with contextlib.suppress(VerificationError):
            found = self.form.count_rows(LocalStore(folder), files, options)
            for _ in self.form.read(LocalStore(folder), files, schema, options):
                pass
            assert found < rows


def manifest_of(
    schema: Schema, table: pa.Table, options: StorageOptions, path: Path
) -> dict[str, Any]:
    """What `sidecars` and `feature_spec` need of a manifest."""
    return {
        "name": "test",
        "tool_version": "0",
        "layout": options.layout,
        "label": options.label,
        "compression": options.compression,
        "columns": [
            {
                "name": column.name,
                "dtype": column.dtype,
                **({} if column.vocabulary is None else {"vocabulary": column.vocabulary}),
                "statistics": {"count": table.num_rows, "nulls": table[column.name].null_count},
            }
            for column in schema
        ],
        "shards": [
            {
                "rows": table.num_rows,
                "files": [{"name": path.name, "bytes": path.stat().st_size, "sha256": ""}],
            }
        ],
    }


def tf_features(spec: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The spec as TensorFlow takes it, as its docstring says."""
    types = {"int64": tf.int64, "float": tf.float32, "bytes": tf.string}
    return {
        key: tf.io.VarLenFeature(types[entry["type"]])
        if entry["shape"] == "ragged"
        else tf.io.FixedLenFeature(entry["shape"], types[entry["type"]], entry["default"])
        for key, entry in spec.items()
    }


def tf_parse(path: Path, spec: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """All records of a file through `tf.io.parse_example`."""
    compression = "GZIP" if path.suffix == ".gz" else None
    records = list(tf.data.TFRecordDataset(str(path), compression_type=compression))
    return dict(tf.io.parse_example(tf.stack(records), tf_features(spec)))


def stored(value: Any, column: Column) -> Any:
    """A value as the layouts rows and block hold it."""
    if column.dtype == "uint64":
        return str(value).encode()
    if isinstance(value, str):
        return value.encode()
    if column.kind is Kind.FLOAT:
        return float(np.float32(value))
    return int(value)


def integers(array: pa.ChunkedArray) -> list[Any]:
    """Dates and timestamps as numbers, others as they are."""
    if pa.types.is_date(array.type):
        return array.cast(pa.int32()).to_pylist()
    if pa.types.is_timestamp(array.type):
        return array.cast(pa.int64()).to_pylist()
    return array.to_pylist()


def assert_tf_rows(path: Path, table: pa.Table, schema: Schema, options: StorageOptions) -> None:
    """TensorFlow reads the values of `table` from a file of the layout rows."""
    parsed = tf_parse(path, feature_spec(manifest_of(schema, table, options, path)))
    for column in schema:
        expected = integers(table[column.name])
        actual = parsed[column.name]
        if isinstance(actual, tf.SparseTensor):
            rows = actual.indices.numpy()[:, 0].tolist()
            values = dict(zip(rows, actual.values.numpy().tolist(), strict=True))
            wanted = {
                row: stored(value, column)
                for row, value in enumerate(expected)
                if value is not None
            }
            assert values == wanted, column
        else:
            wanted_list = [math.nan if v is None else stored(v, column) for v in expected]
            np.testing.assert_array_equal(actual.numpy().tolist(), wanted_list, column.name)


INT64_MIN = -(2**63)
INTEGERS = [0, 1, -1, 127, 128, -128, 16_383, 16_384, 2**31, INT64_MIN, 2**63 - 1, 2**56 - 1]
TEXTS = ["", "a", "é" * 63, "é" * 64, "x" * 127, "x" * 128, "x" * 16_384, "x" * 70_000, "\0", "z\n"]


def test_tensorflow_reads_every_value(tmp_path: Path) -> None:
    n = len(INTEGERS)
    table, schema = table_of(
        {
            "int": ("int64", INTEGERS),
            "text": ("text", (TEXTS * 2)[:n]),
            "": ("int8", [1] * n),
            "a" * 200: ("int64", INTEGERS),
            "ü" * 70: ("float32", [0.5] * n),
            "big": ("uint64", [2**64 - 1] * n),
            "null int": ("int64", [None, *INTEGERS[1:]]),
            "null float": ("float64", [None, *[1e300 * 0 + 0.1] * (n - 1)]),
            "null text": ("text", [None, *[""] * (n - 1)]),
            "flag": ("bool", [True, None] * (n // 2)),
            "code": ("category", (["b", "", "a", None] * n)[:n]),
            "nothing": ("null", [None] * n),
        }
    )
    options = StorageOptions(layout="rows")
    assert_tf_rows(write_shard(tmp_path, table, schema, options), table, schema, options)


def random_tables() -> st.SearchStrategy[tuple[pa.Table, Schema]]:
    """Tables of all kinds with any values, some null."""
    values = {
        "int64": st.integers(INT64_MIN, 2**63 - 1),
        "int8": st.integers(-128, 127),
        "uint64": st.integers(0, 2**64 - 1),
        "bool": st.booleans(),
        "float32": st.floats(width=32, allow_nan=False),
        "date": st.dates(),
        "timestamp[us]": st.datetimes(),
        "text": st.text(st.characters(codec="utf-8"), max_size=300),
        "category": st.text(st.characters(codec="utf-8"), max_size=5),
    }
    names = st.text(st.characters(codec="utf-8"), max_size=150)

    @st.composite
    def build(draw: st.DrawFn) -> tuple[pa.Table, Schema]:
        n_rows = draw(st.integers(1, 8))
        columns = {}
        for name in draw(st.lists(names, min_size=1, max_size=5, unique=True)):
            dtype = draw(st.sampled_from(sorted(values)))
            value = st.one_of(st.none(), values[dtype]) if draw(st.booleans()) else values[dtype]
            columns[name] = (dtype, draw(st.lists(value, min_size=n_rows, max_size=n_rows)))
        return table_of(columns)

    return build()


@examples(60)
@given(random_tables())
def test_tensorflow_reads_any_table(tmp_path_factory: Any, drawn: tuple[pa.Table, Schema]) -> None:
    table, schema = drawn
    options = StorageOptions(layout="rows")
    path = write_shard(tmp_path_factory.mktemp("t"), table, schema, options)
    assert_tf_rows(path, table, schema, options)
    batches = TfrecordFormat().read(LocalStore(path.parent), [path.name], schema, options)
    assert_same_rows(pa.Table.from_batches(list(batches)), table.cast(schema.arrow()))


def test_bytes_are_those_of_protobuf(tmp_path: Path) -> None:
    columns: dict[str, tuple[str, Sequence[Any]]] = {
        "a": ("float32", [0.5, -1.0]),
        "b" * 130: ("int64", [-1, 300]),
        "c": ("text", ["é" * 9000, ""]),
    }
    table, schema = table_of(columns)
    for layout in ("rows", "block"):
        path = write_shard(tmp_path, table, schema, StorageOptions(layout=layout), stem=layout)
        for record in tf.data.TFRecordDataset(str(path)):
            # protobuf sorts keys when it is deterministic, and these are sorted.
            example = tf.train.Example.FromString(record.numpy())
            assert example.SerializeToString(deterministic=True) == record.numpy()


def test_files_are_those_of_tensorflow(tmp_path: Path) -> None:
    table, schema = table_of({"a": ("int64", INTEGERS)})
    path = write_shard(tmp_path, table, schema, StorageOptions(layout="rows"))
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(path))]
    with tf.io.TFRecordWriter(str(tmp_path / "theirs")) as writer:
        for record in records:
            writer.write(record)
    assert (tmp_path / "theirs").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("label_dtype", ["int8", "float32", "category"])
def test_packed_in_tensorflow(label_dtype: str, tmp_path: Path) -> None:
    labels = {"int8": [1, 0, 1], "float32": [0.5, None, 2.0], "category": ["b", "a", "b"]}
    table, schema = table_of(
        {
            "f": ("float64", [0.1, None, 3.0]),
            "n": ("int8", [-1, 5, None]),
            "y": (label_dtype, labels[label_dtype]),
            "c": ("category", ["q", "p", "q"]),
            "g": ("float32", [1.0, 2.0, 3.0]),
        }
    )
    options = StorageOptions(layout="packed", label="y")
    path = write_shard(tmp_path, table, schema, options)
    spec = feature_spec(manifest_of(schema, table, options, path))
    assert {key: entry["columns"] for key, entry in spec.items()} == {
        "x": ["f", "g"],
        "i": ["n", "c"],
        "i.valid": ["n", "c"],
        "label": ["y"],
    }
    parsed = tf_parse(path, spec)
    expected = np.array([[0.1, 1], [np.nan, 2], [3, 3]], np.float32)
    np.testing.assert_array_equal(parsed["x"].numpy(), expected)
    assert parsed["i"].numpy().tolist() == [[-1, 1], [5, 0], [0, 1]]
    assert parsed["i.valid"].numpy().tolist() == [[1, 1], [1, 1], [0, 1]]
    wanted = {"int8": [1, 0, 1], "float32": [0.5, np.nan, 2.0], "category": [1, 0, 1]}
    np.testing.assert_array_equal(parsed["label"].numpy(), wanted[label_dtype])
    raw = [tf.train.Example.FromString(r.numpy()) for r in tf.data.TFRecordDataset(str(path))]
    assert ["i.valid" in example.features.feature for example in raw] == [False, False, True]


def test_packed_leaves_out_groups_without_columns(tmp_path: Path) -> None:
    table, schema = table_of({"n": ("int8", [1, 2])})
    path = write_shard(tmp_path, table, schema, StorageOptions(layout="packed"))
    (first, _) = tf.data.TFRecordDataset(str(path))
    assert list(tf.train.Example.FromString(first.numpy()).features.feature) == ["i"]


def test_block_in_tensorflow(tmp_path: Path) -> None:
    n = 2 * BLOCK_ROWS + 5
    table, schema = table_of(
        {
            "n": ("int64", list(range(n))),
            "t": ("text", ["é" * (k % 5) for k in range(n)]),
            "m": ("float32", [None if k == BLOCK_ROWS else 0.5 for k in range(n)]),
        }
    )
    options = StorageOptions(layout="block")
    path = write_shard(tmp_path, table, schema, options)
    parsed = tf_parse(path, feature_spec(manifest_of(schema, table, options, path)))
    sizes = [BLOCK_ROWS, BLOCK_ROWS, 5]
    assert parsed["n"].values.numpy().tolist() == list(range(n))
    assert np.bincount(parsed["n"].indices.numpy()[:, 0]).tolist() == sizes
    assert [t.decode() for t in parsed["t"].values.numpy()] == table["t"].to_pylist()
    assert np.isnan(parsed["m"].values.numpy()).nonzero()[0].tolist() == [BLOCK_ROWS]
    mask = parsed["m.valid"]
    assert set(mask.indices.numpy()[:, 0].tolist()) == {1}
    assert mask.values.numpy().tolist() == [0] + [1] * (BLOCK_ROWS - 1)
    assert TfrecordFormat().count_rows(LocalStore(tmp_path), [path.name], options) == n


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gzip_members_in_tensorflow(layout: str, tmp_path: Path) -> None:
    n = 40_000
    table, schema = table_of({"a": ("int64", list(range(n))), "b": ("float32", [0.5] * n)})
    options = StorageOptions(layout=layout, compression="gzip:1")
    path = write_shard(tmp_path, table, schema, options)
    assert path.name == "d-00000-of-00001.tfrecord.gz"
    plain = write_shard(tmp_path, table, schema, StorageOptions(layout=layout))
    assert gzip.decompress(path.read_bytes()) == plain.read_bytes()
    theirs = tf.data.TFRecordDataset(str(path), compression_type="GZIP")
    n_records = sum(len(batch) for batch in theirs.batch(4_096))
    assert n_records == (-(-n // BLOCK_ROWS) if layout == "block" else n)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_empty_gzip_shard_in_tensorflow(layout: str, tmp_path: Path) -> None:
    table, schema = table_of({"a": ("int64", [])})
    options = StorageOptions(layout=layout, compression="gzip")
    path = write_shard(tmp_path, table, schema, options)
    assert gzip.decompress(path.read_bytes()) == b""
    assert not list(tf.data.TFRecordDataset(str(path), compression_type="GZIP"))


@pytest.mark.parametrize("layout", ["rows", "packed"])
def test_tensorflow_datasets_reads_the_folder(layout: str, tmp_path: Path) -> None:
    tfds = pytest.importorskip("tensorflow_datasets")
    columns: dict[str, tuple[str, Sequence[Any]]] = {
        "a": ("int8", [1, -2, 3]),
        "gap": ("float64", [0.5, None, 2.0]),
        "hole": ("int16", [None, 7, None]),
        "label": ("bool", [True, False, True]),
    }
    if layout == "rows":
        columns["t"] = ("text", ["x", None, ""])
        columns["u"] = ("uint64", [2**64 - 1, 0, 1])
    table, schema = table_of(columns)
    options = StorageOptions(layout=layout, label="label")
    path = write_shard(tmp_path, table, schema, options, stem="my trips [1]")
    manifest = manifest_of(schema, table, options, path)
    for name, content in TfrecordFormat().sidecars(manifest).items():
        (tmp_path / name).write_text(content)
    builder = tfds.builder_from_directory(str(tmp_path))
    assert builder.info.splits["train"].num_examples == 3
    rows = list(tfds.as_numpy(builder.as_dataset(split="train")))
    if layout == "rows":
        assert [row["a"] for row in rows] == [1, -2, 3]
        assert [row["gap"].tolist() for row in rows] == [[0.5], [], [2.0]]
        assert [row["hole"].tolist() for row in rows] == [[], [7], []]
        assert [row["t"].tolist() for row in rows] == [[b"x"], [], [b""]]
        assert [row["u"] for row in rows] == [b"18446744073709551615", b"0", b"1"]
    else:
        assert [row["i"].tolist() for row in rows] == [[1, 0], [-2, 7], [3, 0]]
        assert [row["i.valid"].tolist() for row in rows] == [[1, 0], [], [1, 0]]
    assert [row["label"] for row in rows] == [1, 0, 1]
    pairs = list(tfds.as_numpy(builder.as_dataset(split="train", as_supervised=True)))
    assert [label for _, label in pairs] == [1, 0, 1]
    assert all(set(features) == set(rows[0]) - {"label"} for features, _ in pairs)


def test_names_of_any_kind_in_tensorflow_datasets(tmp_path: Path) -> None:
    """A slash stands for nesting there."""
    tfds = pytest.importorskip("tensorflow_datasets")
    table, schema = table_of(
        {
            "fare/total": ("int8", [1, 2]),
            "fare/tip": ("float32", [0.5, 0.25]),
            "é %20 {x}": ("text", ["a", "b"]),
            "is it?": ("bool", [True, False]),
        }
    )
    options = StorageOptions(layout="rows", label="is it?")
    path = write_shard(tmp_path, table, schema, options)
    manifest = manifest_of(schema, table, options, path)
    for name, content in TfrecordFormat().sidecars(manifest).items():
        (tmp_path / name).write_text(content)
    dataset = tfds.builder_from_directory(str(tmp_path)).as_dataset(
        split="train", as_supervised=True
    )
    features, labels = zip(*tfds.as_numpy(dataset), strict=True)
    assert labels == (1, 0)
    assert [one["fare"]["total"] for one in features] == [1, 2]
    assert [one["fare"]["tip"] for one in features] == [0.5, 0.25]
    assert [one["é %20 {x}"] for one in features] == [b"a", b"b"]


def test_sidecars_only_where_tensorflow_datasets_can_read(tmp_path: Path) -> None:
    form = TfrecordFormat()
    for names in (["a//b"], ["/a"], ["a", "a/b"], ["a/b", "a"]):
        table, schema = table_of({name: ("int8", [1]) for name in names})
        path = write_shard(tmp_path, table, schema, StorageOptions(layout="rows"))
        assert form.sidecars(manifest_of(schema, table, StorageOptions(layout="rows"), path)) == {}
    plain, plain_schema = table_of({"a": ("int8", [1])})
    for options in (
        StorageOptions(layout="block"),
        StorageOptions(layout="rows", compression="gzip:1"),
    ):
        assert form.sidecars(manifest_of(plain_schema, plain, options, path)) == {}
    info = form.sidecars(manifest_of(plain_schema, plain, StorageOptions(layout="rows"), path))
    assert json.loads(info["dataset_info.json"])["splits"][0]["shardLengths"] == ["1"]


def test_what_packed_refuses() -> None:
    form = TfrecordFormat()
    options = StorageOptions(layout="packed", label="y")
    for dtype, word in (("text", "text"), ("uint64", "uint64")):
        column = Column(name="a", dtype=dtype)
        label = Column(name="y", dtype="int8")
        with pytest.raises(UsageError, match=word):
            form.check(Schema((column, label)), options)
        with pytest.raises(UsageError, match=word):
            form.check(
                Schema((Column(name="y", dtype=dtype), Column(name="b", dtype="int8"))), options
            )


@pytest.mark.parametrize("compression", ["gzip:10", "none:1", "gzip:x"])
def test_levels_that_there_are_not(compression: str) -> None:
    options = StorageOptions(layout="rows", compression=compression)
    with pytest.raises(UsageError, match="level"):
        TfrecordFormat().check(Schema((Column(name="a", dtype="int8"),)), options)


def test_a_column_named_as_a_mask() -> None:
    schema = Schema((Column(name="a", dtype="int8"), Column(name="a.valid", dtype="int8")))
    TfrecordFormat().check(schema, StorageOptions(layout="rows"))
    with pytest.raises(UsageError, match=r"a\.valid"):
        TfrecordFormat().check(schema, StorageOptions(layout="block"))


def test_a_null_label_of_packed(tmp_path: Path) -> None:
    table, schema = table_of({"a": ("float32", [1.0, 2.0]), "y": ("int8", [1, None])})
    with pytest.raises(DataError, match='"y" is null in 1 rows'):
        write_shard(tmp_path, table, schema, StorageOptions(layout="packed", label="y"))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_number_beyond_float32(layout: str, tmp_path: Path) -> None:
    table, schema = table_of({"a": ("float64", [1.0, 1e39])})
    with pytest.raises(DataError, match='"a" has a number beyond float32'):
        write_shard(tmp_path, table, schema, StorageOptions(layout=layout))


def test_records_larger_than_a_piece(tmp_path: Path) -> None:
    table, schema = table_of({"t": ("text", ["a", "x" * 9_000_000, "", "y" * 5_000_000, "z"])})
    for layout in ("rows", "block"):
        options = StorageOptions(layout=layout)
        path = write_shard(tmp_path, table, schema, options, stem=layout)
        assert_same_rows(read_all(path, schema, options), table)


def test_records_like_the_one_before_are_read_as_any_other(tmp_path: Path) -> None:
    """Runs of records of one length, with changes of what is no value: order, kinds, lengths."""
    schema = Schema(
        (
            Column(name="f", dtype="float32"),
            Column(name="i", dtype="int64"),
            Column(name="t", dtype="text"),
        )
    )
    rng = np.random.default_rng(0)
    n_rows = 3_000
    runs = np.repeat(rng.integers(4, size=60), 50)
    integers = np.where(runs == 0, rng.integers(0, 100, n_rows), rng.integers(-5, 2**40, n_rows))
    table = pa.table(
        {
            "f": pa.array(
                rng.random(n_rows, np.float32), mask=(runs == 1) & (rng.random(n_rows) < 0.1)
            ),
            "i": pa.array(integers, mask=(runs == 3)),
            "t": pa.array(
                [f"{k % 10}" if run < 2 else "x" * (k % 7) for k, run in enumerate(runs)]
            ),
        }
    )
    options = StorageOptions(layout="rows")
    form = TfrecordFormat()
    writer = form.writer(
        LocalStore(tmp_path), ShardName(stem="d", index=0, count=1), schema, options
    )
    writer.append(writer.encode(table))
    (name,) = commit(tmp_path, writer.close())
    for columns in (["f", "i", "t"], ["i"], ["t", "f"]):
        read = pa.Table.from_batches(
            form.read(LocalStore(tmp_path), [name], schema, options, columns=columns)
        )
        assert read.to_pydict() == table.select(columns).to_pydict()


def test_a_record_like_the_one_before_but_for_a_key(tmp_path: Path) -> None:
    def record(key: str, value: float) -> bytes:
        feature = tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
        return tf.train.Example(
            features=tf.train.Features(feature={key: feature})
        ).SerializeToString()

    path = tmp_path / "d-00000-of-00001.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for key, value in [("a", 1.0), ("a", 2.0), ("b", 3.0), ("a", 4.0)]:
            writer.write(record(key, value))
    schema = Schema((Column(name="a", dtype="float32"),))
    options = StorageOptions(layout="rows")
    (batch,) = TfrecordFormat().read(LocalStore(tmp_path), [path.name], schema, options)
    assert batch.column(0).to_pylist() == [1.0, 2.0, None, 4.0]
