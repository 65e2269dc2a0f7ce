"""What is compared with what: groups of commands on one file, and what is compared of them.

A shape of file, a format or a peer is one line of a tuple here.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.commands import (
    LAYOUTS,
    SPEED,
    Command,
    Comparison,
    Group,
    Target,
    conversion,
    convert,
    dialect_of,
    layouts_of,
    peer,
    reading,
)
from benchmarks.shapes import SHAPES
from benchmarks.suites_resources import memory, scaling, start
from benchmarks.suites_shaping import SPLIT_SHAPES, against_others, shaping, splits

CSV_SHAPES = (
    "floats", "sensors", "taxi", "transactions", "transactions_quoted", "clicks", "reviews",
    "pixels", "weblog", "sparse", "dates",
)  # fmt: skip
DOMAIN_SHAPES = (
    "onehot", "events", "flows", "survey", "ledger", "people", "european", "genomes", "payloads",
    "physics", "hashes", "quotes",
)  # fmt: skip
"""Shapes of `domains.py`, of which Parquet alone is measured."""
PARSED = {
    "floats": 1.0, "transactions": 0.7, "taxi": 0.5, "clicks": 0.5, "reviews": 1.5, "pixels": 0.35,
}  # fmt: skip
"""GB/s of one core that the parser is asked for, by shape."""
NUMBER_SHAPES = ("transactions", "sensors", "floats", "pixels")
TEXT_SHAPES = ("transactions", "taxi", "clicks", "reviews")
RECORD_SHAPES = ("sensors", "transactions", "clicks")
WIDE = (("wide", "100rows", 1.0), ("matrix", "20000rows", 0.02))
SURPRISE_SHARDS = 60
MEMORY_BYTES = 400_000_000
INSTALL_BYTES = 400_000_000


def _parquet(kind: str, size: int, cycles: int | None) -> Group:
    polars, duckdb = "Polars sink_parquet", "DuckDB COPY"
    targets = (Target("CPU", 1.5), Target("wall", 1.3), Target("bytes", at_most=1.0))
    return Group(
        section="CSV to Parquet",
        name=f"parquet-{kind}-{size}",
        kind=kind,
        size=size,
        commands=(
            convert("bigdata", conversion(kind, "parquet", "rows")),
            peer(polars, "polars-parquet", *dialect_of(kind)),
            peer(duckdb, "duckdb-parquet", *dialect_of(kind)),
        ),
        comparisons=(
            Comparison(work="CSV → Parquet", ours="bigdata", theirs=polars, targets=targets),
            Comparison(
                work="CSV → Parquet", ours="bigdata", theirs=duckdb, targets=(Target("CPU", 2.0),)
            ),
        ),
        cycles=cycles,
    )


def _order(kind: str, column: str, size: int) -> Group:
    """Rows in another order: against the conversion in theirs, and against sorts of others."""
    plain = conversion(kind, "parquet", "rows")
    sorts = [
        peer(f"{name}, sorted", f"{name.lower()}-parquet", "--sort", column)
        for name in ("Polars", "DuckDB")
    ]
    return Group(
        section="Sorted and shuffled rows",
        name=f"order-{kind}",
        kind=kind,
        size=size,
        commands=(
            convert("bigdata", plain),
            convert("--sort-by", (*plain, "--sort-by", column)),
            convert("--shuffle", (*plain, "--shuffle")),
            *sorts,
        ),
        comparisons=(
            *(
                Comparison(work=f"CSV → sorted Parquet, {column}", ours="--sort-by", theirs=s.label)
                for s in sorts
            ),
            *(
                Comparison(work=f"CSV → Parquet, {flag}", ours=flag, theirs="bigdata")
                for flag in ("--sort-by", "--shuffle")
            ),
        ),
    )


def _parse(kind: str, size: int) -> Group:
    asked = PARSED.get(kind)
    return Group(
        section="The parser alone",
        name=f"parse-{kind}",
        kind=kind,
        size=size,
        commands=(
            Command(label="parse", module="benchmarks.parse", arguments=("{source}",)),
        ),
        comparisons=(
            Comparison(
                work="parse, one core", ours="parse",
                measures=("GB/s",), targets=(Target("GB/s", asked),),
            ),
        ),
    )  # fmt: skip


def _numbers(kind: str, size: int) -> Group:
    """What is compared with reading alone: of the columns that the conversion keeps."""
    kept = reading(kind)
    whole = reading(kind, all_columns=True) if SHAPES[kind].others else kept
    work = (
        ("npy", "matrix", kept, 1.2), ("hdf5", "matrix", kept, 1.2),
        ("tfrecord", "packed", kept, 0.9), ("tfrecord", "block", whole, 0.9),
    )  # fmt: skip
    return Group(
        section="Numbers, against reading alone",
        name=f"numbers-{kind}",
        kind=kind,
        size=size,
        commands=(
            *(
                convert(f"{form} {layout}", conversion(kind, form, layout))
                for form, layout, _, _ in work
            ),
            *dict.fromkeys((kept, whole)),
        ),
        comparisons=tuple(
            Comparison(
                work=f"CSV → {form} {layout}", ours=f"{form} {layout}", theirs=theirs.label,
                measures=SPEED, targets=(Target("CPU", asked),),
            )
            for form, layout, theirs, asked in work
        ),
    )  # fmt: skip


def _hdf5_text(kind: str, size: int) -> Group:
    return Group(
        section="HDF5 with text",
        name=f"hdf5-text-{kind}",
        kind=kind,
        size=size,
        commands=(
            convert("hdf5 columns", conversion(kind, "hdf5", "columns")),
            convert("parquet rows", conversion(kind, "parquet", "rows")),
        ),
        comparisons=(
            Comparison(
                work="CSV → hdf5 columns", ours="hdf5 columns", theirs="parquet rows",
                targets=(Target("CPU", 0.5),),
            ),
        ),
    )  # fmt: skip


def _hdf5_gzip(kind: str, size: int) -> Group:
    work = [(f"hdf5 {layout}, gzip", layout) for layout in ("columns", "matrix")]
    return Group(
        section="HDF5 with shuffle and gzip",
        name=f"hdf5-gzip-{kind}",
        kind=kind,
        size=size,
        commands=tuple(
            command
            for label, layout in work
            for command in (
                convert(label, conversion(kind, "hdf5", layout, "--compression", "gzip")),
                peer(f"pandas + h5py, {layout}", f"pandas-hdf5-{layout}-gzip"),
            )
        ),
        comparisons=tuple(
            Comparison(work=f"CSV → {label}", ours=label, theirs=f"pandas + h5py, {layout}")
            for label, layout in work
        ),
    )


def _records(kind: str, size: int) -> Group:
    example, tfx = "tf.train.Example + TFRecordWriter", "tfx-bsl + TFRecordWriter"
    commands = [
        convert("bigdata", conversion(kind, "tfrecord", "rows")),
        peer("copy of its output", "copy", source_of="bigdata"),
        peer(example, "example-tfrecord", share=0.02),
    ]
    comparisons = [
        Comparison(
            work="CSV → TFRecord rows", ours="bigdata", theirs="copy of its output", measures=SPEED,
            targets=(Target("wall", 0.5),),
        ),
        Comparison(
            work="CSV → TFRecord rows", ours="bigdata", theirs=example, targets=(Target("CPU", 40),)
        ),
    ]  # fmt: skip
    if kind == "sensors":
        commands.append(peer(tfx, "tfxbsl-tfrecord", share=0.2, environment="tfxbsl"))
        comparisons.append(Comparison(work="CSV → TFRecord rows", ours="bigdata", theirs=tfx))
    return Group(
        section="TFRecord, a row each",
        name=f"records-{kind}",
        kind=kind,
        size=size,
        commands=tuple(commands),
        comparisons=tuple(comparisons),
    )


def _text(size: int) -> Group:
    work = (
        ("npy columns", conversion("log", "npy", "columns"), "Python loop to npy"),
        ("tfrecord block", conversion("log", "tfrecord", "block"), "Python loop to TFRecord"),
    )
    pyarrow, polars = "pyarrow, reading only", "Polars scan_lines, reading only"
    targets = {pyarrow: (Target("CPU", 0.6),)}
    return Group(
        section="Lines of text",
        name="text",
        kind="log",
        size=size,
        commands=(
            *(convert(label, options) for label, options, _ in work),
            peer(pyarrow, "pyarrow-lines"),
            peer(polars, "polars-lines"),
            peer(work[0][2], "python-lines-npy"),
            peer(work[1][2], "python-lines-tfrecord"),
        ),
        comparisons=tuple(
            Comparison(
                work=f"text → {label}",
                ours=label,
                theirs=theirs,
                measures=SPEED,
                targets=targets.get(theirs, ()),
            )
            for label, _, loop in work
            for theirs in (pyarrow, polars, loop)
        ),
    )


def _wide(kind: str, size: str, slow: float) -> Group:
    """slow: the share of the rows that a writer of examples is given."""
    work = [
        (f"{form} {layout}", form, layout, f"pandas + {writer}")
        for form, layout, writer in (
            ("parquet", "rows", "to_parquet"), ("hdf5", "columns", "h5py"),
            ("hdf5", "matrix", "h5py"), ("npy", "columns", "np.save"),
            ("npy", "matrix", "np.save"), ("tfrecord", "rows", "tf.train.Example"),
        )
    ]  # fmt: skip
    return Group(
        section="Wide tables",
        name=f"wide-{kind}",
        kind=kind,
        size=size,
        commands=tuple(
            command
            for label, form, layout, theirs in work
            for command in (
                convert(label, conversion(kind, form, layout)),
                peer(
                    f"{theirs}, {label}", f"pandas-{form}-{layout}", "--label", _label(kind),
                    share=slow if form == "tfrecord" else 1.0,
                ),
            )
        ),
        comparisons=tuple(
            Comparison(
                work=f"CSV → {label}", ours=label, theirs=f"{theirs}, {label}",
                targets=(Target("wall", 1 / 1.2),),
            )
            for label, _, _, theirs in work
        ),
        cycles=1,
    )  # fmt: skip


def _label(kind: str) -> str:
    return str(SHAPES[kind].label)


def _formats(kind: str, size: int) -> Group:
    """A shape to every format that can hold it."""
    labels = [f"{form} {layout}" for form, layout in layouts_of(kind)]
    return Group(
        section="Every shape, every format",
        name=f"formats-{kind}",
        kind=kind,
        size=size,
        commands=tuple(
            convert(f"{form} {layout}", conversion(kind, form, layout))
            for form, layout in layouts_of(kind)
        ),
        comparisons=tuple(
            Comparison(
                work=label,
                ours=label,
                measures=("peak bytes",),
                targets=(Target("peak bytes", at_most=MEMORY_BYTES),),
            )
            for label in labels
        ),
        cycles=1,
    )


def _gzip(size: int) -> Group:
    return Group(
        section="gzip",
        name="gzip",
        kind="gzip",
        size=size,
        commands=(
            convert("bigdata", conversion("transactions", "parquet", "rows")),
            peer("ISA-L alone", "igzip-read"),
        ),
        comparisons=(
            Comparison(
                work="gz CSV → Parquet", ours="bigdata", theirs="ISA-L alone", measures=SPEED
            ),
        ),
    )  # fmt: skip


def _surprises(size: int) -> Group:
    options = conversion("transactions", "parquet", "rows", "--shards", str(SURPRISE_SHARDS))
    late = ("changes in the first 3 shards", "changes in 3 shards over the file")
    return Group(
        section="Late type changes",
        name="surprises",
        kind="transactions",
        size=size,
        commands=(
            convert("no changes", options),
            convert(late[0], options, kind="early"),
            convert(late[1], options, kind="spread"),
        ),
        comparisons=tuple(
            Comparison(
                work=f"CSV → Parquet, 3 late type {label}",
                ours=label,
                theirs="no changes",
                measures=SPEED,
            )
            for label in late
        ),
    )


def groups(*, sizes: tuple[int, ...], shapes: tuple[str, ...] = ()) -> Iterator[Group]:
    """All groups. sizes: bytes of the files, the first one for most groups; shapes: only those."""

    def chosen(names: tuple[str, ...]) -> Iterator[str]:
        return (name for name in names if not shapes or name in shapes)

    size = sizes[0]
    for bytes_of_file in sizes:
        for kind in chosen(CSV_SHAPES):
            yield _parquet(kind, bytes_of_file, None if bytes_of_file == size else 1)
    for kind in chosen(DOMAIN_SHAPES):
        yield _parquet(kind, size, None)
    for kind in chosen(CSV_SHAPES):
        yield _parse(kind, size)
    for kind in chosen(NUMBER_SHAPES):
        yield _numbers(kind, size)
    for kind in chosen(TEXT_SHAPES):
        yield _hdf5_text(kind, size)
    for kind in chosen(RECORD_SHAPES):
        yield _records(kind, size)
    for kind, rows, slow in WIDE:
        if not shapes or kind in shapes:
            yield _wide(kind, rows, slow)
    for kind in chosen((*CSV_SHAPES, "log")):
        yield _formats(kind, size)
    for kind in chosen(SPLIT_SHAPES):
        yield splits(kind, size)
    if shapes:
        return
    yield shaping(size)
    yield from against_others(size)
    yield _text(size)
    yield _order("transactions", "nameOrig", size)
    yield _hdf5_gzip("sensors", size)
    yield _gzip(size)
    yield _surprises(size)
    for form, layout in LAYOUTS:
        yield memory(form, layout, sizes)
    for form, layout in LAYOUTS:
        yield scaling(form, layout, size)
    yield start()
