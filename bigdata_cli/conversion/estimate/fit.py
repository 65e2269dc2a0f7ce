"""What would make a dataset fit the disk: flags that are tried on rows of the source."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bigdata_cli.conversion.estimate.costs import command_flags
from bigdata_cli.conversion.estimate.predict import MARGIN, Prediction, predict
from bigdata_cli.conversion.estimate.rows import SampledRows, draw_rows
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.errors import BigdataError, BudgetError
from bigdata_cli.formats.registry import all_traits, get_traits
from bigdata_cli.types.dtype import Kind
from bigdata_cli.types.footprint import column_bytes

if TYPE_CHECKING:
    from bigdata_cli.conversion.estimate.disk import DiskBudget
    from bigdata_cli.conversion.plan import Plan

_MAX_SUGGESTIONS = 4
_MAX_DROPS = 6


def refuse_what_does_not_fit(plan: Plan, budget: DiskBudget) -> None:
    """Raise BudgetError where the predicted bytes are more than the budget has."""
    rows, given = draw_rows(plan.source, plan.sample, plan.keep), plan.options
    # Where shards have a size their number follows from what is tried.
    held_bytes = budget.held_bytes
    predicted = predict(rows, given, temporary_bytes=held_bytes)
    if predicted.bytes + predicted.temporary_bytes <= budget.limit_bytes:
        return
    fitting: list[Prediction] = []
    least = predicted.bytes
    for options in _alternatives(rows, given):
        try:
            tried = predict(rows, options, temporary_bytes=held_bytes)
        except BigdataError:
            continue  # what cannot be converted is no help
        least = min(least, tried.bytes)
        if tried.max_bytes <= budget.limit_bytes:
            fitting.append(tried)
            # To drop more columns costs more of the same.
            if len(fitting) == _MAX_SUGGESTIONS or options.drop != given.drop:
                break
    held = ""
    if held_bytes:
        held = (
            f", beside the {held_bytes:,} bytes of the dataset that it replaces, which stays until "
            "the new one is whole"
        )
    if predicted.scattered_bytes:
        held += (
            f", beside {predicted.scattered_bytes:,} bytes of its rows on their way into another "
            f"order ({given.order.changes[0]})"
        )
    hint = (
        f"the least that was tried takes about {least:,} bytes, and may take {MARGIN - 1:.0%} "
        "more: -o on another disk, or --columns with those that are needed"
    )
    if fitting:
        lines = "\n".join(_line(rows, given, prediction) for prediction in fitting)
        hint = f"one of these makes it fit:\n{lines}"
    raise BudgetError(
        f"{plan.output} does not fit: it would take about {predicted.bytes:,} bytes{held}, and "
        f"{budget.limit_text()}",
        hint=hint,
    )


def _line(rows: SampledRows, given: ConvertOptions, prediction: Prediction) -> str:
    """The flags to add, their bytes, and what they cost."""
    options = prediction.options
    loss = ""
    if n_dropped := len(options.drop) - len(given.drop):
        loss = f"; leaves out {'these columns' if n_dropped > 1 else 'this column'}"
    elif names := _losing(rows, given, options):
        error = max(rows.statistics[name].float32_error for name in names)
        loss = f"; loses digits of {', '.join(names)} (relative error up to {error:.1e})"
    flags = shlex.join(command_flags(given, options))
    return f"  {flags}: about {prediction.bytes:,} bytes{loss}"


def _losing(rows: SampledRows, given: ConvertOptions, options: ConvertOptions) -> Sequence[str]:
    """The columns that lose digits under these options, and not under those that were given."""
    before = rows.losing_digits(given)
    return [name for name in rows.losing_digits(options) if name not in before]


def _alternatives(rows: SampledRows, given: ConvertOptions) -> Iterator[ConvertOptions]:
    """Options to try: what loses nothing first, then digits, then columns."""
    others = [*_compressions(given), *_layouts(given), *_formats(given)]
    losing = [options for options in others if _losing(rows, given, options)]
    yield from (options for options in others if options not in losing)
    narrowed = replace(given, float_mode="32")
    if _losing(rows, given, narrowed):
        yield narrowed
        yield from _compressions(narrowed)
    yield from losing
    yield from _drops(rows, given)


def _compressions(given: ConvertOptions) -> Iterator[ConvertOptions]:
    traits = get_traits(given.to)
    for name in traits.smaller_compressions:
        if name != (given.compression or traits.compressions[0]):
            yield replace(given, compression=name)


def _layouts(given: ConvertOptions) -> Iterator[ConvertOptions]:
    """A smaller layout of the same format, as it is and with a smaller compression."""
    traits = get_traits(given.to)
    layout = traits.layout(given.layout or traits.layout_names[0]).smaller_layout
    if layout is not None:
        for compression in dict.fromkeys((given.compression, *traits.smaller_compressions)):
            yield replace(given, layout=layout, compression=compression)


def _formats(given: ConvertOptions) -> Iterator[ConvertOptions]:
    """Other formats that hold all columns."""
    for traits in all_traits():
        if traits.smallest is not None and traits.name != given.to:
            layout, compression = traits.smallest
            yield replace(given, to=traits.name, layout=layout, compression=compression)


def _drops(rows: SampledRows, given: ConvertOptions) -> Iterator[ConvertOptions]:
    """Without the columns that take most, one after the other, but for the label."""
    sizes = {
        column.name: column_bytes(column, rows.statistics[column.name], rows=rows.all_rows)
        + (rows.all_rows * 4 if column.kind is Kind.TEXT else 0)
        for column in rows.schema
        if column.name != given.label
    }
    ranked = sorted(sizes, key=lambda name: -sizes[name])[: min(_MAX_DROPS, len(rows.schema) - 1)]
    for count in range(1, len(ranked) + 1):
        yield replace(given, drop=(*given.drop, *ranked[:count]))
