"""A source under the options that shape its rows; without any, nothing of it is loaded."""

from __future__ import annotations

from collections.abc import Sequence

from bigdata_cli.options import given_options
from bigdata_cli.sources.base import RowSource
from bigdata_cli.transforms.options import ShapeOptions, steps_of


def shaped(source: RowSource, options: ShapeOptions) -> RowSource:
    """The source with the steps that the options ask for; itself where there are none.

    Raises UsageError where a step does not fit its columns.
    """
    if not given_options(options):
        return source
    steps = steps_of(options)
    if not steps:
        return source
    from bigdata_cli.transforms.source import ShapedSource

    made = ShapedSource(inner=source, steps=steps)
    _ = made.names  # which resolves the steps
    return made


def only_read(source: RowSource, keep: Sequence[str]) -> tuple[str, ...]:
    """The columns of a source that steps read for these columns, and that are not kept."""
    if not source.is_shaped:
        return ()
    from bigdata_cli.transforms.source import ShapedSource

    assert isinstance(source, ShapedSource)
    return source.only_read(keep)
