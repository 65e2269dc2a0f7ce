"""What datasets of a source would cost: each format, layout and compression worth having."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from bigdata_cli.conversion.estimate.predict import predict
from bigdata_cli.conversion.estimate.rows import SampledRows
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.order_options import OrderOptions
from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.formats.registry import all_traits, get_traits
from bigdata_cli.options import values_of
from bigdata_cli.resources.memory import available_cpus
from bigdata_cli.splits.options import SplitOptions
from bigdata_cli.transforms.options import ShapeOptions
from bigdata_cli.types.dtype import Kind

_FEW_BYTES, _FEW_SECONDS = 1_000_000, 1.0
"""What does not matter."""
_MANY_COLUMNS = 1000
"""A file or dataset for each column takes long to try."""


@dataclass(frozen=True, kw_only=True)
class Room:
    """Bytes of disk and memory to plan with; `has_…_limit`: the user gave
    it; else it is what is free."""

    disk_bytes: int
    memory_bytes: int
    has_disk_limit: bool = False
    has_memory_limit: bool = False


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one format, layout and compression would take; figures are predicted.

    bytes: of the files; max_bytes: that they may take at the most. memory_bytes: to hold all rows.
    fits_disk, fits_memory: in the `Room`. dropped: columns that the layout cannot
    hold; narrowed: those with numbers that lose digits, as it has float32. command: ready to paste.
    """

    format: str
    layout: str
    compression: str
    bytes: int
    max_bytes: int
    seconds: float
    memory_bytes: int
    shards: int
    fits_disk: bool
    fits_memory: bool
    is_recommended: bool
    dropped: tuple[str, ...]
    narrowed: tuple[str, ...]
    command: str


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What all commands have in common: the source, the flags that read it, the label, and what
    becomes of its rows."""

    path: str
    flags: tuple[str, ...] = ()
    label: str | None = None
    shape: ShapeOptions = ShapeOptions()
    splits: SplitOptions = SplitOptions()
    order: OrderOptions = OrderOptions()


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
        costs = list(pool.map(lambda candidate: _cost(rows, wish, room, *candidate), tried))
    return _recommend([cost for cost in costs if cost is not None])


def _cost(
    rows: SampledRows, wish: Wish, room: Room, form: str, layout: str, compression: str
) -> Cost | None:
    dropped: tuple[str, ...] = ()
    if not get_traits(form).layout(layout).holds_text:
        texts = (column.name for column in rows.schema if column.kind is Kind.TEXT)
        dropped = tuple(name for name in texts if name != wish.label)
    names = [name for name in rows.schema.names if name not in dropped]
    if not names or (layout == "matrix" and names == [wish.label]):
        return None
    options = ConvertOptions(
        to=form,
        layout=layout,
        compression=compression,
        label=wish.label,
        drop=dropped,
        shape=wish.shape,
        splits=wish.splits,
        order=wish.order,
    )
    try:
        prediction = predict(rows, options)
    except (UsageError, DataError):
        return None  # the layout cannot hold a column: a conversion says which and why
    return Cost(
        format=form,
        layout=layout,
        compression=compression,
        bytes=prediction.bytes,
        max_bytes=prediction.max_bytes,
        seconds=prediction.seconds,
        memory_bytes=prediction.memory_bytes,
        shards=prediction.shards,
        fits_disk=prediction.max_bytes <= room.disk_bytes,
        fits_memory=prediction.memory_bytes <= room.memory_bytes,
        is_recommended=False,
        dropped=dropped,
        narrowed=rows.losing_digits(options),
        command=_command(wish, options),
    )


def command_flags(given: ConvertOptions, wanted: ConvertOptions) -> list[str]:
    """The words that turn a command with the given options into one with those that are wanted."""
    traits = get_traits(wanted.to)
    defaults = {"layout": traits.layout_names[0], "compression": traits.compressions[0]}
    words: list[str] = []
    for (one, before), (_, value) in zip(values_of(given), values_of(wanted), strict=True):
        default = defaults.get(one.field)
        if (value or default) != (before or default):
            if one.field == "drop":  # it adds up
                value = value[len(before) :]
            words += one.words(value)
    return words


def _command(wish: Wish, options: ConvertOptions) -> str:
    """The command that makes it, ready to paste; what is the default is left out."""
    path = f"./{wish.path}" if wish.path.startswith("-") and wish.path != "-" else wish.path
    flags = command_flags(ConvertOptions(to=""), options)
    return shlex.join(["bigdata", "convert", path, *flags, *wish.flags])


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
