"""A source under the options that shape its rows; without any, nothing of it is loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bigdata_cli.errors import UsageError
from bigdata_cli.options import given_options
from bigdata_cli.sources.base import RowSource
from bigdata_cli.splits.rule import HashSplit
from bigdata_cli.transforms.limits import DEFAULT_LIMITS, Limits
from bigdata_cli.transforms.options import (
    ShapeOptions,
    changes_columns,
    needs_statistics,
    row_steps,
    selects_rows,
)
from bigdata_cli.types.lattice import TypeOptions

if TYPE_CHECKING:
    from bigdata_cli.transforms.stats_from import KnownStatistics
    from bigdata_cli.transforms.steps import Steps


def shaped(
    source: RowSource,
    options: ShapeOptions,
    *,
    types: TypeOptions | None = None,
    label: str | None = None,
    skip_bad_rows: bool = False,
    joins: Steps = (),
    split: HashSplit | None = None,
    from_sample: bool = False,
    split_by: tuple[str, ...] = (),
    is_kept: Callable[[str], bool] = lambda name: True,
    limits: Limits = DEFAULT_LIMITS,
) -> RowSource:
    """The source with the steps that the options ask for; itself where there are none.

    Statistics of all rows, where steps need them, are taken by passes over their columns.

    Args:
        source: Any source.
        options: What becomes of its rows.
        types: The dtypes that the user fixed, for those passes.
        label: The column that a model learns: `*` does not mean it.
        skip_bad_rows: Whether those passes leave out records that cannot be kept.
        joins: Their steps of `--join`, as `joined_tables` gives them.
        split: Statistics are those of the split for training by this rule; None for all rows.
        split_by: Columns that rows are split by, and that are not kept.
        from_sample: Statistics are those of a sample: an estimate, in place of passes.
        is_kept: Of a column, whether it is to be one of the dataset.
        limits: Of what these passes take.

    Raises:
        UsageError: A step does not fit the columns.
        DataError: A record cannot be kept.
        BudgetError: What the steps take of the disk does not fit.
    """
    if not given_options(options) and not split_by:
        return source
    if options.stats_from is not None and not needs_statistics(options):
        raise UsageError(
            "--stats-from: no step needs statistics of all rows",
            hint="--fill COL=mean, --standardize, --minmax, --one-hot, --bin COL=quantiles:N do",
        )
    steps = row_steps(options, joins, split_by=split_by)
    from bigdata_cli.transforms.noted import NOTHING
    from bigdata_cli.transforms.source import ShapedSource

    types, noted, seconds = types or TypeOptions(), NOTHING, 0.0
    # Steps that nobody asks for are not loaded, which takes time.
    if selects_rows(options):
        from bigdata_cli.transforms.row_selections import RowSelections

        rows = RowSelections(
            source,
            steps,
            types,
            skip_bad_rows=skip_bad_rows,
            is_kept=is_kept,
            limits=limits,
            from_sample=from_sample,
        )
        steps, noted, seconds = rows.steps_of(options), rows.noted, rows.pass_seconds
    if changes_columns(options):
        from bigdata_cli.transforms.column_steps import ColumnSteps

        asked = ColumnSteps(
            source,
            steps,
            types,
            label=label,
            skip_bad_rows=skip_bad_rows,
            known=_known_statistics(options),
            split=split,
            from_sample=from_sample,
            noted=noted,
            limits=limits,
        )
        steps, noted = asked.steps_of(options), asked.noted
        seconds += asked.pass_seconds
    if not steps and not seconds:
        return source
    made = ShapedSource.of(source, steps, noted)
    if from_sample:
        made = replace(made, pass_seconds=seconds)
    _ = made.names  # which resolves the steps
    return made


def _known_statistics(options: ShapeOptions) -> KnownStatistics | None:
    """Those of another dataset, where they are asked for."""
    if options.stats_from is None:
        return None
    from bigdata_cli.transforms.stats_from import KnownStatistics

    return KnownStatistics(options.stats_from)


def joined_tables(options: ShapeOptions, source: RowSource, limits: Limits) -> Steps:
    """The steps of `--join`; the tables are read.

    Args:
        options: What becomes of the rows.
        source: Any source.
        limits: Of the conversion. A table may take half of its memory.

    Raises:
        UsageError: A table or a column is not there, or keys are of different kinds.
        DataError: A table cannot be read, or its keys are not unique.
        BudgetError: A table is too large.
    """
    if not (options.join or options.on or options.how):
        return ()
    from bigdata_cli.transforms.join import joins
    from bigdata_cli.transforms.program import outline
    from bigdata_cli.transforms.steps import Rename

    renamed = (Rename(names=dict(options.rename)),) if options.rename else ()
    names = outline(renamed, source.names).names
    return joins(options.join, options.on, options.how, names, max_bytes=limits.memory() // 2)


def tables_bytes(source: RowSource) -> int:
    """Bytes in memory of the tables that are joined to the rows of a source."""
    if not source.is_shaped:
        return 0
    from bigdata_cli.transforms.join import Join
    from bigdata_cli.transforms.source import ShapedSource

    assert isinstance(source, ShapedSource)
    return sum(step.table_bytes for step in source.steps if isinstance(step, Join))


def only_read(source: RowSource, keep: Sequence[str]) -> tuple[str, ...]:
    """The columns of a source that steps read for these columns, and that are not kept."""
    if not source.is_shaped:
        return ()
    from bigdata_cli.transforms.source import ShapedSource

    assert isinstance(source, ShapedSource)
    return source.only_read(keep)


def pass_seconds(source: RowSource) -> float:
    """Processor seconds for a byte of a source that passes for statistics are expected to take."""
    if not source.is_shaped:
        return 0.0
    from bigdata_cli.transforms.source import ShapedSource

    assert isinstance(source, ShapedSource)
    return source.pass_seconds
