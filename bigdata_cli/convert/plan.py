"""What a conversion will do: sources looked at, types guessed, shards counted, nothing written."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bigdata_cli.convert.commit import check_output, disk_error
from bigdata_cli.convert.options import DEFAULT_SHARD_BYTES, ConvertOptions, Plan
from bigdata_cli.convert.rebatch import Rebatcher
from bigdata_cli.errors import UsageError, did_you_mean
from bigdata_cli.formats.base import Format, ShardName, StorageOptions, partial_path
from bigdata_cli.formats.registry import get_format
from bigdata_cli.manifest import schema_from_json
from bigdata_cli.schema.dtype import Column, parse_dtype
from bigdata_cli.schema.lattice import TypeOptions
from bigdata_cli.sources import Source, open_source
from bigdata_cli.sources.blocks import BlockReader
from bigdata_cli.sources.sample import (
    SAMPLE_BYTES,
    Sample,
    keep_columns,
    sample_pieces,
    take_sample,
)
from bigdata_cli.sources.units import parse_unit

_ESTIMATE_BYTES = 2 << 20


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Everything a conversion needs to begin."""

    options: ConvertOptions
    source: Source
    sample: Sample
    keep: tuple[str, ...]
    fields: tuple[tuple[int, ...], ...]
    form: Format
    storage: StorageOptions
    output: Path
    stem: str
    n_shards: int

    def plan(self) -> Plan:
        """The plan as it is shown."""
        return Plan(
            sources=tuple(file.name for file in self.source.files),
            source_bytes=self.source.bytes,
            output=self.output,
            format=self.form.name,
            layout=self.storage.layout,
            label=self.storage.label,
            n_shards=self.n_shards,
            estimated_rows=self.sample.estimated_rows,
            dialect=self.source.dialect.to_json(),
            schema=self.sample.schema,
            confidence=self.source.confidence,
            reasons=self.source.reasons,
        )


def prepare(
    paths: Sequence[str | Path], options: ConvertOptions, *, sample_bytes: int = SAMPLE_BYTES
) -> Prepared:
    """Look at the sources, check the options against them, and choose what was left open.

    Raises UsageError and DataError; writes nothing but a small estimate in a temporary folder.
    """
    form = get_format(options.to)
    if options.shards is not None and options.shard_bytes is not None:
        raise UsageError("--shards and --shard-size exclude each other")
    if options.shards is not None and not 1 <= options.shards <= 99_999:
        raise UsageError(f"--shards {options.shards} is not between 1 and 99,999")
    if options.jobs is not None and options.jobs < 1:
        raise UsageError(f"--jobs {options.jobs} is not positive")
    source = open_source(paths, options.source)
    stem = source.files[0].path.stem
    output = options.output or Path(f"{stem}-{form.name}")
    check_output(output, force=options.force)
    keep = selected_columns(source.names, options)
    types = _types(source, keep, options)
    storage = StorageOptions(
        layout=options.layout or form.layouts[0],
        label=options.label,
        compression=options.compression,
        matrix_dtype="float64" if options.float_mode == "64" else "float32",
    )
    if options.label is not None and options.label not in keep:
        raise UsageError(
            f'--label: there is no column "{options.label}"',
            hint=did_you_mean(options.label, keep),
        )
    if options.on_bad_row not in ("error", "skip"):
        raise UsageError(
            f'"{options.on_bad_row}" is not a way with bad rows', hint="--on-bad-row error|skip"
        )
    if options.max_bad_rows is not None and options.on_bad_row == "error":
        raise UsageError("--max-bad-rows goes with --on-bad-row skip")
    sample = take_sample(
        source,
        types,
        keep=keep,
        max_bytes=sample_bytes,
        skip_bad_rows=options.on_bad_row == "skip",
        max_record_bytes=options.max_line_bytes,
    )
    form.check(sample.schema, storage)
    prepared = Prepared(
        options=options,
        source=source,
        sample=sample,
        keep=keep,
        fields=keep_columns(source, keep),
        form=form,
        storage=storage,
        output=output,
        stem=stem,
        n_shards=options.shards or 1,
    )
    if options.shards is None:
        target = options.shard_bytes or DEFAULT_SHARD_BYTES
        predicted = predicted_bytes(prepared)
        n_shards = max(1, min(99_999, round(predicted / target)))
        prepared = replace(prepared, n_shards=n_shards)
    return prepared


