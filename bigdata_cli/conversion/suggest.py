"""What would make a dataset fit the disk: flags that are tried on rows of the source."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.plan import Prepared, storage_options
from bigdata_cli.conversion.predict import MARGIN, Prediction, predict
from bigdata_cli.conversion.sampled import SampledRows, draw_rows
from bigdata_cli.errors import BigdataError, BudgetError
from bigdata_cli.formats.registry import all_traits, get_format, get_traits
from bigdata_cli.types.dtype import Column, Kind
from bigdata_cli.types.footprint import column_bytes

if TYPE_CHECKING:
    from bigdata_cli.conversion.disk_budget import DiskBudget

MOST_SUGGESTIONS = 4
_MOST_DROPS = 6


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """Flags in the place of those that were given. loss: what they cost, None for nothing.

    is_last: what follows costs more of the same.
    """

    flags: tuple[str, ...]
    options: ConvertOptions
    loss: str | None = None
    is_last: bool = False


def refuse_what_does_not_fit(prepared: Prepared, budget: DiskBudget) -> None:
    """Raise BudgetError where the predicted bytes are more than the budget has."""
    rows = draw_rows(prepared.source, prepared.sample, prepared.keep)
    # Where shards have a size their number follows from what is tried.
    held_bytes = budget.held_bytes
    predicted = predict(rows, prepared.options, temporary_bytes=held_bytes)
    if predicted.bytes + predicted.temporary_bytes <= budget.limit_bytes:
        return
    fitting: list[tuple[Suggestion, Prediction]] = []
    least = predicted.bytes
    for suggestion in _suggestions(rows, prepared):
        try:
            kept = rows.select(_kept(rows, suggestion))
            tried = predict(kept, suggestion.options, temporary_bytes=held_bytes)
        except BigdataError:
            continue  # what cannot be converted is no help
        least = min(least, tried.bytes)
        if tried.most_bytes <= budget.limit_bytes:
            fitting.append((suggestion, tried))
            if len(fitting) == MOST_SUGGESTIONS or suggestion.is_last:
                break
    held = ""
    if held_bytes:
        held = (
            f", beside the {held_bytes:,} bytes of the dataset that it replaces, which stays until "
            "the new one is whole"
        )
    raise BudgetError(
        f"{prepared.output} does not fit: it would take about {predicted.bytes:,} bytes{held}, and "
        f"{budget.limit_text()}",
        hint=_hint(fitting, least, budget),
    )


def _hint(fitting: Sequence[tuple[Suggestion, Prediction]], least: int, budget: DiskBudget) -> str:
    if not fitting:
        return (
            f"the least that was tried takes about {least:,} bytes, and may take {MARGIN - 1:.0%} "
            "more: -o on another disk, or --columns with those that are needed"
        )
    lines = [
        f"  {shlex.join(suggestion.flags)}: about {prediction.bytes:,} bytes"
        + (f"; {suggestion.loss}" if suggestion.loss else "")
        for suggestion, prediction in fitting
    ]
    return "one of these makes it fit:\n" + "\n".join(lines)


def _kept(rows: SampledRows, suggestion: Suggestion) -> list[str]:
    return [name for name in rows.schema.names if name not in suggestion.options.drop]


def _suggestions(rows: SampledRows, prepared: Prepared) -> Iterator[Suggestion]:
    """Flags to try: what loses nothing first, then digits, then columns."""
    options = replace(prepared.options, layout=prepared.storage.layout)
    layout_given = prepared.options.layout is not None
    lossless = [
        *_compressions(options),
        *_layouts(options),
        *_formats(options, rows, layout_given=layout_given),
    ]
    yield from (one for one in lossless if one.loss is None)
    narrowed = _float32(options, rows)
    if narrowed is not None:
        yield narrowed
        for other in _compressions(narrowed.options):
            yield replace(other, flags=(*narrowed.flags, *other.flags), loss=narrowed.loss)
    yield from (one for one in lossless if one.loss is not None)
    yield from _drops(options, rows)


def _compressions(options: ConvertOptions) -> Iterator[Suggestion]:
    traits = get_traits(options.to)
    for name in traits.smaller_compressions:
        if name != (options.compression or traits.compressions[0]):
            yield Suggestion(
                flags=("--compression", name), options=replace(options, compression=name)
            )


def _layouts(options: ConvertOptions) -> Iterator[Suggestion]:
    """A smaller layout of the same format, as it is and with a smaller compression."""
    traits = get_traits(options.to)
    layout = traits.layout(str(options.layout)).smaller_layout
    if layout is None:
        return
    for compression in dict.fromkeys((options.compression, *traits.smaller_compressions)):
        flags: tuple[str, ...] = ("--layout", layout)
        if compression != options.compression:
            flags = (*flags, "--compression", str(compression))
        other = replace(options, layout=layout, compression=compression)
        yield Suggestion(flags=flags, options=other)


def _formats(
    options: ConvertOptions, rows: SampledRows, *, layout_given: bool
) -> Iterator[Suggestion]:
    """Other formats that hold all columns; a layout or compression that was given is replaced."""
    for traits in all_traits():
        if traits.smallest is None or traits.name == options.to:
            continue
        layout, compression = traits.smallest
        other = replace(options, to=traits.name, layout=layout, compression=compression)
        flags: tuple[str, ...] = ("--to", traits.name)
        if layout_given or layout != traits.layouts[0].name:
            flags += ("--layout", layout)
        if options.compression is not None or compression != traits.compressions[0]:
            flags += ("--compression", compression)
        loss = None if _keeps_float64(other) else _digits_lost(rows)
        yield Suggestion(flags=flags, options=other, loss=loss)


def _keeps_float64(options: ConvertOptions) -> bool:
    """Whether the layout stores float64 without rounding it."""
    form = get_format(options.to)
    column = Column(name="", dtype="float64")
    return form.kept_dtype(column, storage_options(form, options)) == "float64"


def _float32(options: ConvertOptions, rows: SampledRows) -> Suggestion | None:
    loss = _digits_lost(rows)
    if loss is None or options.float_mode == "32" or not _keeps_float64(options):
        return None
    return Suggestion(flags=("--float", "32"), options=replace(options, float_mode="32"), loss=loss)


def _digits_lost(rows: SampledRows) -> str | None:
    """What float32 would lose of the floats that are float64; None for nothing."""
    wide = [column.name for column in rows.schema if column.dtype == "float64"]
    if not wide:
        return None
    error = max(rows.statistics[name].float32_error for name in wide)
    return f"loses digits of {', '.join(wide)} (relative error up to {error:.1e})"


def _drops(options: ConvertOptions, rows: SampledRows) -> Iterator[Suggestion]:
    """The columns that take most, one after the other, but for the label."""
    sizes = {
        column.name: column_bytes(column, rows.statistics[column.name], rows=rows.all_rows)
        + (rows.all_rows * 4 if column.kind is Kind.TEXT else 0)
        for column in rows.schema
        if column.name != options.label
    }
    ranked = sorted(sizes, key=lambda name: -sizes[name])[: min(_MOST_DROPS, len(rows.schema) - 1)]
    for count in range(1, len(ranked) + 1):
        dropped = tuple(ranked[:count])
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(dropped)
        yield Suggestion(
            flags=("--drop", line.getvalue()),
            options=replace(options, drop=(*options.drop, *dropped)),
            is_last=True,
            loss=f"leaves out {'these columns' if count > 1 else 'this column'}",
        )
