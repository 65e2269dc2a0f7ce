"""What passes note of a source for the steps of a dataset, found again or for other rows."""

from __future__ import annotations

from dataclasses import replace

from bigdata_cli.sources.base import RowSource
from bigdata_cli.transforms.columns.fill_forward import FillForward
from bigdata_cli.transforms.deduplicate import find_repeated
from bigdata_cli.transforms.fill_forward import FoundForward, find_last_values
from bigdata_cli.transforms.first_pass import FirstPass
from bigdata_cli.transforms.limits import DEFAULT_LIMITS, Limits
from bigdata_cli.transforms.noted import NOTHING
from bigdata_cli.transforms.selections.dedup import Dedup
from bigdata_cli.transforms.source import ShapedSource
from bigdata_cli.transforms.steps import AnyStep, Steps
from bigdata_cli.types.lattice import TypeOptions


def selected_again(
    source: RowSource, steps: Steps, types: TypeOptions, *, skip_bad_rows: bool
) -> tuple[ShapedSource, tuple[str, ...]]:
    """The rows of a source after the steps of a dataset, with all that passes noted found again.

    Args:
        source: What the dataset was made of.
        steps: All that a manifest has.
        types: The dtypes that were fixed.
        skip_bad_rows: Whether records that cannot be kept were left out.

    Returns:
        The rows; and what of it is not as it was when the dataset was made.
    """
    noted, differs = NOTHING, []
    for number, step in enumerate(steps):
        rows = ShapedSource.of(source, steps[:number], noted) if number else source
        if isinstance(step, Dedup):
            columns = tuple(step.columns)
            fixed = {name: dtype for name, dtype in step.columns.items() if dtype != "null"}
            first_pass = FirstPass.of(
                rows,
                TypeOptions(fixed={**types.fixed, **fixed}),
                rows.names if skip_bad_rows else columns,
                why="--dedup takes",
                hint="give the file",
                skip_bad_rows=skip_bad_rows,
                wants_places=True,
            )
            found = find_repeated(first_pass, columns, keep=step.keep)
            noted = replace(noted, repeated=found.places)
            if found.step.digest != step.digest:
                differs.append("other rows repeat one another than those that --dedup has left out")
        elif isinstance(step, FillForward):
            forward = _filled_again(rows, types, step, skip_bad_rows=skip_bad_rows)
            noted = noted.with_last_values(forward.values)
            if forward.step.digest != step.digest:
                differs.append(f'other values come before the nulls of "{step.column}"')
                # The dataset is compared with what is there now.
                steps = (*steps[:number], forward.step, *steps[number + 1 :])
    return ShapedSource.of(source, steps, noted), tuple(differs)


def noted_anew(
    source: RowSource,
    types: TypeOptions,
    *,
    skip_bad_rows: bool,
    limits: Limits = DEFAULT_LIMITS,
) -> RowSource:
    """Rows after the steps of a dataset that was made of others, with what passes over them note.

    Args:
        source: The rows after the steps, if there are any.
        types: The dtypes that are fixed.
        skip_bad_rows: Whether records that cannot be kept are left out.
        limits: Of what is noted.
    """
    if not isinstance(source, ShapedSource):
        return source
    steps, noted = list[AnyStep](), source.noted
    # A column that a later step makes anew is of another type before.
    passed = {name for name, ref in source.outline.columns if isinstance(ref, str)}
    fixed = {name: dtype for name, dtype in types.fixed.items() if name in passed}
    types = TypeOptions(fixed=fixed, inputs=types.inputs)
    for step in source.steps:
        if isinstance(step, FillForward):
            rows = replace(source, steps=tuple(steps), noted=noted)
            forward = _filled_again(rows, types, step, skip_bad_rows=skip_bad_rows, limits=limits)
            noted = noted.with_last_values(forward.values)
            steps.append(forward.step)
        else:
            steps.append(step)
    return replace(source, steps=tuple(steps), noted=noted)


def _filled_again(
    rows: RowSource,
    types: TypeOptions,
    step: FillForward,
    *,
    skip_bad_rows: bool,
    limits: Limits = DEFAULT_LIMITS,
) -> FoundForward:
    fixed = {**types.fixed, **({} if step.dtype == "null" else {step.column: step.dtype})}
    (found,) = find_last_values(
        rows,
        TypeOptions(fixed=fixed, inputs=types.inputs),
        [step.column],
        skip_bad_rows=skip_bad_rows,
        limits=limits,
    )
    return found
