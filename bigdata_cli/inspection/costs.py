"""What datasets of a source would cost: each format, layout and compression worth having."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.predict import Prediction, predict
from bigdata_cli.conversion.sampled import SampledRows
from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.inspection.flags import column_list
from bigdata_cli.inspection.report import Cost, Room
from bigdata_cli.resources.memory import available_cpus
from bigdata_cli.types.dtype import Kind

CANDIDATES = (
    ("parquet", "rows", "zstd"),
    ("parquet", "rows", "snappy"),
    ("hdf5", "columns", "none"),
    ("hdf5", "columns", "gzip"),
    ("hdf5", "matrix", "none"),
    ("hdf5", "matrix", "gzip"),
    ("npy", "columns", "none"),
    ("npy", "matrix", "none"),
    ("tfrecord", "rows", "none"),
    ("tfrecord", "rows", "gzip"),
    ("tfrecord", "packed", "none"),
    ("tfrecord", "packed", "gzip"),
    ("tfrecord", "block", "none"),
    ("tfrecord", "block", "gzip"),
)
"""Format, layout, compression. Left out is what is larger and slower than one of these."""
DEFAULT_LAYOUTS = {"parquet": "rows", "hdf5": "columns", "npy": "columns", "tfrecord": "rows"}
DEFAULT_COMPRESSIONS = {"parquet": "zstd", "hdf5": "none", "npy": "none", "tfrecord": "none"}
_WITHOUT_TEXT = ("matrix", "packed")
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


def predict_costs(rows: SampledRows, wish: Wish, room: Room) -> tuple[Cost, ...]:
    """The costs of all candidates that can hold the rows, in the order of `CANDIDATES`.

    A layout that holds numbers only is tried without the columns of text. One is recommended.
    """
    wide = len(rows.schema) > _MANY_COLUMNS
    tried = [
        candidate
        for candidate in CANDIDATES
        if not (wide and candidate[0] in ("hdf5", "npy") and candidate[1] == "columns")
    ]
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
    dropped = _texts(rows, wish.label) if layout in _WITHOUT_TEXT else ()
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
    kinds = {"matrix": (Kind.INT, Kind.FLOAT)}.get(options.layout or "", (Kind.FLOAT,))
    if options.layout != "matrix" and options.to != "tfrecord":
        return ()
    return tuple(
        column.name
        for column in rows.schema
        if column.kind in kinds
        and column.name not in (*options.drop, options.label if options.layout == "matrix" else "")
        and column.dtype != "float32"
        and rows.statistics[column.name].float32_error
    )


def _texts(rows: SampledRows, label: str | None) -> tuple[str, ...]:
    return tuple(c.name for c in rows.schema if c.kind is Kind.TEXT and c.name != label)


def command(wish: Wish, prediction: Prediction) -> str:
    """The command that makes it, ready to paste; what is the default is left out."""
    options = prediction.options
    path = f"./{wish.path}" if wish.path.startswith("-") and wish.path != "-" else wish.path
    words = ["bigdata", "convert", path, "--to", options.to]
    if options.layout not in (None, DEFAULT_LAYOUTS[options.to]):
        words += ["--layout", str(options.layout)]
    if options.compression not in (None, DEFAULT_COMPRESSIONS[options.to]):
        words += ["--compression", str(options.compression)]
    if options.label is not None:
        words += ["--label", options.label]
    if options.drop:
        words += ["--drop", column_list(options.drop)]
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
