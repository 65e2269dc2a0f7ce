"""What datasets of a source would cost: each format, layout and compression worth having."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.plan import storage_options
from bigdata_cli.conversion.predict import Prediction, predict
from bigdata_cli.conversion.sampled import SampledRows
from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.formats.registry import all_traits, get_format, get_traits
from bigdata_cli.inspection.facts import Cost, Room
from bigdata_cli.option_kinds import write_names
from bigdata_cli.resources.memory import available_cpus
from bigdata_cli.types.dtype import Kind

_FEW_BYTES, _FEW_SECONDS = 1_000_000, 1.0
"""What does not matter."""
_MANY_COLUMNS = 1000
"""A file or dataset for each column takes long to try."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What all commands have in common: the source, the flags that read it, the label."""

    path: str
    flags: tuple[str, ...] = ()
    label: str | None = None


def candidates(*, has_many_columns: bool = False) -> Iterator[tuple[str, str, str]]:
    """Each format, layout and compression to compare.

    Layouts with a file for each column are left out where there are many.
    """
    for traits in all_traits():
        for layout in traits.layouts:
            if not (has_many_columns and layout.has_file_per_column):
                for compression in traits.candidates:
                    yield traits.name, layout.name, compression


def predict_costs(rows: SampledRows, wish: Wish, room: Room) -> tuple[Cost, ...]:
    """The costs of all candidates that can hold the rows, in the order of `candidates`.

    A layout that holds numbers only is tried without the columns of text. One is recommended.
    """
    tried = list(candidates(has_many_columns=len(rows.schema) > _MANY_COLUMNS))
    with ThreadPoolExecutor(available_cpus()) as pool:
        costs = [
            cost
            for cost in pool.map(lambda candidate: _cost(rows, wish, room, *candidate), tried)
            if cost is not None
        ]
    return _recommend(costs)


def _cost(
    rows: SampledRows, wish: Wish, room: Room, form: str, layout: str, compression: str
) -> Cost | None:
    holds_text = get_traits(form).layout(layout).holds_text
    dropped = () if holds_text else _texts(rows, wish.label)
    names = [name for name in rows.schema.names if name not in dropped]
    if not names or (layout == "matrix" and names == [wish.label]):
        return None
    options = ConvertOptions(
        to=form, layout=layout, compression=compression, label=wish.label, drop=dropped
    )
    try:
        prediction = predict(rows.select(names), options)
    except (UsageError, DataError):
        return None  # the layout cannot hold a column: a conversion says which and why
    return Cost(
        format=form,
        layout=layout,
        compression=compression,
        bytes=prediction.bytes,
        most_bytes=prediction.most_bytes,
        seconds=prediction.seconds,
        memory_bytes=prediction.memory_bytes,
        shards=prediction.shards,
        fits_disk=prediction.most_bytes <= room.disk_bytes,
        fits_memory=prediction.memory_bytes <= room.memory_bytes,
        is_recommended=False,
        dropped=dropped,
        narrowed=_narrowed(rows, options),
        command=command(wish, prediction),
    )


def _narrowed(rows: SampledRows, options: ConvertOptions) -> tuple[str, ...]:
    """The columns of numbers that float32 holds otherwise, where the layout has no other."""
    form = get_format(options.to)
    storage = storage_options(form, options)
    return tuple(
        column.name
        for column in rows.schema
        if column.kind in (Kind.INT, Kind.FLOAT)
        and column.name not in options.drop
        and column.dtype != "float32"
        and form.kept_dtype(column, storage) == "float32"
        and rows.statistics[column.name].float32_error
    )


def _texts(rows: SampledRows, label: str | None) -> tuple[str, ...]:
    return tuple(c.name for c in rows.schema if c.kind is Kind.TEXT and c.name != label)


def command(wish: Wish, prediction: Prediction) -> str:
    """The command that makes it, ready to paste; what is the default is left out."""
    options = prediction.options
    path = f"./{wish.path}" if wish.path.startswith("-") and wish.path != "-" else wish.path
    words = ["bigdata", "convert", path, "--to", options.to]
    traits = get_traits(options.to)
    if options.layout not in (None, traits.layouts[0].name):
        words += ["--layout", str(options.layout)]
    if options.compression not in (None, traits.compressions[0]):
        words += ["--compression", str(options.compression)]
    if options.label is not None:
        words += ["--label", options.label]
    if options.drop:
        words += ["--drop", write_names(options.drop)]
    return shlex.join([*words, *wish.flags])


def _recommend(costs: Sequence[Cost]) -> tuple[Cost, ...]:
    """Mark the one that is small and quick together, of those that fit the disk.

    Size and time count against the least there is; what holds all columns and all digits comes
    first.
    """
    fitting = [cost for cost in costs if cost.fits_disk]
    fitting = [cost for cost in fitting if not cost.dropped] or fitting
    fitting = [cost for cost in fitting if not cost.narrowed] or fitting
    if not fitting:
        return tuple(costs)
    least_bytes = _FEW_BYTES + min(cost.bytes for cost in fitting)
    least_seconds = _FEW_SECONDS + min(cost.seconds for cost in fitting)

    def worth(cost: Cost) -> float:
        size = (cost.bytes + _FEW_BYTES) / least_bytes
        return round(size + (cost.seconds + _FEW_SECONDS) / least_seconds, 1)

    best = min(fitting, key=worth)  # the first of equals
    return tuple(replace(cost, is_recommended=cost is best) for cost in costs)
