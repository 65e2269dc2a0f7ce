"""How rows became those of a dataset, so that other rows become such in the same way."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import msgspec

from bigdata_cli.dataset.manifest import Manifest
from bigdata_cli.errors import DataError, UsageError, did_you_mean
from bigdata_cli.sources.base import RowSource
from bigdata_cli.sources.csv.dialect import NULL_TOKENS
from bigdata_cli.sources.csv.options import SourceOptions
from bigdata_cli.sources.registry import open_rows
from bigdata_cli.strict_json import convert
from bigdata_cli.transforms.columns.categories import Categories
from bigdata_cli.transforms.columns.one_hot import OneHot
from bigdata_cli.transforms.entry import Entry, read_entry
from bigdata_cli.transforms.program import outline
from bigdata_cli.transforms.source import ShapedSource
from bigdata_cli.transforms.step import ColumnStep
from bigdata_cli.transforms.steps import AnyStep, Rename, Sample, Steps
from bigdata_cli.types.column_entry import ColumnTypeEntry, schema_of
from bigdata_cli.types.dtype import Kind, Schema, kind_of
from bigdata_cli.types.lattice import TypeOptions

_SHOWN_COLUMNS = 8
_WIDEST = {Kind.INT: "int64", Kind.FLOAT: "float64", Kind.CATEGORY: "text"}


class Spelling(msgspec.Struct, frozen=True, kw_only=True):
    """How values are written in text files, where it is not as usual; see `Dialect`."""

    null_tokens: tuple[str, ...] = NULL_TOKENS
    column_null_tokens: dict[str, tuple[str, ...]] = {}
    true_tokens: tuple[str, ...] = ()
    false_tokens: tuple[str, ...] = ()
    strip: str = ""
    date_formats: dict[str, str] = {}

    def options(self, given: SourceOptions, names: Collection[str]) -> SourceOptions:
        """The options of text files with these columns; what was given comes first."""
        nulls = list(self.null_tokens) if self.null_tokens != NULL_TOKENS else []
        for name, tokens in self.column_null_tokens.items():
            nulls += [f"{name}={token}" for token in tokens if name in names]
        formats = [f"{name}={one}" for name, one in self.date_formats.items() if name in names]
        values: dict[str, Any] = {
            "null_tokens": tuple(nulls),
            "true_tokens": self.true_tokens,
            "false_tokens": self.false_tokens,
            "strip": self.strip,
            "date_formats": tuple(formats),
        }
        free = {name: one for name, one in values.items() if one and getattr(given, name) is None}
        return replace(given, **free)


class Preprocessing(msgspec.Struct, frozen=True, kw_only=True):
    """How rows became those of a dataset: all that does not depend on the rows that are read.

    Attributes:
        columns: Of the dataset, with their vocabularies.
        transforms: The steps with all values that were fitted, as a manifest has them.
        label: The column that a model learns.
        float_mode: As `--float` has it.
        spelling: How values were written, where the rows came from text files.
    """

    columns: tuple[ColumnTypeEntry, ...]
    transforms: tuple[dict[str, Any], ...] = ()
    label: str | None = None
    float_mode: Literal["auto", "32", "64"] = "auto"
    spelling: Spelling = Spelling()

    @classmethod
    def of(cls, manifest: Manifest) -> Preprocessing:
        """That of a dataset; raises JsonError where its manifest does not have it."""
        columns = (
            {"name": column.name, "dtype": column.dtype, "vocabulary": column.vocabulary}
            for column in manifest.schema
        )
        values = {
            "columns": [{key: one[key] for key in one if one[key] is not None} for one in columns],
            "transforms": manifest.transforms,
            "label": manifest.label,
            "float_mode": manifest.options.get("float", "auto"),
            "spelling": {
                name: manifest.dialect[name]
                for name in Spelling.__struct_fields__
                if name in manifest.dialect
            },
        }
        return convert(values, cls)

    @property
    def schema(self) -> Schema:
        """The columns of the dataset."""
        return schema_of(self.columns)

    def entry(self) -> Entry:
        """The steps, and the columns that they read; raises JsonError where they are none."""
        return read_entry(self.transforms) if self.transforms else Entry((), ())


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Rows that become such of a dataset.

    Attributes:
        source: The rows after all steps.
        keep: The columns that they have then.
        types: The dtypes of these, and of the columns that the steps read.
        missing: The columns of the dataset that the rows cannot have: none, or its label.
        unused: The columns of the files that are left out.
        not_repeated: The sample that the dataset is of its rows.
    """

    source: RowSource
    keep: tuple[str, ...]
    types: TypeOptions
    missing: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    not_repeated: Sample | None = None


