"""How rows became those of a dataset, so that other rows become such in the same way."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import msgspec

from bigdata_cli.dataset.manifest import Manifest
from bigdata_cli.errors import UsageError
from bigdata_cli.sources.csv.dialect import NULL_TOKENS
from bigdata_cli.sources.csv.options import SourceOptions
from bigdata_cli.strict_json import convert
from bigdata_cli.transforms.columns.categories import Categories
from bigdata_cli.transforms.columns.one_hot import OneHot
from bigdata_cli.transforms.entry import Entry, read_entry
from bigdata_cli.transforms.program import outline
from bigdata_cli.transforms.step import ColumnStep
from bigdata_cli.transforms.steps import AnyStep, Rename, Sample, Steps
from bigdata_cli.types.column_entry import ColumnTypeEntry, schema_of
from bigdata_cli.types.dtype import Schema


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

    def recipe(self) -> Recipe:
        """The steps to repeat; raises JsonError where they are none."""
        entry = read_entry(self.transforms) if self.transforms else Entry((), ())
        steps = tuple(step for step in entry.steps if not step.is_of_source)
        chosen = [step for step in entry.steps if step.is_of_source and not step.keeps_all]
        read = {state.name: state.dtype for state in entry.inputs}
        columns = tuple(dict.fromkeys([*_passed(steps, self.schema.names), *read]))
        return Recipe(applicable(steps, columns), columns, read, chosen[0] if chosen else None)


class Recipe(NamedTuple):
    """Steps to repeat.

    Attributes:
        steps: Those that the columns of the dataset follow from.
        columns: Of the source, that the dataset was made of.
        read: The dtypes of those that the steps read.
        choice: A step that is not repeated, as it chose rows of that source by their places.
    """

    steps: Steps
    columns: tuple[str, ...]
    read: Mapping[str, str]
    choice: AnyStep | None


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


def needed_columns(steps: Steps, names: tuple[str, ...], keep: Sequence[str]) -> tuple[str, ...]:
    """The columns of the source that these of the dataset follow from."""
    resolved = outline(steps, names)
    columns = dict(resolved.columns)
    passed = [ref for name in keep if isinstance(ref := columns[name], str)]
    return tuple(dict.fromkeys([*passed, *resolved.inputs(keep)]))


def with_sample(steps: Steps, sample: Sample | None) -> Steps:
    """The steps with a sample of the rows after those on rows."""
    if sample is None:
        return steps
    on_rows = [step for step in steps if not isinstance(step, ColumnStep)]
    return (*on_rows, sample, *(step for step in steps if isinstance(step, ColumnStep)))


def with_categories(steps: Steps, known: Mapping[str, tuple[str, ...]]) -> Steps:
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
