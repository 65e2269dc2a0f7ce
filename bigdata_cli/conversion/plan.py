"""What a conversion will do: sources looked at, types guessed, shards counted, nothing written."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bigdata_cli.conversion.commit import check_output, disk_error
from bigdata_cli.conversion.memory_budget import within_memory
from bigdata_cli.conversion.options import DEFAULT_SHARD_BYTES, ConvertOptions
from bigdata_cli.conversion.partition import (
    MOST_SHARDS,
    BySize,
    Dealt,
    Evenly,
    FileRanges,
    Partition,
    StreamCuts,
)
from bigdata_cli.conversion.rebatch import Rebatcher
from bigdata_cli.conversion.results import Plan
from bigdata_cli.errors import UsageError, did_you_mean
from bigdata_cli.formats.base import Format, ShardName, StorageOptions
from bigdata_cli.formats.registry import get_format
from bigdata_cli.io.scratch import scratch_folder
from bigdata_cli.io.store import Store
from bigdata_cli.io.stores import open_store
from bigdata_cli.resources.budget import MemoryBudget
from bigdata_cli.sources.base import RowSource
from bigdata_cli.sources.csv.blocks import split_source
from bigdata_cli.sources.csv.records import Chunk, ParsePlan
from bigdata_cli.sources.csv.sample import SAMPLE_BYTES, Sample
from bigdata_cli.sources.csv.source import Source
from bigdata_cli.sources.csv.units import Unit
from bigdata_cli.sources.registry import open_rows
from bigdata_cli.strict_json import decode
from bigdata_cli.types.column_entry import schema_from_json
from bigdata_cli.types.dtype import Column, Schema, parse_dtype
from bigdata_cli.types.lattice import TypeOptions
from bigdata_cli.types.state import ColumnState, as_categories

if TYPE_CHECKING:
    import pyarrow as pa

_ESTIMATE_BYTES = 2 << 20
MOST_DEALT_SHARDS = 512


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Everything a conversion needs to begin.

    n_shards: an estimate where a stream is cut by size. cuts: of a stream, None for files that can
    be read anywhere. predicted_bytes: of the dataset, from few rows, where shards were counted.
    memory: how the work is cut, None until that is known.
    """

    options: ConvertOptions
    source: RowSource
    sample: Sample
    keep: tuple[str, ...]
    fields: tuple[tuple[int, ...], ...]
    form: Format
    storage: StorageOptions
    output: Path
    stem: str
    n_shards: int
    cuts: StreamCuts | None = None
    predicted_bytes: int | None = None
    memory: MemoryBudget | None = None

    @property
    def table_bytes(self) -> int | None:
        """The most in memory of a table given to the encoder; None: the format's own choice.

        Of all that follows from the memory limit, it alone changes what is written.
        """
        assert self.memory is not None
        most = self.memory.batch_bytes
        if isinstance(self.cuts, Dealt) and self.cuts.n_shards > 1:
            # All shards have a table in the making at the same time.
            dealt = self.memory.dealt_bytes // self.cuts.n_shards
            most = dealt if most is None else min(most, dealt)
        return most

    @property
    def partition(self) -> Partition:
        """Which part of the source each shard holds."""
        if self.cuts is not None:
            return self.cuts
        assert isinstance(self.source, Source)  # only text files are read in pieces from anywhere
        return FileRanges(split_source(self.source, self.n_shards))

    @property
    def store(self) -> Store:
        """Where the dataset is written."""
        return open_store(self.output)

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
            shards_known=not isinstance(self.cuts, BySize),
            size_known=self.sample.size_known,
            memory=self.memory,
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
    source = open_rows(paths, options.source)
    output = options.output or Path(f"{source.stem}-{form.name}")
    source.check_output(output)
    if options.force and options.repair:
        raise UsageError("--force and --repair exclude each other")
    check_output(open_store(output), force=options.force, repair=options.repair)
    keep = selected_columns(source.names, options)
    types = _types(source, keep, options)
    storage = storage_options(form, options)
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
    sample = source.sample(
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
        fields=source.fields_of(keep),
        form=form,
        storage=storage,
        output=output,
        stem=source.stem,
        n_shards=options.shards or 1,
    )
    prepared = within_memory(prepared)
    if source.is_stream:
        return _with_cuts(prepared)
    if options.shards is None:
        predicted = encode_sample(prepared).scaled(sample.estimated_rows)
        n_shards = count_shards(predicted, options)
        prepared = replace(prepared, n_shards=n_shards, predicted_bytes=predicted)
    return prepared


def storage_options(form: Format, options: ConvertOptions) -> StorageOptions:
    """How a dataset of that format is stored under these options."""
    return StorageOptions(
        layout=options.layout or form.traits.layout_names[0],
        label=options.label,
        compression=options.compression,
        matrix_dtype="float64" if options.float_mode == "64" else "float32",
    )


def count_shards(predicted: int, options: ConvertOptions) -> int:
    """The shards of a dataset of so many bytes, where the user has not said how many."""
    target = options.shard_bytes or DEFAULT_SHARD_BYTES
    return max(1, min(MOST_SHARDS, round(predicted / target)))


