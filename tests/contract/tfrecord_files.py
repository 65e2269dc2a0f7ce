"""TFRecord files for tests: written by us, and by TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import tensorflow as tf

from bigdata_cli.formats.base import ShardName, StorageOptions
from bigdata_cli.formats.tfrecord.format import TfrecordFormat
from bigdata_cli.io.local_store import LocalStore
from bigdata_cli.types.dtype import Column, Schema, arrow_type
from tests.contract.format_contract import commit

LAYOUTS = ("rows", "packed", "block")


def write_shard(
    folder: Path, table: pa.Table, schema: Schema, options: StorageOptions, *, stem: str = "d"
) -> Path:
    """Write one shard in tables as the writer wants them."""
    form = TfrecordFormat()
    form.check(schema, options)
    writer = form.writer(
        LocalStore(folder), ShardName(stem=stem, index=0, count=1), schema, options
    )
    step = writer.batch_rows or 10_000
    for start in range(0, table.num_rows, step):
        writer.append(writer.encode(table.slice(start, step)))
    files = commit(folder, writer.close())
    return folder / files[0]


def table_of(columns: Mapping[str, tuple[str, Sequence[Any]]]) -> tuple[pa.Table, Schema]:
    """A table and its schema from names, dtypes and values."""
    arrays, described = {}, []
    for name, (dtype, values) in columns.items():
        vocabulary = tuple(sorted({v for v in values if v is not None}))
        is_category = dtype == "category"
        described.append(
            Column(name=name, dtype=dtype, vocabulary=vocabulary if is_category else None)
        )
        plain = pa.array(values, pa.string() if is_category else arrow_type(dtype))
        arrays[name] = plain.dictionary_encode() if is_category else plain
    return pa.table(arrays), Schema(tuple(described))


def rewrite(path: Path, examples: Sequence[bytes]) -> None:
    """A file of these records, with CRCs from TensorFlow."""
    with tf.io.TFRecordWriter(str(path)) as writer:
        for example in examples:
            writer.write(example)


def examples_of(path: Path) -> list[bytes]:
    """The serialized Examples of a file, as TensorFlow reads them."""
    return [record.numpy() for record in tf.data.TFRecordDataset(str(path))]


def read_all(path: Path, schema: Schema, options: StorageOptions) -> pa.Table:
    """The rows of a file through our reader, after counting them."""
    form = TfrecordFormat()
    form.count_rows(LocalStore(path.parent), [path.name], options)
    batches = list(form.read(LocalStore(path.parent), [path.name], schema, options))
    return pa.Table.from_batches(batches) if batches else schema.arrow().empty_table()
