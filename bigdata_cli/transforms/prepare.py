"""Rows of any source as those of a dataset, by its preprocessing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from bigdata_cli.errors import DataError, UsageError, did_you_mean
from bigdata_cli.sources.base import RowSource
from bigdata_cli.sources.csv.options import SourceOptions
from bigdata_cli.sources.registry import open_rows
from bigdata_cli.transforms.join import Join
from bigdata_cli.transforms.limits import DEFAULT_LIMITS, Limits
from bigdata_cli.transforms.noted_again import noted_anew
from bigdata_cli.transforms.preprocessing import (
    Preprocessing,
    Recipe,
    applicable,
    needed_columns,
    with_categories,
    with_sample,
)
from bigdata_cli.transforms.program import outline
from bigdata_cli.transforms.source import ShapedSource
from bigdata_cli.transforms.steps import AnyStep, Sample
from bigdata_cli.types.dtype import Schema, widest_dtype
from bigdata_cli.types.lattice import TypeOptions

_SHOWN_COLUMNS = 8


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """Rows that become such of a dataset.

    Attributes:
        source: The rows after all steps.
        keep: The columns that they have then.
        types: The dtypes of these, and of the columns that the steps read.
        missing: The columns of the dataset that the rows cannot have: none, or its label.
        unused: The columns of the files that are left out.
        not_repeated: The step that chose rows of the dataset's source by their places.
    """

    source: RowSource
    keep: tuple[str, ...]
    types: TypeOptions
    missing: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    not_repeated: AnyStep | None = None


class MissingColumnsError(UsageError):
    """Files lack columns that a dataset was made of."""


def open_like(
    paths: Sequence[str | Path],
    given: SourceOptions,
    done: Preprocessing,
    *,
    accepts_bad_rows: bool = False,
    skip_bad_rows: bool = False,
    limits: Limits = DEFAULT_LIMITS,
    **how: Any,
) -> Prepared:
    """Open sources, and have their rows become those of a dataset.

    Args:
        paths: Of the files.
        given: What the user said of them.
        done: What was done for the dataset.
        accepts_bad_rows: More than half of the first rows may be bad.
        skip_bad_rows: Whether records that cannot be kept are left out.
        limits: Of what passes over the rows note.
        **how: See `prepare`.
    """
    found = _opened_like(paths, given, done, accepts_bad_rows=accepts_bad_rows, **how)
    noted = noted_anew(found.source, found.types, skip_bad_rows=skip_bad_rows, limits=limits)
    return replace(found, source=noted)


def _opened_like(
    paths: Sequence[str | Path],
    given: SourceOptions,
    done: Preprocessing,
    *,
    accepts_bad_rows: bool,
    **how: Any,
) -> Prepared:
    """As `open_like`; nothing is noted of the rows yet."""
    opened = partial(open_rows, paths, accepts_bad_rows=accepts_bad_rows)
    rows = opened(given)
    is_text = "delimiter" in rows.dialect.to_json()
    if is_text:
        options = done.spelling.options(given, rows.names)
        rows = rows if options == given else opened(options)
    try:
        return prepare(rows, done, **how)
    except MissingColumnsError:
        if not is_text or given.header is not None or given.names is not None:
            raise
        # A header like the values below it may have been taken for one of them.
        try:
            rows = opened(replace(given, header=True))
            options = done.spelling.options(replace(given, header=True), rows.names)
            return prepare(opened(options), done, **how)
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
        DataError: A table that was joined is not what it was.
    """
    recipe, schema, types = done.recipe(), done.schema, types or {}
    wanted = _wanted(rows, recipe, tuple(schema.names if keep is None else keep), done.label)
    _check_columns(rows, schema, wanted.needed, also, whose=whose)
    needed = tuple(dict.fromkeys([*wanted.needed, *also]))
    fixed = {name: types.get(name, schema[name].dtype) for name in wanted.keep}
    known = {
        name: schema[name].vocabulary or ()
        for name in wanted.keep
        if fixed[name] == "category" and name not in types
    }
    steps = with_categories(with_sample(applicable(recipe.steps, needed), sample), known)
    all_kept = (*wanted.keep, *also)
    found, read_now = rows, tuple[str, ...]()
    for step in steps:
        if isinstance(step, Join):
            step.check_table()
    if steps:
        found = ShapedSource(inner=rows, steps=steps, columns=needed)
        read_now = outline(steps, needed).inputs(all_kept)
    return Prepared(
        source=found,
        keep=all_kept,
        types=TypeOptions(
            float_mode=done.float_mode,
            fixed=fixed | dict.fromkeys(also, "text"),
            inputs={name: widest_dtype(recipe.read.get(name, "text")) for name in read_now},
            vocabularies=known,
        ),
        missing=wanted.left_out,
        unused=tuple(name for name in rows.names if name not in needed),
        not_repeated=recipe.choice if sample is None else None,
    )


def _check_columns(
    rows: RowSource, schema: Schema, needed: Sequence[str], also: Sequence[str], *, whose: str
) -> None:
    """Raise UsageError where files lack columns."""
    missing = [name for name in needed if name not in rows.names]
    if missing:
        raise MissingColumnsError(
            f"{_listed(missing)} {'is' if len(missing) == 1 else 'are'} not in "
            f"{rows.files[0].name}, and {whose} was made of {_these(missing)}",
            hint=f"it has {_listed(rows.names)}",
        )
    for name in also:
        if name not in rows.names:
            raise UsageError(
                f'there is no column "{name}" in {rows.files[0].name}',
                hint=did_you_mean(name, [*schema.names, *rows.names]),
            )


class _Wanted(NamedTuple):
    """Columns of the dataset, those of the source that they need, and a label that is missing."""

    keep: tuple[str, ...]
    needed: tuple[str, ...]
    left_out: tuple[str, ...] = ()


def _wanted(rows: RowSource, recipe: Recipe, keep: tuple[str, ...], label: str | None) -> _Wanted:
    """The columns to keep; without the label where only that needs columns that are not there."""
    needed = needed_columns(recipe.steps, recipe.columns, keep)
    without = tuple(name for name in keep if name != label)
    if label is not None and without and without != keep:
        fewer = needed_columns(recipe.steps, recipe.columns, without)
        if any(name not in rows.names for name in needed if name not in fewer):
            return _Wanted(without, fewer, (label,))
    return _Wanted(keep, needed)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(f'"{name}"' for name in names[:_SHOWN_COLUMNS])
    more = len(names) - _SHOWN_COLUMNS
    return shown if more <= 0 else f"{shown} and {more:,} more"


def _these(names: Sequence[str]) -> str:
    return "it" if len(names) == 1 else "them"