class MissingColumnsError(UsageError):
    """Files lack columns that a dataset was made of."""


def open_like(
    paths: Sequence[str | Path], given: SourceOptions, done: Preprocessing, **how: Any
) -> Prepared:
    """Open sources, and have their rows become those of a dataset.

    Args:
        paths: Of the files.
        given: What the user said of them.
        done: What was done for the dataset.
        **how: See `prepare`.
    """
    rows = open_rows(paths, given)
    is_text = "delimiter" in rows.dialect.to_json()
    if is_text:
        options = done.spelling.options(given, rows.names)
        rows = rows if options == given else open_rows(paths, options)
    try:
        return prepare(rows, done, **how)
    except MissingColumnsError:
        if not is_text or given.header is not None or given.names is not None:
            raise
        # A header like the values below it may have been taken for one of them.
        try:
            rows = open_rows(paths, replace(given, header=True))
            options = done.spelling.options(replace(given, header=True), rows.names)
            return prepare(open_rows(paths, options), done, **how)
        except (UsageError, DataError):
            pass
        raise


def prepare(
    rows: RowSource,
    done: Preprocessing,
    *,
    whose: str,
    keep: Sequence[str] | None = None,
    types: Mapping[str, str] | None = None,
    also: Sequence[str] = (),
    sample: Sample | None = None,
) -> Prepared:
    """Rows as those of a dataset.

    Args:
        rows: Any source.
        done: What was done for the dataset.
        whose: What messages call that, such as its folder.
        keep: Its columns that are wanted; None for all. The label may be missing.
        types: Other dtypes than the dataset has, by column.
        also: Columns of the files that are kept beside these, as text.
        sample: The rows of the source to keep by chance; those of the dataset were others.

    Raises:
        MissingColumnsError: The files lack columns.
        JsonError: The preprocessing is damaged.
    """
    entry = done.entry()
    schema = done.schema
    keep = tuple(schema.names if keep is None else keep)
    by_chance = [step for step in entry.steps if isinstance(step, Sample)]
    steps = tuple(step for step in entry.steps if step not in by_chance)
    read = {state.name: state.dtype for state in entry.inputs}
    origin = tuple(dict.fromkeys([*_passed(steps, schema.names), *read]))
    steps = applicable(steps, origin)
    needed = _needed(steps, origin, keep)
    left_out: tuple[str, ...] = ()
    if done.label in keep and len(keep) > 1:
        without = tuple(name for name in keep if name != done.label)
        fewer = _needed(steps, origin, without)
        if any(name not in rows.names for name in needed if name not in fewer):
            left_out, keep, needed = (done.label,), without, fewer
    missing = [name for name in needed if name not in rows.names]
    if missing:
        raise MissingColumnsError(
            f"{_listed(missing)} {'is' if len(missing) == 1 else 'are'} not in "
            f"{rows.files[0].name}, and {whose} was made of {_these(missing)}",
            hint=f"it has {_listed(rows.names)}",
        )
    fixed = {name: schema[name].dtype for name in keep} | dict(types or {})
    for name in also:
        if name not in rows.names:
            raise UsageError(
                f'there is no column "{name}" in {rows.files[0].name}',
                hint=did_you_mean(name, [*schema.names, *rows.names]),
            )
        fixed[name] = "text"
    needed = tuple(dict.fromkeys([*needed, *also]))
    known = {name: schema[name].vocabulary or () for name in keep if fixed[name] == "category"}
    if types:
        known = {name: values for name, values in known.items() if name not in types}
    steps = _with_categories(_with_sample(applicable(steps, needed), sample), known, read)
    keep = (*keep, *also)
    found: RowSource = rows
    inputs: dict[str, str] = {}
    if steps:
        found = ShapedSource(inner=rows, steps=steps, columns=needed)
        read_now = outline(steps, needed).inputs(keep)
        inputs = {name: _widest(read.get(name, "text")) for name in read_now}
    return Prepared(
        source=found,
        keep=keep,
        types=TypeOptions(
            float_mode=done.float_mode, fixed=fixed, inputs=inputs, vocabularies=known
        ),
        missing=left_out,
        unused=tuple(name for name in rows.names if name not in needed),
        not_repeated=by_chance[0] if by_chance and sample is None else None,
    )


