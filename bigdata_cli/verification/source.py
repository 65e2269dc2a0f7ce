"""The source of a dataset, opened and parsed again by the dialect and types in the manifest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

import msgspec

from bigdata_cli.dataset import Dataset
from bigdata_cli.dataset.manifest import Manifest, SourceEntry
from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.sources.base import RowSource
from bigdata_cli.sources.csv.dialect import Dialect
from bigdata_cli.sources.csv.options import SourceOptions, source_options_of
from bigdata_cli.sources.csv.records import ParsePlan
from bigdata_cli.sources.csv.source import Source
from bigdata_cli.sources.registry import dialect_kind, open_rows
from bigdata_cli.sources.tables.source import TableSource
from bigdata_cli.splits.cuts import CutSplit
from bigdata_cli.splits.entry import CutsEntry, rule_of
from bigdata_cli.splits.options import SplitOptions
from bigdata_cli.splits.rule import HashSplit
from bigdata_cli.strict_json import Count, JsonError, convert
from bigdata_cli.transforms.entry import read_entry
from bigdata_cli.transforms.join import Join
from bigdata_cli.transforms.noted_again import selected_again
from bigdata_cli.transforms.preprocessing import Preprocessing
from bigdata_cli.transforms.source import ShapedSource
from bigdata_cli.types.dtype import Column, Kind
from bigdata_cli.types.lattice import Observed, TypeOptions, observed_as
from bigdata_cli.types.state import ColumnState
from bigdata_cli.verification.report import Finding

_NO_DIALECT = Dialect(delimiter=None)
_LATER = (
    *("skip_footer", "trailing_delimiter", "short_rows", "long_rows", "join_field"),
    *(
        "header_rows",
        "row_names",
        "repeated_header",
        "header_line",
        "true_tokens",
        "false_tokens",
        "strip",
        "date_formats",
    ),
)
"""What manifests of earlier versions do not have: the default is how they read."""


@dataclass(frozen=True, kw_only=True)
class OpenedSource:
    """The source, and how its rows are parsed; findings: why it is not what it was."""

    rows: RowSource
    plan: ParsePlan
    findings: tuple[Finding, ...]

    @property
    def is_table(self) -> bool:
        """Whether its places are rows, and not lines."""
        return "table" in self.rows.dialect.to_json()


def open_source_of(dataset: Dataset, paths: Sequence[str | Path]) -> OpenedSource:
    """Open what a dataset was made of, with the dialect and the types of its manifest.

    Raises UsageError where it cannot be its source: other columns, or another number of files;
    DataError where the manifest does not say how it was read.
    """
    manifest = dataset.manifest
    differs: tuple[str, ...] = ()
    try:
        reading = _reading(manifest)
        dialect = reading.dialect
        options = (
            SourceOptions()
            if dialect is None
            else replace(source_options_of(dialect), null_tokens=None)
        )
        opened = open_rows(paths, options)
        _check_kind(dataset, opened)
        if isinstance(opened, Source) and dialect is not None:
            opened = replace(opened, dialect=dialect)
        rows: RowSource = opened
        plan = _plan(dataset, reading.options, dialect or _NO_DIALECT)
        if manifest.transforms:
            entry = read_entry(manifest.transforms)
            for step in entry.steps:
                if isinstance(step, Join):
                    step.check_table()
            found, differs = selected_again(
                rows,
                entry.steps,
                TypeOptions(fixed=reading.options.types),
                skip_bad_rows=plan.skip_bad_rows,
            )
            rows = _with_own_columns(found, manifest)
            plan = replace(plan, inputs=entry.inputs)
    except JsonError as error:
        raise DataError(
            f"{dataset.manifest_path} does not say how its source was read: {error}",
            hint="leave out --source",
        ) from error
    for name in dataset.schema.names:
        if name not in rows.names:
            raise UsageError(
                f'{rows.files[0].name} has no column "{name}": {dataset.path} was not made of it'
            )
    findings = _fingerprints(dataset, rows)
    if not findings:
        findings += [Finding(file=rows.files[0].name, what=what) for what in differs]
    return OpenedSource(rows=rows, plan=plan, findings=tuple(findings))


def _with_own_columns(found: ShapedSource, manifest: Manifest) -> ShapedSource:
    """The rows after the steps of the dataset, which know its own columns only: files that were
    converted `--like` another dataset may have more."""
    columns = Preprocessing.of(manifest).recipe().columns
    names = found.inner.names
    own = replace(found, columns=tuple(name for name in columns if name in names))
    try:
        _ = own.names
    except UsageError:  # a step on a column that was left out afterwards
        return found
    return own


def _check_kind(dataset: Dataset, rows: Source | TableSource) -> None:
    """Raise UsageError where these are other kinds of files, or not as many."""
    made_of_tables = "table" in dataset.manifest.dialect
    if made_of_tables != isinstance(rows, TableSource):
        given = "text" if made_of_tables else "a table"
        raise UsageError(f"{rows.files[0].name} is {given}: {dataset.path} was not made of it")
    expected = dataset.manifest.sources
    if len(rows.files) != len(expected):
        raise UsageError(
            f"{dataset.path} was made of {len(expected):,} file{'s' * (len(expected) != 1)}, "
            f"not of {len(rows.files):,}",
            hint="--source " + " --source ".join(repr(entry.name) for entry in expected[:8]),
        )


def _fingerprints(dataset: Dataset, rows: RowSource) -> list[Finding]:
    """In which way the files are not those that were read; of what came from a pipe nothing."""
    findings = []
    entries = [file.entry() for file in rows.files]
    for then, now in zip(dataset.manifest.sources, entries, strict=True):
        if then.mtime_ns and now.mtime_ns:
            findings += compare_fingerprint(then, now)
    return findings


def compare_fingerprint(then: SourceEntry, now: SourceEntry) -> list[Finding]:
    """What is different of a source since it was read."""
    for what, before, after in (
        ("size", then.bytes, now.bytes),
        ("digest", then.digest, now.digest),
    ):
        if before != after:
            problem = f"is not what the dataset was made of, and was not compared: its {what}"
            return [Finding(file=now.name, what=problem, expected=before, found=after)]
    return []


class _Options(msgspec.Struct):
    """The options in a manifest that the values follow from. types: of the fixed columns."""

    types: dict[str, str]
    float: Literal["auto", "32", "64"]
    on_bad_row: Literal["error", "skip"]
    max_line_bytes: Count


class _DialectEntry(msgspec.Struct):
    """What a manifest has in another form than `Dialect`."""

    skip_rows: Count
    column_null_tokens: dict[str, tuple[str, ...]]
    date_formats: dict[str, str] = {}


class _OfTables(msgspec.Struct):
    """What a manifest says of how tables were read."""

    options: _Options


@dataclass(frozen=True)
class _Reading:
    """How a manifest says that its source was read. dialect: None for tables."""

    options: _Options
    dialect: Dialect | None = None


def _reading(manifest: Manifest) -> _Reading:
    """Raises JsonError where the manifest does not say how its source was read."""
    if "table" in manifest.dialect:
        return _Reading(convert({"options": manifest.options}, _OfTables).options)
    kind = dialect_kind(manifest.dialect)
    missing = {one.name for one in fields(kind) if one.name not in _LATER} - manifest.dialect.keys()
    if missing:
        raise JsonError(f"dialect: it lacks the key {min(missing)}")
    entry = convert(manifest.dialect, _DialectEntry)
    tokens = tuple(entry.column_null_tokens.items())
    formats = tuple(entry.date_formats.items())
    dialect = {**manifest.dialect, "column_null_tokens": tokens, "date_formats": formats}
    record = msgspec.defstruct("_OfText", [("options", _Options), ("dialect", kind)])
    read: Any = convert({"options": manifest.options, "dialect": dialect}, record)
    return _Reading(read.options, read.dialect)


class _SplitEntry(msgspec.Struct):
    """The options in a manifest that its splits follow from."""

    split: tuple[tuple[str, float], ...]
    split_by: tuple[str, ...]
    seed: Count
    split_columns: tuple[str, ...] | None = None
    split_steps: Count | None = None
    split_cuts: CutsEntry | None = None

    def options(self) -> SplitOptions:
        return SplitOptions(split=dict(self.split), split_by=self.split_by)


def _split_of(manifest: Manifest) -> HashSplit | CutSplit | None:
    """How rows were assigned to splits; raises JsonError where the manifest does not say it."""
    if not manifest.splits:
        return None
    entry = convert(manifest.options, _SplitEntry)
    options = entry.options()
    try:
        options.check()
    except UsageError as error:
        raise JsonError(f"options: {error.message}") from error
    if list(options.split or ()) != [entry.name for entry in manifest.splits]:
        raise JsonError("options: split has other names than splits")
    if entry.split_cuts is not None:
        return rule_of(entry.split_cuts, tuple(options.split or ()))
    columns = manifest.schema.names if entry.split_columns is None else entry.split_columns
    return HashSplit.of(options, columns, seed=entry.seed, n_steps=entry.split_steps)


def _plan(dataset: Dataset, options: _Options, dialect: Dialect) -> ParsePlan:
    rule = _split_of(dataset.manifest)
    return ParsePlan(
        split=rule,
        wants_places=isinstance(rule, CutSplit) and rule.reads_places,
        dialect=dialect,
        columns=tuple(_state(column, column.name in options.types) for column in dataset.schema),
        float_mode=options.float,
        skip_bad_rows=options.on_bad_row == "skip",
        max_record_bytes=options.max_line_bytes,
    )


def _state(column: Column, is_fixed: bool) -> ColumnState:
    """A column that is parsed as its dtype says, and shows where values ask for another one."""
    dtype = "text" if column.kind is Kind.CATEGORY else column.dtype
    return ColumnState(
        name=column.name,
        dtype=dtype,
        fixed=is_fixed,
        observed=Observed() if is_fixed else observed_as(dtype),
        distinct=None,
    )
