"""Small datasets, written with a format's own writer and a manifest, without a conversion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import structs

from bigdata_cli.checksum import FileEntry, entry_of_source
from bigdata_cli.dataset.manifest import ShardEntry, make_manifest
from bigdata_cli.dataset.manifest_file import encode_manifest
from bigdata_cli.formats.base import Format, ShardName, StorageOptions
from bigdata_cli.formats.registry import all_traits, get_format
from bigdata_cli.io.local_store import LocalStore
from bigdata_cli.io.store import partial_name
from bigdata_cli.types.dtype import Column, Kind, Schema
from bigdata_cli.types.statistics import ColumnStatistics
from tests.manifest_files import read_document, write_document

LAYOUTS = [(traits.name, layout) for traits in all_traits() for layout in traits.layout_names]
"""Every format with each of its layouts; matrix and packed hold no text."""


def entry_of_file(path: Path, name: str) -> FileEntry:
    """The entry of a file that is called `name` in its dataset; reads it."""
    with path.open("rb", buffering=0) as file:
        return entry_of_source(file, name)


def schema_of(table: pa.Table) -> Schema:
    """The schema of a table whose column types are those of a chunk."""
    return Schema(tuple(_column(field, table.column(field.name)) for field in table.schema))


def _column(field: pa.Field, values: pa.ChunkedArray) -> Column:
    kind = field.type
    if pa.types.is_dictionary(kind):
        distinct = {value for value in values.to_pylist() if value is not None}
        return Column(name=field.name, dtype="category", vocabulary=tuple(sorted(distinct)))
    if pa.types.is_boolean(kind):
        dtype = "bool" if values.null_count < len(values) else "null"
    elif pa.types.is_date32(kind):
        dtype = "date"
    elif pa.types.is_string(kind):
        dtype = "text"
    elif pa.types.is_timestamp(kind):
        dtype = f"timestamp[{kind.unit}, UTC]" if kind.tz else f"timestamp[{kind.unit}]"
    else:
        dtype = {"float": "float32", "double": "float64"}.get(str(kind), str(kind))
    return Column(name=field.name, dtype=dtype)


def statistics_of(values: pa.ChunkedArray, column: Column) -> ColumnStatistics:
    """The statistics of one column, computed from all its values at once."""
    count, nulls = len(values), values.null_count
    known = values.drop_null()
    if column.kind in (Kind.TEXT, Kind.CATEGORY):
        sizes = [len(value.encode()) for value in known.to_pylist()]
        return ColumnStatistics(
            count=count, nulls=nulls, text_bytes=sum(sizes), max_text_bytes=max(sizes, default=0)
        )
    if len(known) == 0:
        return ColumnStatistics(count=count, nulls=nulls)
    infinite = 0
    if column.kind is Kind.FLOAT:
        finite = known.filter(pc.is_finite(known))
        infinite = len(known) - len(finite)
        known = finite
        if len(known) == 0:
            return ColumnStatistics(count=count, nulls=nulls, infinite=infinite)
    low, high = pc.min_max(known).values()
    if column.kind in (Kind.DATE, Kind.TIMESTAMP):
        ends = [value.cast(pa.string()).as_py() for value in (low, high)]
        return ColumnStatistics(count=count, nulls=nulls, minimum=ends[0], maximum=ends[1])
    numbers = known.cast(pa.float64(), safe=False).to_numpy()
    plain = int if column.kind in (Kind.BOOL, Kind.INT) else float
    return ColumnStatistics(
        count=count,
        nulls=nulls,
        minimum=plain(low.as_py()),
        maximum=plain(high.as_py()),
        mean=float(numbers.mean()),
        m2=float(((numbers - numbers.mean()) ** 2).sum()),
        infinite=infinite,
    )


def write_dataset(
    folder: Path,
    table: pa.Table,
    format_name: str = "parquet",
    layout: str | None = None,
    n_shards: int = 1,
    label: str | None = None,
    *,
    compression: str | None = None,
    matrix_dtype: str = "float32",
    stem: str = "data",
) -> Path:
    """Write `table` as a dataset of `n_shards` nearly equal shards; returns `folder`."""
    form = get_format(format_name)
    folder.mkdir(parents=True, exist_ok=True)
    schema = schema_of(table)
    storage = StorageOptions(
        layout=layout or form.traits.layout_names[0],
        label=label,
        compression=compression,
        matrix_dtype=matrix_dtype,
    )
    form.check(schema, storage)
    ends = np.linspace(0, table.num_rows, n_shards + 1).astype(int).tolist()
    shards = tuple(
        _write_shard(
            form,
            folder,
            ShardName(stem=stem, index=i, count=n_shards),
            table.slice(start, stop - start),
            schema,
            storage,
        )
        for i, (start, stop) in enumerate(pairwise(ends))
    )
    statistics = {c.name: statistics_of(table.column(c.name), c) for c in schema}
    write_manifest(folder, form, stem, schema, statistics, storage, shards)
    return folder


def _write_shard(
    form: Format,
    folder: Path,
    name: ShardName,
    rows: pa.Table,
    schema: Schema,
    storage: StorageOptions,
) -> ShardEntry:
    writer = form.writer(LocalStore(folder), name, schema, storage)
    step = writer.batch_rows or max(1, rows.num_rows)
    for start in range(0, rows.num_rows, step):
        writer.append(writer.encode(rows.slice(start, step)))
    files = []
    for file in writer.close():
        (folder / partial_name(file.name)).rename(folder / file.name)
        assert file == entry_of_file(folder / file.name, file.name)
        files.append(file)
    return ShardEntry(files=tuple(files), rows=rows.num_rows, source_ranges=())


def _file_entry(path: Path) -> FileEntry:
    return entry_of_file(path, path.name)


def write_manifest(
    folder: Path,
    form: Format,
    stem: str,
    schema: Schema,
    statistics: Mapping[str, ColumnStatistics],
    storage: StorageOptions,
    shards: tuple[ShardEntry, ...],
) -> None:
    """Write the manifest of shards that stand in the folder, and the format's sidecars."""
    manifest = make_manifest(
        tool_version="0",
        name=stem,
        format=form.name,
        storage=storage,
        sources=(),
        dialect={},
        options={},
        schema=schema,
        statistics=statistics,
        shards=shards,
        order="source",
    )
    sidecars = form.sidecars(manifest.to_json())
    for name, text in sidecars.items():
        (folder / name).write_text(text, encoding="utf-8")
    entries = tuple(_file_entry(folder / name) for name in sidecars)
    manifest = structs.replace(manifest, sidecars=entries)
    name, data = encode_manifest(manifest)
    (folder / name).write_bytes(data)


@contextmanager
def edited_manifest(folder: Path) -> Iterator[dict[str, Any]]:
    """The manifest of a dataset as JSON, written back without its checksum, as by hand."""
    manifest = read_document(folder)
    manifest.pop("sha256", None)
    yield manifest
    write_document(folder, manifest)


def sign_again(folder: Path) -> None:
    """Put the sizes and checksums of the files as they are now into the manifest."""
    with edited_manifest(folder) as manifest:
        files = [file for shard in manifest["shards"] for file in shard["files"]]
        for file in [*files, *manifest["sidecars"]]:
            file.update(structs.asdict(_file_entry(folder / file["name"])))