def applicable(steps: Steps, names: Sequence[str]) -> Steps:
    """The steps whose columns are there, of a source with these columns."""
    found: list[AnyStep] = []
    names = tuple(names)
    for step in steps:
        if isinstance(step, Rename):
            step = Rename(names={old: new for old, new in step.names.items() if old in names})
        try:
            step.reads(names)
            after = step.names_after(names)
        except UsageError:
            continue
        if after != names or not isinstance(step, Rename):
            found.append(step)
        names = after
    return tuple(found)


def _passed(steps: Steps, keep: Sequence[str]) -> tuple[str, ...]:
    """The columns of the source that are columns of the dataset as they are."""
    names = list(keep)
    for step in reversed(steps):
        if isinstance(step, Rename):
            before = {new: old for old, new in step.names.items()}
            names = [before.get(name, name) for name in names]
        else:
            made = step.makes(())
            names = [name for name in names if name not in made]
    return tuple(names)


def _needed(steps: Steps, names: tuple[str, ...], keep: Sequence[str]) -> tuple[str, ...]:
    """The columns of the source that these of the dataset follow from."""
    resolved = outline(steps, names)
    columns = dict(resolved.columns)
    passed = [ref for name in keep if isinstance(ref := columns[name], str)]
    return tuple(dict.fromkeys([*passed, *resolved.inputs(keep)]))


def _with_sample(steps: Steps, sample: Sample | None) -> Steps:
    """The steps with a sample of the rows after those on rows."""
    if sample is None:
        return steps
    on_rows = [step for step in steps if not isinstance(step, ColumnStep)]
    return (*on_rows, sample, *(step for step in steps if isinstance(step, ColumnStep)))


def _with_categories(
    steps: Steps, known: Mapping[str, tuple[str, ...]], read: Mapping[str, str]
) -> Steps:
    """The steps with those that make nulls of texts which the dataset does not have."""
    found: list[AnyStep] = []
    for step in steps:
        if isinstance(step, OneHot):
            check = Categories(column=step.column, values=step.values)
            found += [check] if check not in found else []
        found.append(step)
    for name, values in known.items():
        check = Categories(column=name, values=values)
        found += [check] if check not in found else []
    return tuple(found)


def _widest(dtype: str) -> str:
    """The widest dtype of a kind, in which steps read a column whatever values come."""
    return dtype if dtype == "uint64" else _WIDEST.get(kind_of(dtype), dtype)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f'"{name}"' for name in names[:_SHOWN_COLUMNS])
    more = len(names) - _SHOWN_COLUMNS
    return shown if more <= 0 else f"{shown} and {more:,} more"


def _these(names: Sequence[str]) -> str:
    return "it" if len(names) == 1 else "them"
