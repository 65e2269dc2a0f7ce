"""Datasets read with the libraries of their formats only: pyarrow, h5py, NumPy, TensorFlow.

Nothing of the project is used but its manifest, read as JSON. Each reader gives, shard after
shard, dicts of Arrow arrays by column in the canonical form (see `oracle`); features of a matrix
and floats of TFRecord are what was stored, widened to float64, with null for NaN.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from benchmarks.oracle import canonical_type

BATCH_ROWS = 65_536
Batch = dict[str, pa.Array]


@dataclass(frozen=True)
class StoredColumn:
    """A column as the manifest has it."""

    name: str
    dtype: str
    vocabulary: tuple[str, ...] | None

    @property
    def is_text(self) -> bool:
        return self.dtype in ("category", "text")


def _manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a dataset, as docs/format.md describes its file."""
    [path] = (*folder.glob("_manifest"), *folder.glob("_manifest.*"))
    if path.suffix == ".parquet":
        return json.loads(pq.read_metadata(path).metadata[b"bigdata.manifest"])
    if path.suffix == ".arrow":
        return json.loads(pa.ipc.open_file(path.read_bytes()).schema.metadata[b"bigdata.manifest"])
    return json.loads(path.read_text(encoding="utf-8"))


@dataclass(frozen=True)
class StoredDataset:
    """A dataset as its manifest has it: `manifest` is the JSON."""

    folder: Path
    manifest: dict[str, Any]

    @classmethod
    def open(cls, folder: Path) -> StoredDataset:
        return cls(folder, _manifest(folder))

    @property
    def format(self) -> str:
        return self.manifest["format"]

    @property
    def layout(self) -> str:
        return self.manifest["layout"]

    @property
    def label(self) -> str | None:
        return self.manifest["label"]

    @property
    def columns(self) -> tuple[StoredColumn, ...]:
        return tuple(
            StoredColumn(
                entry["name"],
                entry["dtype"],
                tuple(entry["vocabulary"]) if "vocabulary" in entry else None,
            )
            for entry in self.manifest["columns"]
        )

    @property
    def features(self) -> tuple[StoredColumn, ...]:
        return tuple(column for column in self.columns if column.name != self.label)

    @property
    def shards(self) -> list[list[Path]]:
        """The files of each shard."""
        return [
            [self.folder / file["name"] for file in shard["files"]]
            for shard in self.manifest["shards"]
        ]

    def batches(self) -> Iterator[Batch]:
        """All rows in order, in batches of any size."""
        read = {
            "parquet": _read_parquet,
            "hdf5": _read_hdf5,
            "npy": _read_npy,
            "tfrecord": _read_tfrecord,
            "arrow": _read_arrow,
        }[self.format]
        for files in self.shards:
            yield from read(self, files)


def _canonical(array: pa.Array | pa.ChunkedArray, dtype: str) -> pa.Array:
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pa.types.is_date32(array.type):
        array = array.view(pa.int32())
    elif pa.types.is_timestamp(array.type):
        unit = "ns" if "ns" in dtype else "us"
        if array.type.unit != unit or (array.type.tz == "UTC") != ("UTC" in dtype):
            raise ValueError(f"{array.type} is not {dtype}")
        array = array.view(pa.int64())
    return array.cast(canonical_type(dtype))


def _from_numpy(values: np.ndarray, valid: np.ndarray | None, column: StoredColumn) -> pa.Array:
    """Stored values, with a validity mask where there is one: codes, datetimes, floats …"""
    mask = None if valid is None else ~valid
    if column.dtype == "category":
        codes = pa.array(values.astype(np.int64), mask=mask)
        return pa.array(column.vocabulary, pa.string()).take(codes)
    if values.dtype.kind == "M":
        unit = np.datetime_data(values.dtype)[0]
        expected = "D" if column.dtype == "date" else "ns" if "ns" in column.dtype else "us"
        if unit != expected:
            raise ValueError(f'column "{column.name}": {values.dtype} is not {column.dtype}')
        nulls = np.isnat(values)
        if (nulls if valid is None else nulls != ~valid).any():
            raise ValueError(f'column "{column.name}": NaT and the mask differ')
        values = values.view(np.int64)
    array = pa.array(values, mask=mask, from_pandas=False)
    return array.cast(canonical_type(column.dtype))


