"""By which values rows are split where that does not follow from the columns of the dataset.

Where steps learn from the split for training, what a step is fitted to follows from the split, so
the split cannot follow from what the step makes: rows are split by the values before all steps on
columns. So they are where they are split by a column that is not kept.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from bigdata_cli.errors import UsageError, did_you_mean
from bigdata_cli.sources.base import RowSource
from bigdata_cli.splits.options import SplitOptions
from bigdata_cli.splits.rule import HashSplit
from bigdata_cli.transforms.options import ShapeOptions, needs_statistics, row_steps

if TYPE_CHECKING:
    from bigdata_cli.transforms.program import Outline
    from bigdata_cli.transforms.steps import Steps


def split_before_fit(
    splits: SplitOptions,
    shape: ShapeOptions,
    names: tuple[str, ...],
    *,
    joins: Steps = (),
    columns: Collection[str] | None,
    drop: Collection[str],
) -> HashSplit | None:
    """The rule by the values before steps on columns; None where those after them will do.

    Args:
        splits: The splits.
        shape: The steps.
        names: The columns of the source.
        joins: The steps of `--join`.
        columns, drop: Those of the dataset that are kept, and left out.

    Raises:
        UsageError: A column of `--split-by` is not there then, or the splits have to be found by
            a pass over the rows that follow from them.
    """
    if splits.split is None:
        return None
    dropped = dropped_keys(splits, columns, drop)
    learns = needs_statistics(shape) and shape.stats_from is None
    if not learns and not dropped:
        return None
    for flag, is_given in (
        ("--split-order", splits.split_order),
        ("--split-time", splits.split_time is not None),
        ("--stratify", shape.stratify is not None),
    ):
        if learns and is_given:
            raise UsageError(
                f"{flag} does not go with steps that learn from the rows for training",
                hint="--stats-from DIR takes what they learn from the dataset of these rows alone",
            )
    from bigdata_cli.transforms.program import outline  # which loads what a plain one does not need

    steps = row_steps(shape, joins, split_by=dropped)
    before = outline(steps, names).names if steps else names
    for name in splits.split_by:
        if name not in before:
            raise UsageError(
                f'--split-by: there is no column "{name}"', hint=did_you_mean(name, before)
            )
    counting = [name for name in before if _is_kept(name, shape, columns, drop)]
    return HashSplit.of(splits, counting, seed=shape.seed, n_steps=len(steps))


def dropped_keys(
    splits: SplitOptions, columns: Collection[str] | None, drop: Collection[str]
) -> tuple[str, ...]:
    """The columns of `--split-by` that are not kept; columns, drop: see `split_before_fit`."""
    if splits.split is None:
        return ()
    return tuple(
        name
        for name in splits.split_by
        if name in drop or (columns is not None and name not in columns)
    )


def _is_kept(
    name: str, shape: ShapeOptions, columns: Collection[str] | None, drop: Collection[str]
) -> bool:
    """Whether a column, or one that a step makes of it, is in the dataset."""
    if name in drop:
        return False
    if columns is None or name in columns:
        return True
    if name in shape.flag_null and f"{name}_is_null" in columns:
        return True
    return name in shape.one_hot and any(one.startswith(f"{name}_") for one in columns)


def check_split(rule: HashSplit, source: RowSource, keep: Sequence[str]) -> None:
    """Raise UsageError where rows would be split by a column that no kept one follows from."""
    from bigdata_cli.transforms.program import outline
    from bigdata_cli.transforms.source import ShapedSource

    assert isinstance(source, ShapedSource)
    known = source.outline.behind(keep)
    keys = dict(rule.keys)
    for name, ref in outline(source.steps[: rule.n_steps], source.inner.names).columns:
        if name in keys and ref not in known:
            raise UsageError(
                f'--split: rows are split by "{name}" too, of which no column is kept',
                hint=f"--split-by COL says which columns count; or keep one that is made of {name}",
            )


def columns_to_read(
    rule: HashSplit, resolved: Outline, before: Outline, columns: Sequence[str]
) -> tuple[str, ...]:
    """The columns to read of a source so that its rows can be split, after those given."""
    keys = dict(rule.keys)
    counting = {ref for name, ref in before.columns if name in keys}
    more = [
        name for name, _ in resolved.columns if not counting.isdisjoint(resolved.made_of([name]))
    ]
    return tuple(dict.fromkeys([*columns, *more]))
