"""A source under the options that shape its rows; without any, nothing of it is loaded."""

from __future__ import annotations

from collections.abc import Sequence

from bigdata_cli.options import given_options
from bigdata_cli.sources.base import RowSource
from bigdata_cli.transforms.options import ShapeOptions, row_steps
from bigdata_cli.types.lattice import TypeOptions


def shaped(
    source: RowSource,
    options: ShapeOptions,
    *,
    types: TypeOptions | None = None,
    label: str | None = None,
    skip_bad_rows: bool = False,
) -> RowSource:
    """The source with the steps that the options ask for; itself where there are none.

    Statistics of all rows, where steps need them, are taken by passes over their columns.

    Args:
        source: Any source.
        options: What becomes of its rows.
        types: The dtypes that the user fixed, for those passes.
        label: The column that a model learns: `*` does not mean it.
        skip_bad_rows: Whether those passes leave out records that cannot be kept.

    Raises:
        UsageError: A step does not fit the columns.
        DataError: A record cannot be kept.
    """
    if not given_options(options):
        return source
    steps = row_steps(options)
    from bigdata_cli.transforms.column_steps import ColumnSteps
    from bigdata_cli.transforms.row_selections import RowSelections
    from bigdata_cli.transforms.source import ShapedSource

    types = types or TypeOptions()
    steps = RowSelections(source, steps, types, skip_bad_rows=skip_bad_rows).steps_of(options)
    asked = ColumnSteps(source, steps, types, label=label, skip_bad_rows=skip_bad_rows)
    steps = asked.steps_of(options)
    if not steps:
        return source
    made = ShapedSource.of(source, steps)
    _ = made.names  # which resolves the steps
    return made


def only_read(source: RowSource, keep: Sequence[str]) -> tuple[str, ...]:
    """The columns of a source that steps read for these columns, and that are not kept."""
    if not source.is_shaped:
        return ()
    from bigdata_cli.transforms.source import ShapedSource

    assert isinstance(source, ShapedSource)
    return source.only_read(keep)
