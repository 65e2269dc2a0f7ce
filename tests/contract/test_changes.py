"""What a format says of a column that widens holds for its bytes."""

from __future__ import annotations

import itertools
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pytest

from bigdata_cli.formats.base import Change, Format, ShardName, StorageOptions
from bigdata_cli.formats.registry import get_format
from bigdata_cli.io.local_store import LocalStore
from bigdata_cli.io.store import partial_name
from bigdata_cli.types.dtype import DTYPES, Column, Schema, arrow_type
from tests.datasets import LAYOUTS, entry_of_file

N_ROWS = 3_000
NUMBERS = [name for name in DTYPES if name not in ("text", "category")]


def columns(has_values: bool, *, layout: str) -> list[Column]:
    """Columns that can hold the same values: 0 and 1, or nothing but nulls."""
    found = [Column(name="x", dtype=name) for name in NUMBERS]
    found += [
        Column(name="x", dtype="category", vocabulary=words)
        for words in (("0", "1"), ("0", "1", "2"), ("", "0", "1"))
    ]
    if layout not in ("matrix", "packed"):
        found.append(Column(name="x", dtype="text"))
    return [column for column in found if column.dtype != "null"] if has_values else found


def values_of(column: Column, numbers: np.ndarray | None, *, nulls: bool) -> pa.Array:
    kind = arrow_type(column.dtype)
    if numbers is None or column.dtype == "null":
        return pa.nulls(N_ROWS, kind)
    plain = pa.array(numbers, pa.int64(), mask=np.arange(len(numbers)) % 7 == 3 if nulls else None)
    if column.dtype == "category":
        return plain.cast(pa.string()).dictionary_encode()
    if column.dtype == "date":
        return plain.cast(pa.int32()).view(kind)
    return plain.view(kind) if pa.types.is_timestamp(kind) else plain.cast(kind)


def table_of(column: Column, numbers: np.ndarray | None, *, nulls: bool) -> pa.Table:
    n = pa.array(np.arange(N_ROWS), pa.int16())
    return pa.table({"n": n, "x": values_of(column, numbers, nulls=nulls)})


def schema_of(column: Column) -> Schema:
    return Schema((Column(name="n", dtype="int16"), column))


def written(
    form: Format, folder: Path, storage: StorageOptions, numbers, *parts: Column, name: str = "s"
) -> tuple[ShardName, tuple[str, ...]]:
    """A shard whose column is the first of `parts`, and widens to each of the others in turn."""
    folder.mkdir(exist_ok=True)
    shard = ShardName(stem=name, index=0, count=1)
    writer = form.writer(LocalStore(folder), shard, schema_of(parts[0]), storage)
    step = N_ROWS // len(parts)
    for number, column in enumerate(parts):
        if number:
            writer.widen(schema_of(column))
        rows = table_of(column, numbers, nulls=storage.label is None).slice(number * step, step)
        writer.append(writer.encode(rows))
    return shard, tuple(file.name for file in writer.close())


def contents(folder: Path, files: tuple[str, ...], stem: str):
    found = {}
    for file in files:
        path = folder / partial_name(file)
        if path.name.endswith(".h5.partial"):
            with h5py.File(path) as source:
                found["h5"] = sorted(described(source))
        else:
            found[file.removeprefix(stem)] = path.read_bytes()
    return found


def described(group: h5py.Group):
    for name, item in group.items():
        if isinstance(item, h5py.Group):
            yield from described(item)
        else:
            attributes = {key: np.asarray(value).tolist() for key, value in item.attrs.items()}
            yield name, str(item.dtype), repr(item[()].tolist()), repr(attributes)


CASES = [
    *((name, layout, has_values, None) for name, layout in LAYOUTS for has_values in (True, False)),
    *((name, layout, True, "x") for name, layout in LAYOUTS if layout in ("matrix", "packed")),
]
"""A label has no nulls."""


@pytest.mark.parametrize(("name", "layout", "has_values", "label"), CASES)
def test_same_and_header_are_what_they_say(tmp_path, name, layout, has_values, label):
    form = get_format(name)
    storage = StorageOptions(layout=layout, label=label)
    numbers = np.arange(N_ROWS) // 5 % 2 if has_values else None
    changes = set()
    known: dict[Column, tuple] = {}  # a column's shard, and one that begins anew half way
    for number, (old, new) in enumerate(
        itertools.permutations(columns(has_values, layout=layout), 2)
    ):
        if "uint64" in (old.dtype, new.dtype) and layout == "packed":
            continue
        change = form.change(old, new, storage, has_values=has_values)
        changes.add(change)
        assert change is not Change.SOURCE
        if change is Change.VALUES or not means_the_same(old, new, has_values):
            continue
        folder = tmp_path / str(number)
        if new not in known:
            _, files = written(form, folder, storage, numbers, new, name="wanted")
            expected = contents(folder, files, "wanted")
            _, files = written(form, folder, storage, numbers, new, new, name="straight")
            known[new] = expected, contents(folder, files, "straight")
        expected, straight = known[new]
        shard, files = written(form, folder, storage, numbers, old, name="old")
        if change is Change.SAME:
            assert contents(folder, files, "old") == expected, (old, new)
        else:
            other = ShardName(stem="other", index=3, count=9)
            args = (LocalStore(folder), shard, files, other, schema_of(new), storage)
            entries = form.rewrite_headers(*args)
            for entry in entries:
                assert entry_of_file(folder / partial_name(entry.name), entry.name) == entry
            made = [entry.name for entry in entries]
            renamed = {
                suffix: (folder / partial_name(again)).read_bytes()
                for suffix, again in zip(sorted(expected), made, strict=True)
            }
            assert renamed == expected, (old, new)
        _, files = written(form, folder, storage, numbers, old, new, name="mixed")
        assert contents(folder, files, "mixed") == straight, (old, new)
    assert not has_values or Change.VALUES in changes
    assert name != "parquet" or not has_values or Change.HEADER in changes


def means_the_same(old: Column, new: Column, has_values: bool) -> bool:
    """Whether 0 and 1 of both are the same values, as of a column that widened."""
    if not has_values:
        return True
    kinds = {old.kind, new.kind}
    return len(kinds) == 1 or kinds <= {"int", "float", "bool"} or kinds == {"text", "category"}
