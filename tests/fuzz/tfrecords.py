"""TFRecord files against protobuf."""

from __future__ import annotations

import random
import struct
import tempfile
from pathlib import Path
from typing import Any

import pyarrow as pa
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError

from bigdata_cli.errors import VerificationError
from bigdata_cli.formats.base import ShardName, StorageOptions
from bigdata_cli.formats.tfrecord.format import TfrecordFormat
from bigdata_cli.io.local_store import LocalStore
from bigdata_cli.types.dtype import Column, Schema, arrow_type
from tests.contract.format_contract import commit
from tests.fuzz import mutated, target
from tests.fuzz.checksums import masked

LAYOUTS = ("rows", "packed", "block")
DTYPES = ("int8", "int64", "uint32", "float32", "float64", "bool", "date", "text")
PIECES = [b"\0", b"\x7f", b"\x80", b"\xff", b"\xff" * 10, b"\x0a", b"\x12", b"\x1a", b"\x08\x01"]


def _example_class() -> Any:
    """The class of tf.train.Example, from its fields alone: importing TensorFlow takes seconds."""
    file = descriptor_pb2.FileDescriptorProto(name="fuzz.proto", package="fuzz", syntax="proto3")
    field = descriptor_pb2.FieldDescriptorProto

    def message(name: str, *fields: tuple[str, int, int, bool, str | None]) -> Any:
        new = file.message_type.add(name=name)
        for title, number, kind, repeated, type_name in fields:
            label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
            new.field.add(
                name=title, number=number, type=kind, label=label, type_name=type_name or None
            )
        return new

    message("BytesList", ("value", 1, field.TYPE_BYTES, True, None))
    message("FloatList", ("value", 1, field.TYPE_FLOAT, True, None))
    message("Int64List", ("value", 1, field.TYPE_INT64, True, None))
    feature = message("Feature")
    feature.oneof_decl.add(name="kind")
    for number, kind in enumerate(("bytes_list", "float_list", "int64_list"), 1):
        type_name = ".fuzz." + {"b": "BytesList", "f": "FloatList", "i": "Int64List"}[kind[0]]
        feature.field.add(
            name=kind, number=number, type=field.TYPE_MESSAGE, label=field.LABEL_OPTIONAL,
            type_name=type_name, oneof_index=0,
        )  # fmt: skip
    # A map is a repeated entry of which the last one counts. Its keys are bytes here: what is no
    # UTF-8 is no name of a column, and its entry is passed over.
    message(
        "Entry",
        ("key", 1, field.TYPE_BYTES, False, None),
        ("value", 2, field.TYPE_MESSAGE, False, ".fuzz.Feature"),
    )
    message("Features", ("feature", 1, field.TYPE_MESSAGE, True, ".fuzz.Entry"))
    message("Example", ("features", 1, field.TYPE_MESSAGE, False, ".fuzz.Features"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("fuzz.Example"))


Example = _example_class()


def framed(record: bytes) -> bytes:
    """A record as it stands in a file."""
    head = struct.pack("<Q", len(record))
    return b"".join(
        [head, struct.pack("<I", masked(head)), record, struct.pack("<I", masked(record))]
    )


def records_of(data: bytes) -> list[bytes]:
    """The records of a sound file."""
    found, at = [], 0
    while at < len(data):
        (n,) = struct.unpack_from("<Q", data, at)
        found.append(data[at + 12 : at + 12 + n])
        at += 16 + n
    return found


def _value(dtype: str, chance: random.Random) -> Any:
    match dtype:
        case "int8":
            return chance.randint(-128, 127)
        case "int64":
            return chance.getrandbits(chance.randint(1, 63)) * chance.choice([1, -1])
        case "uint32":
            return chance.getrandbits(chance.randint(1, 32))
        case "bool":
            return chance.random() < 0.5
        case "date":
            return chance.randint(-30000, 30000)
        case "text":
            return "".join(chance.choices("ab é😀\0", k=chance.choice([0, 1, 5, 40, 200])))
    return struct.unpack("<f", struct.pack("<f", chance.uniform(-1e6, 1e6)))[0]


def _table(chance: random.Random, layout: str) -> tuple[pa.Table, Schema]:
    """A table of a few columns of any types, with nulls."""
    names = DTYPES if layout != "packed" else DTYPES[:-1]
    n_rows = chance.choice([1, 2, 7, 30, 100])
    arrays, columns = {}, []
    for i in range(chance.randint(1, 6)):
        dtype = chance.choice(names)
        nulls = chance.choice([0, 0, 0.3])
        values = [None if chance.random() < nulls else _value(dtype, chance) for _ in range(n_rows)]
        name = f"{'column' * chance.choice([0, 1, 30])}{i}"
        kind = arrow_type(dtype)
        arrays[name] = (
            pa.array(values, pa.int32()).cast(kind) if dtype == "date" else pa.array(values, kind)
        )
        columns.append(Column(name=name, dtype=dtype, vocabulary=None))
    return pa.table(arrays), Schema(tuple(columns))


def _write(folder: Path, table: pa.Table, schema: Schema, options: StorageOptions) -> Path:
    form = TfrecordFormat()
    form.check(schema, options)
    writer = form.writer(LocalStore(folder), ShardName(stem="d", index=0, count=1), schema, options)
    step = writer.batch_rows or 10_000
    for start in range(0, table.num_rows, step):
        writer.append(writer.encode(table.slice(start, step)))
    (name,) = commit(folder, writer.close())
    return folder / name


def _read(path: Path, schema: Schema, options: StorageOptions) -> pa.Table:
    form = TfrecordFormat()
    form.count_rows(LocalStore(path.parent), [path.name], options)
    batches = list(form.read(LocalStore(path.parent), [path.name], schema, options))
    return pa.Table.from_batches(batches) if batches else schema.arrow().empty_table()


def _row(example: Any, table: pa.Table) -> dict[str, Any]:
    """A row of layout rows, as protobuf sees it, with the numbers of dates."""
    features = {entry.key: entry.value for entry in example.features.feature}
    row: dict[str, Any] = {}
    for field in table.schema:
        feature = features.get(field.name.encode())
        kind = None if feature is None else feature.WhichOneof("kind")
        values = [] if kind is None else getattr(feature, kind).value
        if not values:
            row[field.name] = None
            continue
        (value,) = values
        row[field.name] = value.decode() if isinstance(value, bytes) else value
    return row


def _bits(value: Any) -> Any:
    """A value that equals itself, even where it is NaN."""
    return struct.pack("<d", value) if isinstance(value, float) else value


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    dates = [f.name for f in table.schema if pa.types.is_date(f.type)]
    for name in dates:
        place = table.column_names.index(name)
        table = table.set_column(place, name, table[name].cast(pa.int32()))
    return table.to_pylist()


@target
def tfrecords(chance: random.Random) -> int:
    """What we write is what protobuf reads, and what protobuf writes is what we read."""
    layout = chance.choice(LAYOUTS)
    table, schema = _table(chance, layout)
    options = StorageOptions(layout=layout)
    with tempfile.TemporaryDirectory() as folder:
        path = _write(Path(folder), table, schema, options)
        assert _rows(_read(path, schema, options)) == _rows(table) or layout == "packed", table
        data = path.read_bytes()
        records = records_of(data)
        assert b"".join(map(framed, records)) == data
        examples = [Example.FromString(record) for record in records]
        if layout == "rows":
            assert [_row(example, table) for example in examples] == [
                {name: float(v) if isinstance(v, float) else v for name, v in row.items()}
                for row in _rows(table)
            ], table
        for example in examples:
            entries = list(example.features.feature)
            chance.shuffle(entries)
            example.ClearField("features")
            example.features.feature.extend(entries)
        again = [example.SerializeToString() for example in examples]
        path.write_bytes(b"".join(map(framed, again)))
        expected = _read(path, schema, options)
        path.write_bytes(data)
        assert expected.equals(_read(path, schema, options)), table
    return table.num_rows


@target
def hostile_tfrecords(chance: random.Random) -> int:
    """Damaged records are refused, or read as protobuf reads them."""
    layout = chance.choice(LAYOUTS)
    table, schema = _table(chance, layout)
    options = StorageOptions(layout=layout)
    with tempfile.TemporaryDirectory() as folder:
        path = _write(Path(folder), table, schema, options)
        records = records_of(path.read_bytes())
        at = chance.randrange(len(records))
        records[at] = mutated(records[at], chance, PIECES)
        data = b"".join(map(framed, records))
        if chance.random() < 0.2:
            data = mutated(data, chance, PIECES)
        path.write_bytes(data)
        try:
            found = _read(path, schema, options)
        except VerificationError:
            return 1
        found.validate(full=True)
        if layout == "rows":
            try:
                example = Example.FromString(records[at])
            except DecodeError:
                # Features of other names are skipped, whatever is in them.
                if any(name.encode() not in records[at] for name in table.column_names):
                    return 1
                raise AssertionError((records[at], "protobuf refuses it")) from None
            row = {name: _bits(value) for name, value in _rows(found)[at].items()}
            expected = {name: _bits(value) for name, value in _row(example, table).items()}
            assert row == expected, (records[at], row, expected)
    return 1
