"""What a conversion finds before it plans: its options checked, its source looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from bigdata_cli.conversion.column_types import asked_types, named_types, read_schema
from bigdata_cli.conversion.commit import check_output
from bigdata_cli.conversion.kept_pipe import with_pipe_kept
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.order_options import OrderOptions
from bigdata_cli.conversion.split_cuts import split_rule
from bigdata_cli.errors import UsageError, did_you_mean
from bigdata_cli.formats.base import Format, StorageOptions
from bigdata_cli.formats.hive import SPLIT
from bigdata_cli.formats.registry import get_format
from bigdata_cli.io.content import EmptySourceError
from bigdata_cli.io.store import Store
from bigdata_cli.io.stores import open_store
from bigdata_cli.sources.base import RowSource
from bigdata_cli.sources.csv.sample import SAMPLE_BYTES, Sample
from bigdata_cli.sources.registry import open_rows
from bigdata_cli.splits.cuts import CutSplit
from bigdata_cli.splits.options import SplitOptions
from bigdata_cli.splits.rule import HashSplit
from bigdata_cli.transforms.limits import Limits
from bigdata_cli.transforms.shape import joined_tables, only_read, shaped
from bigdata_cli.transforms.split_values import check_split, dropped_keys, split_before_fit
from bigdata_cli.types.lattice import TypeOptions
from bigdata_cli.url import Place, is_address


@dataclass(frozen=True, kw_only=True)
class Survey:
    """A source, what a sample shows of it, and how a dataset of it is to be stored.

    Attributes:
        keep: The columns of the dataset.
        fields: For each file and field of a record its column, -1 where it is left out.
        output: The folder of the dataset.
        hints: What to say of columns, by their names, if they stay text.
        notes: What of the source is not as it was asked for.
    """

    options: ConvertOptions
    source: RowSource
    sample: Sample
    keep: tuple[str, ...]
    fields: tuple[tuple[int, ...], ...]
    form: Format
    storage: StorageOptions
    output: Place
    hints: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def store(self) -> Store:
        """Where the dataset is written."""
        return open_store(self.output)


def survey(
    paths: Sequence[str | Path], options: ConvertOptions, *, sample_bytes: int = SAMPLE_BYTES
) -> Survey:
    """Look at the sources, and check the options against them and against each other.

    Raises UsageError and DataError; writes nothing.
    """
    _check(options)
    rows = _rows(paths, options)
    options, source, keep, types = rows.options, rows.source, rows.keep, rows.types
    form = get_format(options.to)
    output = options.output or Path(f"{source.stem}-{form.name}")
    source.check_output(output)
    check_output(
        open_store(output),
        force=options.force,
        repair=options.repair,
        is_task=options.workers.task is not None,
    )
    storage = storage_options(form, options)
    if options.label is not None and options.label not in keep:
        raise _no_column("--label", options.label, keep)
    options.order.check(keep)
    _check_folders(options.order, options.splits, keep)
    sample = source.sample(
        types,
        keep=keep,
        max_bytes=sample_bytes,
        skip_bad_rows=options.on_bad_row == "skip",
        max_record_bytes=options.max_line_bytes,
    )
    form.check(sample.schema, storage)
    split: HashSplit | CutSplit | None = rows.split
    if split is None:
        split = split_rule(
            options.splits,
            source,
            keep,
            types,
            stratify=options.shape.stratify,
            seed=options.shape.seed,
            skip_bad_rows=options.on_bad_row == "skip",
        )
    sample = replace(sample, plan=replace(sample.plan, split=split))
    return Survey(
        options=options,
        source=source,
        sample=sample,
        keep=keep,
        fields=source.fields_of(keep),
        form=form,
        storage=storage,
        output=output,
        hints=source.hints(sample.plan),
        notes=rows.notes,
    )


class _Rows(NamedTuple):
    """The rows of a conversion, the columns that are kept, and the dtypes that are fixed.

    options: with what the dataset of `--like` decides. split: the rule of the splits, where it does
    not follow from the columns of the dataset.
    """

    options: ConvertOptions
    source: RowSource
    keep: tuple[str, ...]
    types: TypeOptions
    notes: tuple[str, ...] = ()
    split: HashSplit | None = None


def _rows(paths: Sequence[str | Path], options: ConvertOptions) -> _Rows:
    paths = [options.cached.place(path) if is_address(path) else path for path in paths]
    if options.like is not None:
        from bigdata_cli.conversion.like import like_dataset, like_notes

        taken_over, like = like_dataset(paths, options)
        notes = tuple(like_notes(options.like, like))
        return _Rows(taken_over, like.source, like.keep, like.types, notes)
    get_format(options.to)  # which tells at once that there is none
    rows = _open(paths, options)
    rows = with_pipe_kept(rows, options, _open)
    limits = Limits(memory_bytes=options.memory_limit, disk_bytes=options.disk_limit_bytes)
    joins = joined_tables(options.shape, rows, limits)
    split = split_before_fit(
        options.splits,
        options.shape,
        rows.names,
        joins=joins,
        columns=options.columns,
        drop=options.drop,
    )
    source = shaped(
        rows,
        options.shape,
        split=split,
        types=named_types(options),
        label=options.label,
        skip_bad_rows=options.on_bad_row == "skip",
        is_kept=lambda name: _is_kept(name, options),
        limits=limits,
        joins=joins,
        split_by=dropped_keys(options.splits, options.columns, options.drop),
    )
    keep = selected_columns(source.names, options)
    types = asked_types(source, (*keep, *only_read(source, keep)), options)
    if split is not None:
        check_split(split, source, keep)
    return _Rows(options, source, keep, types, split=split)


def _open(paths: Sequence[str | Path], options: ConvertOptions) -> RowSource:
    """The source; one that is empty has the columns of a schema, if there is one."""
    accepts = options.max_bad_rows is not None
    try:
        return open_rows(paths, options.source, accepts_bad_rows=accepts)
    except EmptySourceError:
        if options.schema is None:
            raise
        names = tuple(read_schema(options.schema))
        given = replace(options.source, names=names)
        return open_rows(paths, given, accepts_bad_rows=accepts)


def _check(options: ConvertOptions) -> None:
    """Raise UsageError where the options cannot go together, whatever the source."""
    if options.shards is not None and options.shard_bytes is not None:
        raise UsageError("--shards and --shard-size exclude each other")
    if options.shards is not None and not 1 <= options.shards <= 99_999:
        raise UsageError(f"--shards {options.shards} is not between 1 and 99,999")
    if options.jobs is not None and options.jobs < 1:
        raise UsageError(f"--jobs {options.jobs} is not positive")
    if options.force and options.repair:
        raise UsageError("--force and --repair exclude each other")
    if options.order.partition_by and options.shards is not None:
        raise UsageError(
            "--partition-by and --shards exclude each other: each value has files of its own",
            hint="--shard-size says how large files are at the most, about",
        )
    for flag in options.order.changes:
        if options.repair:
            raise UsageError(
                f"--repair: with {flag} a shard has rows from all over the source",
                hint="--force makes the dataset anew",
            )
        if options.workers.task is not None:
            raise UsageError(
                f"--task does not go with {flag}: a shard has rows of all parts of the source",
                hint=f"convert with --task, and the dataset of all tasks with {flag}",
            )
    if options.on_bad_row not in ("error", "skip"):
        raise UsageError(
            f'"{options.on_bad_row}" is not error or skip', hint="--on-bad-row error|skip"
        )
    if options.max_bad_rows is not None and options.on_bad_row == "error":
        raise UsageError("--max-bad-rows goes with --on-bad-row skip")
    options.splits.check()
    _check_stratify(options)
    options.workers.check()
    if options.workers.task is not None and options.repair:
        raise UsageError(
            "--task does not go with --repair: it reads only what is damaged",
            hint="the same command without --task",
        )


def _check_folders(order: OrderOptions, splits: SplitOptions, keep: Sequence[str]) -> None:
    """Raise UsageError where a column has the name that the folders of splits have."""
    if order.partition_by and splits.split is not None and SPLIT in keep:
        raise UsageError(
            f'--partition-by: with --split folders are called {SPLIT}=…, as is a column, "{SPLIT}"',
            hint=f"--rename {SPLIT}=part, or --drop {SPLIT}",
        )


def _check_stratify(options: ConvertOptions) -> None:
    column, splits = options.shape.stratify, options.splits
    if column is None:
        return
    if options.shape.sample is None and splits.split is None:
        raise UsageError(
            "--stratify goes with --sample or --split", hint=f"--sample 0.1 --stratify '{column}'"
        )
    if splits.split is None:
        return
    for flag, is_given in (
        ("--split-by", bool(splits.split_by)),
        ("--split-order", splits.split_order),
        ("--split-time", splits.split_time is not None),
    ):
        if is_given:
            raise UsageError(f"{flag} and --stratify exclude each other")


def _no_column(option: str, name: str, names: Sequence[str]) -> UsageError:
    return UsageError(f'{option}: there is no column "{name}"', hint=did_you_mean(name, names))


def storage_options(form: Format, options: ConvertOptions) -> StorageOptions:
    """How a dataset of that format is stored under these options."""
    return StorageOptions(
        layout=options.layout or form.traits.layout_names[0],
        label=options.label,
        compression=options.compression,
        matrix_dtype="float64" if options.float_mode == "64" else "float32",
        partition_by=options.order.partition_by,
    )


def _is_kept(name: str, options: ConvertOptions) -> bool:
    return name not in options.drop and (options.columns is None or name in options.columns)


def selected_columns(names: Sequence[str], options: ConvertOptions) -> tuple[str, ...]:
    """The columns to keep, in the order of `--columns`; raises UsageError for unknown ones."""
    for option, wanted in (("--columns", options.columns or ()), ("--drop", options.drop)):
        for name in wanted:
            if name not in names:
                raise _no_column(option, name, names)
    if options.columns is not None and len(set(options.columns)) < len(options.columns):
        raise UsageError("--columns has a column twice")
    chosen = options.columns if options.columns is not None else names
    keep = tuple(name for name in chosen if name not in options.drop)
    if not keep:
        raise UsageError("no column is left", hint="check --drop and --columns")
    return keep