def selected_columns(names: Sequence[str], options: ConvertOptions) -> tuple[str, ...]:
    """The columns to keep, in the order of `--columns`; raises UsageError for unknown ones."""
    for option, wanted in (("--columns", options.columns or ()), ("--drop", options.drop)):
        for name in wanted:
            if name not in names:
                raise UsageError(
                    f'{option}: there is no column "{name}"', hint=did_you_mean(name, names)
                )
    if options.columns is not None and len(set(options.columns)) < len(options.columns):
        raise UsageError("--columns names a column twice")
    chosen = options.columns if options.columns is not None else names
    keep = tuple(name for name in chosen if name not in options.drop)
    if not keep:
        raise UsageError("no column is left", hint="--drop and --columns leave none")
    return keep


def _types(source: Source, keep: Sequence[str], options: ConvertOptions) -> TypeOptions:
    """The dtypes that the user fixed: `--schema`, and over it `--type`."""
    fixed: dict[str, str] = {}
    if options.schema_file is not None:
        for column in read_schema(options.schema_file):
            if column.name not in source.names:
                raise UsageError(
                    f'--schema: there is no column "{column.name}"',
                    hint=did_you_mean(column.name, source.names),
                )
            fixed[column.name] = column.dtype
    for name, dtype in options.types.items():
        if name not in keep:
            raise UsageError(f'--type: there is no column "{name}"', hint=did_you_mean(name, keep))
        fixed[name] = parse_dtype(dtype)
    # A column of nulls has no dtype worth keeping to: it is free again.
    fixed = {name: dtype for name, dtype in fixed.items() if dtype != "null" and name in keep}
    if source.dialect.is_text and any(dtype != "text" for dtype in fixed.values()):
        raise UsageError("lines of text have dtype text", hint="--no-text reads the file as a CSV")
    return TypeOptions(float_mode=options.float_mode, fixed=fixed)


def read_schema(path: Path) -> list[Column]:
    """The columns in a `--schema` file: a manifest, a plan, or a list of columns, as JSON."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"--schema: {path} does not exist") from error
    except (OSError, ValueError) as error:
        raise UsageError(f"--schema: {path} is not JSON: {error}") from error
    columns = data.get("columns") if isinstance(data, dict) else data
    try:
        return list(schema_from_json(columns))
    except UsageError as error:
        raise UsageError(
            f"--schema: {path}: {error.message}",
            hint="bigdata convert … --dry-run --json prints one",
        ) from error


def predicted_bytes(prepared: Prepared) -> int:
    """The size of the dataset, from really encoding a sample of it.

    Nothing is kept: the sample is written into a temporary folder. Raises BudgetError where that is
    full.
    """
    with tempfile.TemporaryDirectory(prefix="bigdata-") as folder:
        try:
            return _encoded_bytes(prepared, Path(folder))
        except OSError as error:
            raise disk_error(error, Path(tempfile.gettempdir())) from error


def _encoded_bytes(prepared: Prepared, folder: Path) -> int:
    """The bytes that the rows of a sample take, scaled to all rows."""
    sample, source = prepared.sample, prepared.source
    pieces, _ = sample_pieces(source, _ESTIMATE_BYTES)
    n_rows = 0
    name = ShardName(stem="sample", index=0, count=1)
    writer = prepared.form.writer(folder, name, sample.schema, prepared.storage)
    rebatcher = Rebatcher(sample.schema, max_rows=writer.batch_rows, max_bytes=writer.batch_bytes)
    try:
        with BlockReader(source) as reader:
            for piece in pieces:
                fields = prepared.fields[piece.file]
                chunk = parse_unit(reader, source, piece, None, fields, sample.plan).chunk
                if chunk is None or not chunk.batch.schema.equals(rebatcher.arrow_schema):
                    continue
                n_rows += chunk.rows
                for table in rebatcher.push(chunk.batch):
                    writer.append(writer.encode(table))
        for table in rebatcher.flush():
            writer.append(writer.encode(table))
        n_bytes = sum(partial_path(folder / file).stat().st_size for file in writer.close())
    except BaseException:
        writer.abort()
        raise
    return round(n_bytes * sample.estimated_rows / max(n_rows, 1))
