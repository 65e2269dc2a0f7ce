"""`inspect`: what a CSV would become and cost, or what a dataset holds."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from os import fspath
from pathlib import Path
from typing import TYPE_CHECKING

from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.inspect.flags import dialect_flags
from bigdata_cli.inspect.report import (
    CsvColumn,
    CsvReport,
    DatasetColumn,
    DatasetReport,
    DatasetShard,
    InspectReport,
)
from bigdata_cli.manifest import MANIFEST_NAME

if TYPE_CHECKING:
    from bigdata_cli.sources import SourceOptions

SHARD_EXTENSIONS = (".parquet", ".h5", ".npy", ".tfrecord", ".tfrecord.gz")


def inspect(
    path: str | Path,
    *,
    delimiter: str | None = None,
    quote: str | None = None,
    escape: str | None = None,
    header: bool | None = None,
    names: Sequence[str] | None = None,
    skip_rows: int = 0,
    comment: str | None = None,
    trim: bool | None = None,
    decimal: str = ".",
    thousands: str | None = None,
    null: Sequence[str] | None = None,
    text: bool | None = None,
    keep_blank_lines: bool = False,
    encoding: str | None = None,
) -> InspectReport:
    """What is in a CSV, text or Parquet file, or in the folder of a dataset.

    path: the file, a pattern or folder of such, the folder of a dataset, or its `_manifest.json`.
    The options are those of `bigdata inspect`; None for what is found. Files are sampled: a few MB
    spread over them. Of a dataset only the manifest is read.
    Raises UsageError for a path that is not there or is neither, DataError for an empty file
    and for a damaged manifest.
    """
    from bigdata_cli.sources import SourceOptions

    options = SourceOptions(
        delimiter=delimiter,
        quote=quote,
        escape=escape,
        header=header,
        names=None if names is None else tuple(names),
        skip_rows=skip_rows,
        comment=comment,
        trim=trim,
        decimal=decimal,
        thousands=thousands,
        null_tokens=None if null is None else tuple(null),
        text=text,
        keep_blank_lines=keep_blank_lines,
        encoding=encoding,
    )
    return inspect_path(path, options)


def inspect_path(path: str | Path, options: SourceOptions) -> InspectReport:
    """`inspect` with the options as one value."""
    place = Path(path)
    if place.name == MANIFEST_NAME or _is_dataset(place):
        return inspect_dataset(place)
    if place.is_file() and place.name.endswith(SHARD_EXTENSIONS) and not _is_foreign(place):
        raise UsageError(
            f"{path} is a file of a dataset, not a CSV",
            hint=f"bigdata inspect {shlex.quote(str(place.parent))}",
        )
    return inspect_source(fspath(path), options)


def _is_foreign(place: Path) -> bool:
    """Whether it is a Parquet file, and none of a dataset of ours."""
    from bigdata_cli.sources.paths import is_parquet_name

    return is_parquet_name(place.name) and not (place.parent / MANIFEST_NAME).exists()


def _is_dataset(place: Path) -> bool:
    """Whether it is a folder that has a manifest, or nothing that could be read as a source."""
    from bigdata_cli.sources.paths import is_csv_name, is_parquet_name, is_text_name

    if not place.is_dir():
        return False
    names = [path.name for path in place.iterdir()]
    kinds = (is_csv_name, is_parquet_name, is_text_name)
    return MANIFEST_NAME in names or not any(is_one(n) for n in names for is_one in kinds)


def inspect_source(path: str, options: SourceOptions) -> CsvReport:
    """The report of a CSV or text file, or of Parquet files, from a sample of them."""
    from bigdata_cli.inspect.footprint import column_bytes, examples, pandas_columns
    from bigdata_cli.inspect.tables import inspect_tables
    from bigdata_cli.sources import SourceOptions
    from bigdata_cli.sources.detect import CERTAIN
    from bigdata_cli.sources.sample import TypeOptions, read_sample, take_sample
    from bigdata_cli.tables import TableSource, open_rows

    source = open_rows([path], options)
    if isinstance(source, TableSource):
        return inspect_tables(path, source)
    sample = take_sample(source, TypeOptions())
    dialect = source.dialect
    if not sample.rows:
        raise DataError(
            f"{path} has no rows", hint="--no-header, if its only line is not the columns' names"
        )
    records = read_sample(source, sample)
    scale = sample.estimated_rows / sample.rows
    in_pandas = pandas_columns(
        records,
        source.names,
        dialect,
        scale=scale,
    )
    shown = examples(
        records,
        source.names,
        dialect,
    )
    columns = []
    for column, pandas_column, values in zip(sample.schema, in_pandas, shown, strict=True):
        statistics = sample.statistics[column.name]
        columns.append(
            CsvColumn(
                name=column.name,
                dtype=column.dtype,
                n_categories=column.n_values if column.vocabulary is not None else None,
                examples=values,
                nulls_share=statistics.nulls / sample.rows,
                pandas_dtype=pandas_column.dtype,
                pandas_bytes=pandas_column.bytes,
                bytes=column_bytes(column, statistics, rows=sample.estimated_rows),
            )
        )
    flags = dialect_flags(dialect)
    # A conversion finds the same again: it is told where something was told, or is not certain.
    repeated = () if options == SourceOptions() and source.confidence >= CERTAIN else flags
    return CsvReport(
        path=path,
        source_bytes=source.bytes,
        dialect=dialect.to_json(),
        rows=sample.estimated_rows,
        exact=sample.exact,
        sample_rows=sample.rows,
        sample_bytes=sample.bytes,
        columns=tuple(columns),
        next_command=shlex.join(["bigdata", "convert", path, "--to", "parquet", *repeated]),
        flags=flags,
        confidence=source.confidence,
        reasons=source.reasons,
        size_known=sample.size_known,
    )


def inspect_dataset(path: Path) -> DatasetReport:
    """The report of a dataset, from its manifest."""
    from bigdata_cli.dataset import open_dataset

    dataset = open_dataset(path)
    manifest = dataset.manifest
    columns = []
    for column in dataset.schema:
        known = dataset.statistics(column.name)
        columns.append(
            DatasetColumn(
                name=column.name,
                dtype=column.dtype,
                n_categories=column.n_values if column.vocabulary is not None else None,
                nulls=known.nulls,
                minimum=known.minimum,
                maximum=known.maximum,
                mean=known.mean,
                std=known.std,
            )
        )
    shards = (
        DatasetShard(files=shard.file_names, rows=shard.rows, bytes=shard.bytes)
        for shard in dataset.shards
    )
    label = manifest.storage.label
    folder = shlex.quote(str(dataset.path))
    return DatasetReport(
        path=str(dataset.path),
        format=manifest.format,
        layout=manifest.storage.layout,
        label=label,
        compression=manifest.storage.compression,
        rows=manifest.rows,
        rejected_rows=manifest.rejected_rows,
        bytes=manifest.bytes,
        source_bytes=sum(source.bytes for source in manifest.sources),
        sources=tuple(source.name for source in manifest.sources),
        shards=tuple(shards),
        columns=tuple(columns),
        next_command=f"bigdata verify {folder}"
        if label is None
        else f"bigdata train {folder} --label {shlex.quote(label)}",
    )