def _nan_is_null(values: np.ndarray) -> pa.Array:
    wide = values.astype(np.float64)
    return pa.array(wide, mask=np.isnan(wide))


def _check_item(actual: np.dtype, column: StoredColumn, *, what: str) -> None:
    """Raise ValueError where a file has another dtype than the manifest says."""
    expected = {"null": "bool", "category": None, "date": None}.get(column.dtype, column.dtype)
    if expected is None or expected.startswith("timestamp"):
        if column.dtype == "category":
            n_values = len(column.vocabulary or ())
            smallest = 1 if n_values <= 2**8 else 2 if n_values <= 2**16 else 4
            if actual.kind != "u" or actual.itemsize != smallest:
                raise ValueError(f"{what}: codes of {n_values} values are {actual}")
        return
    if actual != np.dtype(expected):
        raise ValueError(f"{what} is {actual}, not {expected}")


def _read_parquet(dataset: StoredDataset, files: Sequence[Path]) -> Iterator[Batch]:
    import pyarrow.parquet as pq

    names = [column.name for column in dataset.columns]
    for file in files:
        with pq.ParquetFile(file) as parquet:
            if parquet.schema_arrow.names != names:
                raise ValueError(f"{file} has other columns: {parquet.schema_arrow.names}")
            for column in dataset.columns:
                _check_arrow(parquet.schema_arrow.field(column.name).type, column)
            for batch in parquet.iter_batches(BATCH_ROWS):
                yield {
                    column.name: _canonical(batch.column(place), column.dtype)
                    for place, column in enumerate(dataset.columns)
                }


def _read_arrow(dataset: StoredDataset, files: Sequence[Path]) -> Iterator[Batch]:
    names = [column.name for column in dataset.columns]
    for file in files:
        reader = pa.ipc.open_file(file)
        if reader.schema.names != names:
            raise ValueError(f"{file} has other columns: {reader.schema.names}")
        for number in range(reader.num_record_batches):
            batch = reader.get_batch(number)
            for array, column in zip(batch.columns, dataset.columns, strict=True):
                if column.dtype != "category":
                    _check_arrow(array.type, column)
                elif array.dictionary.to_pylist() != list(column.vocabulary or ()):
                    raise ValueError(f'column "{column.name}" has another dictionary')
            yield {
                column.name: _canonical(array, column.dtype)
                for array, column in zip(batch.columns, dataset.columns, strict=True)
            }


def _check_arrow(actual: pa.DataType, column: StoredColumn) -> None:
    name = {"float": "float32", "double": "float64", "date32[day]": "date"}.get(
        str(actual), str(actual)
    )
    name = name.replace(", tz=", ", ")
    strings = ("string", "large_string")
    if name == column.dtype or (column.is_text and name in strings):
        return
    if column.dtype == "null" and name == "bool":
        return
    raise ValueError(f'column "{column.name}" is {actual}, not {column.dtype}')


def _read_npy(dataset: StoredDataset, files: Sequence[Path]) -> Iterator[Batch]:
    stem = dataset.manifest["name"]
    arrays: dict[str, np.ndarray] = {}
    for file in files:
        match = re.fullmatch(r"(.*)-\d{5}-of-\d{5}\.npy", file.name, re.DOTALL)
        if match is None:
            raise ValueError(f"{file.name} is not the name of a shard")
        part = unquote(match[1].removeprefix(f"{stem}."))
        arrays[part] = np.load(file, mmap_mode="r")
    if dataset.layout == "matrix":
        yield from _matrix_batches(dataset, arrays)
        return
    rows = _npy_rows(dataset, arrays)
    for start in range(0, rows, BATCH_ROWS):
        stop = min(start + BATCH_ROWS, rows)
        yield {column.name: _npy_column(arrays, column, start, stop) for column in dataset.columns}