def _with_cuts(prepared: Prepared) -> Prepared:
    """How a stream is cut into shards: evenly where its length is known."""
    options, sample = prepared.options, prepared.sample
    known = prepared.source.total_rows
    if known is None and sample.exact:
        known = sample.bytes
    if options.shards is not None and known is None:
        if options.shards > MOST_DEALT_SHARDS:
            raise UsageError(
                f"--shards {options.shards:,}: how long a stream is is not known beforehand, so "
                f"that all shards are written at once, {MOST_DEALT_SHARDS} at the most",
                hint="--shard-size 256MB writes one after the other, as many as there are",
            )
        return replace(prepared, cuts=Dealt(n_shards=options.shards))
    if options.shards is not None and known is not None:
        return replace(prepared, cuts=Evenly(known, options.shards))
    encoded = encode_sample(prepared)
    predicted = encoded.scaled(sample.estimated_rows)
    prepared = replace(prepared, predicted_bytes=predicted)
    n_shards = count_shards(predicted, options)
    if known is not None:
        return replace(prepared, n_shards=n_shards, cuts=Evenly(known, n_shards))
    target = options.shard_bytes or DEFAULT_SHARD_BYTES
    text_bytes = target * encoded.text_bytes / max(encoded.bytes, 1) if encoded.rows else target
    cuts = BySize(max(1, round(text_bytes)))
    return replace(prepared, n_shards=n_shards, cuts=cuts)


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


def _types(source: RowSource, keep: Sequence[str], options: ConvertOptions) -> TypeOptions:
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
        data = decode(path.read_bytes(), Any)
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


class Encoded(NamedTuple):
    """A small sample encoded as the dataset will be: bytes of its records, rows, bytes written."""

    text_bytes: int
    rows: int
    bytes: int

    def scaled(self, rows: int) -> int:
        """The bytes that so many rows would take."""
        return round(self.bytes * rows / self.rows) if self.rows else self.bytes


def encode_sample(prepared: Prepared) -> Encoded:
    """Encode a sample, to know how large the dataset will be.

    Nothing is kept: the sample is written into a temporary folder. Raises BudgetError where that is
    full.
    """
    try:
        with scratch_folder() as folder:
            return _encode_sample(prepared, folder)
    except OSError as error:
        raise disk_error(error, Path(tempfile.gettempdir())) from error


def _encode_sample(prepared: Prepared, folder: Path) -> Encoded:
    plan, units = fitting_units(
        prepared.source, prepared.sample.plan, prepared.keep, _ESTIMATE_BYTES
    )
    if not prepared.form.holds_text(prepared.storage):
        # The sample of the plan may have shown no text: what there is may be categories.
        plan = replace(plan, columns=as_categories(plan.columns))
        units = list(prepared.source.sample_units(plan, prepared.keep, _ESTIMATE_BYTES))
    chunks = [(unit, unit.chunk) for unit in units if unit.chunk is not None]
    batches = (chunk.batch for _, chunk in chunks)
    n_bytes = encode_batches(
        prepared.form, prepared.storage, plan.schema(), batches, open_store(folder)
    )
    return Encoded(
        text_bytes=sum(chunk.position - unit.start for unit, chunk in chunks),
        rows=sum(chunk.rows for _, chunk in chunks),
        bytes=n_bytes,
    )


def encode_batches(
    form: Format,
    storage: StorageOptions,
    schema: Schema,
    batches: Iterable[pa.RecordBatch],
    store: Store,
) -> int:
    """The bytes of the files of a shard with these rows; they may be written into the store."""
    name = ShardName(stem="sample", index=0, count=1)
    writer = form.sizing_writer(store, name, schema, storage)
    rebatcher = Rebatcher(
        schema,
        max_rows=writer.batch_rows,
        max_bytes=writer.batch_bytes,
        text_categories=form.traits.stores_category_texts,
    )
    try:
        for batch in batches:
            for table in rebatcher.push(batch):
                writer.append(writer.encode(table))
        for table in rebatcher.flush():
            writer.append(writer.encode(table))
        return sum(file.bytes for file in writer.close())
    except BaseException:
        writer.abort()
        raise


def fitting_units(
    source: RowSource, plan: ParsePlan, keep: Sequence[str], max_bytes: int
) -> tuple[ParsePlan, list[Unit]]:
    """Parsed pieces of the source, of about `max_bytes`, and types that hold all their values.

    They need not be those of the sample, which may have looked at other bytes.
    """
    columns = plan.columns
    units = list(source.sample_units(plan, keep, max_bytes))
    for unit in units:
        if unit.chunk is not None:
            columns = _holding(columns, unit.chunk, plan.float_mode)
    if [state.dtype for state in columns] != [state.dtype for state in plan.columns]:
        plan = replace(plan, columns=columns)
        units = list(source.sample_units(plan, keep, max_bytes))
    return replace(plan, columns=columns), units


def _holding(
    columns: tuple[ColumnState, ...], chunk: Chunk, float_mode: str
) -> tuple[ColumnState, ...]:
    """Columns that hold the values of a chunk: wider ones where it was parsed as such, and with all
    texts of categories."""
    touched = [
        index
        for index, (mine, seen) in enumerate(zip(columns, chunk.columns, strict=True))
        if mine.dtype == "category" or mine.dtype != seen.dtype
    ]
    if not touched:
        return columns
    held = list(columns)
    for index in touched:
        held[index] = held[index].joined(chunk.observed[index], chunk.distinct[index], float_mode)
    return tuple(held)
