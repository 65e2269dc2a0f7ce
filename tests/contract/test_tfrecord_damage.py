"""TFRecord files that are damaged beneath valid CRCs, or that others wrote."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf

from bigdata_cli.errors import VerificationError
from bigdata_cli.formats.base import StorageOptions
from bigdata_cli.native.library import address, lib
from bigdata_cli.types.dtype import Column, Schema
from tests.contract.example_tables import VOCABULARY, assert_same_rows
from tests.contract.tfrecord_files import (
    LAYOUTS,
    examples_of,
    read_all,
    rewrite,
    table_of,
    write_shard,
)


def mixed_table() -> tuple[pa.Table, Schema]:
    n = 40
    return table_of(
        {
            "n": ("int16", [None if k == 7 else k * 300 - 5000 for k in range(n)]),
            "f": ("float32", [k / 7 for k in range(n)]),
            "c": ("category", [VOCABULARY[k % 6] for k in range(n)]),
            "y": ("int8", [k % 2 for k in range(n)]),
        }
    )


@pytest.mark.parametrize("layout", LAYOUTS)
def test_mutated_examples_never_crash(layout: str, tmp_path: Path) -> None:
    table, schema = mixed_table()
    options = StorageOptions(layout=layout, label="y" if layout == "packed" else None)
    path = write_shard(tmp_path, table, schema, options)
    whole = examples_of(path)
    random = np.random.default_rng(0)
    for _ in range(150):
        examples = list(whole)
        j = int(random.integers(len(examples)))
        damaged = bytearray(examples[j])
        for _ in range(int(random.integers(1, 4))):
            k = int(random.integers(len(damaged)))
            damaged[k] = int(random.choice([0, 0x7F, 0x80, 0xFF, random.integers(256)]))
        if random.random() < 0.3:
            del damaged[int(random.integers(len(damaged))) :]
        examples[j] = bytes(damaged)
        rewrite(path, examples)
        with contextlib.suppress(VerificationError):
            rows = read_all(path, schema, options).num_rows
            assert layout == "block" or rows == table.num_rows


@pytest.mark.parametrize("layout", LAYOUTS)
def test_mutated_gzip_files_never_crash(layout: str, tmp_path: Path) -> None:
    table, schema = mixed_table()
    label = "y" if layout == "packed" else None
    options = StorageOptions(layout=layout, label=label, compression="gzip")
    path = write_shard(tmp_path, table, schema, options)
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(whole)
        damaged[int(random.integers(len(damaged)))] ^= int(random.integers(1, 256))
        keep = len(damaged) if random.random() < 0.7 else int(random.integers(len(damaged)))
        path.write_bytes(damaged[:keep])
        with contextlib.suppress(VerificationError):
            found = read_all(path, schema, options)
            # Nothing at all is a whole file, too.
            assert_same_rows(found, table.cast(schema.arrow()).slice(0, len(found) if keep else 0))
            assert found.num_rows == (table.num_rows if keep else 0)


def test_a_record_that_claims_to_be_huge(tmp_path: Path) -> None:
    table, schema = mixed_table()
    options = StorageOptions(layout="rows")
    path = write_shard(tmp_path, table, schema, options)
    for length in (2**64 - 1, 2**63, 2**40, 2**31):
        head = struct.pack("<Q", length)
        crc = lib.bd_crc32c(address(np.frombuffer(head, np.uint8)), 8)
        masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32
        path.write_bytes(head + struct.pack("<I", masked) + b"rest")
        with pytest.raises(VerificationError, match=r"record 0 at byte 0.*truncated"):
            read_all(path, schema, options)


def wrong_examples() -> Iterator[tuple[tf.train.Example, str]]:
    def ints(*values: int) -> tf.train.Feature:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    def texts(*values: bytes) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

    for feature, message in (
        ({"n": ints(300)}, "beyond int8"),
        ({"n": ints(1, 2)}, "number of values"),
        ({"n": texts(b"1")}, "another kind"),
        ({"c": texts(b"zzz")}, "vocabulary"),
        ({"t": texts(b"\xff\xfe")}, "UTF-8"),
        ({"u": texts(b"-1")}, "uint64"),
        ({"u": texts(b"18446744073709551616")}, "uint64"),
        ({"b": ints(2)}, "beyond bool"),
        ({"d": ints(2**40)}, "date"),
    ):
        yield tf.train.Example(features=tf.train.Features(feature=feature)), message


@pytest.mark.parametrize(("example", "message"), wrong_examples())
def test_what_the_schema_does_not_say(
    example: tf.train.Example, message: str, tmp_path: Path
) -> None:
    schema = Schema(
        (
            Column(name="n", dtype="int8"),
            Column(name="c", dtype="category", vocabulary=("a", "b")),
            Column(name="t", dtype="text"),
            Column(name="u", dtype="uint64"),
            Column(name="b", dtype="bool"),
            Column(name="d", dtype="date"),
        )
    )
    path = tmp_path / "d.tfrecord"
    rewrite(path, [example.SerializeToString()])
    with pytest.raises(VerificationError, match=message):
        read_all(path, schema, StorageOptions(layout="rows"))


def test_what_other_writers_write(tmp_path: Path) -> None:
    # Unpacked lists, unknown fields, keys in another order, a key twice, a list in two parts.
    def field(tag: int, content: bytes) -> bytes:
        assert len(content) < 128
        return bytes([tag, len(content)]) + content

    def entry(key: bytes, feature: bytes) -> bytes:
        return field(0x0A, field(0x12, feature) + field(0x0A, key))

    unpacked_int = field(0x1A, bytes([0x08, 5, 0x58, 1]))
    unpacked_float = field(0x12, b"\x0d" + struct.pack("<f", 2.5))
    example = (
        field(0x7A, b"unknown")
        + field(0x0A, entry(b"other", field(0x0A, b"")) + entry(b"f", unpacked_float))
        + field(0x0A, entry(b"n", field(0x1A, field(0x0A, b"\x01"))) + entry(b"n", unpacked_int))
    )
    parsed = tf.train.Example.FromString(example)
    assert parsed.features.feature["n"].int64_list.value == [5]
    path = tmp_path / "d.tfrecord"
    rewrite(path, [example])
    schema = Schema((Column(name="n", dtype="int8"), Column(name="f", dtype="float32")))
    table = read_all(path, schema, StorageOptions(layout="rows"))
    assert table.to_pylist() == [{"n": 5, "f": 2.5}]