def _npy_rows(dataset: StoredDataset, arrays: dict[str, np.ndarray]) -> int:
    lengths = set()
    for column in dataset.columns:
        if column.dtype == "text":
            lengths.add(len(arrays[f"{column.name}.offsets"]) - 1)
        else:
            lengths.add(len(arrays[column.name]))
            _check_item(arrays[column.name].dtype, column, what=f'npy column "{column.name}"')
    if len(lengths) != 1:
        raise ValueError(f"columns of different lengths: {lengths}")
    return lengths.pop()


def _npy_column(
    arrays: dict[str, np.ndarray], column: StoredColumn, start: int, stop: int
) -> pa.Array:
    mask = arrays.get(f"{column.name}.valid")
    valid = None if mask is None else np.array(mask[start:stop])
    if column.dtype != "text":
        return _from_numpy(np.array(arrays[column.name][start:stop]), valid, column)
    offsets = np.array(arrays[f"{column.name}.offsets"][start : stop + 1])
    data = np.array(arrays[f"{column.name}.bytes"][offsets[0] : offsets[-1]])
    buffers = [None, pa.py_buffer(offsets - offsets[0]), pa.py_buffer(data)]
    texts = pa.Array.from_buffers(pa.large_string(), stop - start, buffers)
    texts.validate(full=True)
    if valid is not None:
        texts = pc.if_else(pa.array(valid), texts, None)
    return texts.cast(pa.string())


def _matrix_batches(dataset: StoredDataset, arrays: Any) -> Iterator[Batch]:
    """Rows of `X` and `y`, which are NumPy arrays or HDF5 datasets."""
    matrix, features = arrays["X"], dataset.features
    if matrix.dtype != np.dtype(dataset.manifest["matrix_dtype"]):
        raise ValueError(f"X is {matrix.dtype}, not {dataset.manifest['matrix_dtype']}")
    if matrix.shape[1] != len(features):
        raise ValueError(f"X has {matrix.shape[1]} columns, not {len(features)}")
    if dataset.label is not None and len(arrays["y"]) != len(matrix):
        raise ValueError(f"y has {len(arrays['y'])} rows, X {len(matrix)}")
    for start in range(0, len(matrix), BATCH_ROWS):
        rows = np.array(matrix[start : start + BATCH_ROWS])
        batch = {c.name: _nan_is_null(rows[:, place]) for place, c in enumerate(features)}
        if dataset.label is not None:
            target = next(c for c in dataset.columns if c.name == dataset.label)
            y = np.array(arrays["y"][start : start + BATCH_ROWS])
            _check_item(y.dtype, target, what="y")
            valid = ~np.isnan(y) if y.dtype.kind == "f" else None
            batch[target.name] = _from_numpy(y, valid, target)
        yield batch


def _read_hdf5(dataset: StoredDataset, files: Sequence[Path]) -> Iterator[Batch]:
    import h5py

    for file in files:
        with h5py.File(file, "r") as h5:
            if dataset.layout == "matrix":
                _check_names(h5, dataset)
                yield from _matrix_batches(dataset, h5)
                continue
            keys = {item.attrs.get("name", key): key for key, item in h5.items()}
            lengths = {len(h5[keys[column.name]]) for column in dataset.columns}
            if len(lengths) != 1:
                raise ValueError(f"{file}: datasets of different lengths: {lengths}")
            rows = lengths.pop()
            for start in range(0, rows, BATCH_ROWS):
                stop = min(start + BATCH_ROWS, rows)
                yield {
                    column.name: _hdf5_column(h5, keys[column.name], column, start, stop)
                    for column in dataset.columns
                }


def _check_names(h5: Any, dataset: StoredDataset) -> None:
    """Raise ValueError where the attributes of a matrix name other columns than the manifest."""
    named = list(h5["X"].attrs.get("columns", ()))
    if named and named != [column.name for column in dataset.features]:
        raise ValueError(f"X names its columns {named}")
    if dataset.label is not None and h5["y"].attrs["column"] != dataset.label:
        raise ValueError(f"y names its column {h5['y'].attrs['column']!r}")


def _hdf5_column(h5: Any, key: str, column: StoredColumn, start: int, stop: int) -> pa.Array:
    data = h5[key]
    mask = f"{key}.valid"
    valid = h5[mask][start:stop].astype(bool) if mask in h5 else None
    values = data[start:stop]
    if column.dtype == "text":
        texts = pa.array(values, pa.binary()).cast(pa.string())
        return texts if valid is None else pc.if_else(pa.array(valid), texts, None)
    _check_item(values.dtype, column, what=f'HDF5 dataset "{column.name}"')
    if column.dtype == "category":
        stored = data.attrs.get("vocabulary")
        if stored is None:
            stored = h5["_vocabulary"][key].asstr()[:]
        if list(stored) != list(column.vocabulary or ()):
            raise ValueError(f'the vocabulary of "{column.name}" differs from the manifest')
    _check_unit(data, column)
    return _from_numpy(values, valid, column)


def _check_unit(data: Any, column: StoredColumn) -> None:
    """Raise ValueError where the attributes give dates and timestamps another unit."""
    if column.dtype == "date":
        expected, item = "days since 1970-01-01", "int32"
    elif column.dtype.startswith("timestamp"):
        expected, item = ("ns" if "ns" in column.dtype else "us"), "int64"
    else:
        return
    if data.attrs["unit"] != expected or data.dtype != np.dtype(item):
        raise ValueError(f'"{column.name}": {data.dtype} of {data.attrs["unit"]}')
    if (data.attrs.get("tz") == "UTC") != ("UTC" in column.dtype):
        raise ValueError(f'"{column.name}": {column.dtype} with tz {data.attrs.get("tz")}')


def _read_tfrecord(dataset: StoredDataset, files: Sequence[Path]) -> Iterator[Batch]:
    import tensorflow as tf

    read = {"rows": _example_rows, "packed": _packed_rows, "block": _block_rows}[dataset.layout]
    for file in files:
        compression = "GZIP" if file.name.endswith(".gz") else None
        records = tf.data.TFRecordDataset(str(file), compression_type=compression)
        yield from read(dataset, records)


def _tensor_type(column: StoredColumn, layout: str) -> Any:
    import tensorflow as tf

    if column.dtype.startswith("float"):
        return tf.float32
    if column.dtype == "text" or column.dtype == "uint64":
        return tf.string
    return tf.string if column.dtype == "category" and layout != "packed" else tf.int64


def _from_tensor(values: np.ndarray, valid: np.ndarray | None, column: StoredColumn) -> pa.Array:
    if column.dtype.startswith("float"):
        array = _nan_is_null(values)
        return array if valid is None else pc.if_else(pa.array(valid), array, None)
    mask = None if valid is None else ~valid
    if values.dtype == object:
        texts = pa.array(values, pa.binary(), mask=mask).cast(pa.string())
        return texts.cast(canonical_type(column.dtype))
    if column.dtype == "category":
        return _from_numpy(values, valid, column)
    return pa.array(values, mask=mask).cast(canonical_type(column.dtype))


def _example_rows(dataset: StoredDataset, records: Any) -> Iterator[Batch]:
    """A feature per column; one that is absent is null, and may be absent only where nulls are."""
    import tensorflow as tf

    nulls = {e["name"]: e["statistics"]["nulls"] for e in dataset.manifest["columns"]}
    spec = {}
    for column in dataset.columns:
        kind = _tensor_type(column, "rows")
        spec[column.name] = (
            tf.io.VarLenFeature(kind) if nulls[column.name] else tf.io.FixedLenFeature([], kind)
        )
    batches = records.batch(BATCH_ROWS // 4).map(
        lambda batch: (tf.size(batch), tf.io.parse_example(batch, spec)), num_parallel_calls=2
    )
    for size, features in batches.prefetch(1):
        batch = {}
        for column in dataset.columns:
            tensor = features[column.name]
            if nulls[column.name]:
                values, valid = _spread(tensor, int(size), column)
                batch[column.name] = _from_tensor(values, valid, column)
            else:
                batch[column.name] = _from_tensor(tensor.numpy(), None, column)
        yield batch


def _spread(sparse: Any, rows: int, column: StoredColumn) -> tuple[np.ndarray, np.ndarray]:
    """The values of a sparse tensor in their rows, and which rows have one."""
    places = sparse.indices.numpy()
    if len(places) and places[:, 1].any():
        raise ValueError(f'"{column.name}" has more than one value in a record')
    valid = np.zeros(rows, bool)
    valid[places[:, 0]] = True
    known = sparse.values.numpy()
    values = np.full(rows, b"" if known.dtype == object else 0, known.dtype)
    values[valid] = known
    return values, valid


def _packed_rows(dataset: StoredDataset, records: Any) -> Iterator[Batch]:
    """`x` (floats), `i` (integers), `i.valid` where some of them are null, `label`."""
    import tensorflow as tf

    floats = [c for c in dataset.features if c.dtype.startswith("float")]
    integers = [c for c in dataset.features if not c.dtype.startswith("float")]
    target = next((c for c in dataset.columns if c.name == dataset.label), None)
    n = len(integers)
    spec: dict[str, Any] = {}
    if floats:
        spec["x"] = tf.io.FixedLenFeature([len(floats)], tf.float32)
    if integers:
        spec["i"] = tf.io.FixedLenFeature([n], tf.int64)
        spec["i.valid"] = tf.io.FixedLenFeature([n], tf.int64, [1] * n)
    if target is not None:
        spec["label"] = tf.io.FixedLenFeature([], _tensor_type(target, "packed"))
    batches = records.batch(BATCH_ROWS // 4).map(
        lambda batch: tf.io.parse_example(batch, spec), num_parallel_calls=2
    )
    for features in batches.prefetch(1):
        batch = {}
        for place, column in enumerate(floats):
            batch[column.name] = _from_tensor(features["x"].numpy()[:, place], None, column)
        for place, column in enumerate(integers):
            valid = features["i.valid"].numpy()[:, place].astype(bool)
            batch[column.name] = _from_tensor(features["i"].numpy()[:, place], valid, column)
        if target is not None:
            batch[target.name] = _from_tensor(features["label"].numpy(), None, target)
        yield batch


def _block_rows(dataset: StoredDataset, records: Any) -> Iterator[Batch]:
    """Many rows in a record: a list per column, `COL.valid` where the record has nulls."""
    import tensorflow as tf

    spec: dict[str, Any] = {}
    for column in dataset.columns:
        spec[column.name] = tf.io.RaggedFeature(_tensor_type(column, "block"))
        spec[f"{column.name}.valid"] = tf.io.RaggedFeature(tf.int64)
    parsed = records.map(
        lambda record: tf.io.parse_single_example(record, spec), num_parallel_calls=2
    )
    for features in parsed.prefetch(2):
        batch = {}
        for column in dataset.columns:
            values = features[column.name].numpy()
            mask = features[f"{column.name}.valid"].numpy()
            if len(mask) not in (0, len(values)):
                raise ValueError(f'"{column.name}" and its mask differ in length')
            valid = mask.astype(bool) if len(mask) else None
            batch[column.name] = _from_tensor(values, valid, column)
        yield batch
