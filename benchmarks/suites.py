"""What is compared with what: groups of commands on one kind of file, and what is asked of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

LAYOUTS = (
    ("parquet", "rows"), ("hdf5", "columns"), ("hdf5", "matrix"), ("npy", "columns"),
    ("npy", "matrix"), ("tfrecord", "rows"), ("tfrecord", "packed"), ("tfrecord", "block"),
)  # fmt: skip
NUMBERS_ONLY = ("matrix", "packed")
"""Layouts that hold no text: the columns of names are left out, for us and for the peers."""
LABELS = {"transactions": "isFraud", "sensors": "label"}
TEXT_COLUMNS = {"transactions": ("nameOrig", "nameDest"), "sensors": ()}
NUMBER_COLUMNS = {
    "transactions": (
        "step", "type", "amount", "oldbalanceOrg", "newbalanceOrig", "oldbalanceDest",
        "newbalanceDest", "isFraud", "isFlaggedFraud",
    ),
    "sensors": (),
}  # fmt: skip
SURPRISE_SHARDS = 60
MEMORY_BYTES = 400_000_000


@dataclass(frozen=True, kw_only=True)
class Command:
    """Ours (arguments of `bigdata convert`) or a peer's (its name, and arguments).

    kind: of the input, that of the group where None. share: of the group's size, for what is too
    slow for all of it. n_bytes: the size of the input instead. environment: "tfxbsl" for the Python
    of that name.
    """

    label: str
    convert: tuple[str, ...] = ()
    peer: str | None = None
    peer_arguments: tuple[str, ...] = ()
    kind: str | None = None
    share: float = 1.0
    n_bytes: int | None = None
    environment: str | None = None

    @property
    def is_partial(self) -> bool:
        """Whether only its work is timed, without its start, since its input is small."""
        return self.share < 1 and self.peer is not None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A figure of one command, against another's or by itself, and what is asked of it.

    measure: "rate" (MB/s of the source, ours / theirs), "seconds" or "bytes out" or "peak" (ours /
    theirs), "bytes out of the source's" and "peak bytes" (of ours alone). at_least: the least ratio
    that is asked, at_most: the greatest, both None: shown without anything asked.
    """

    work: str
    ours: str
    theirs: str | None = None
    measure: str = "rate"
    at_least: float | None = None
    at_most: float | None = None


@dataclass(frozen=True, kw_only=True)
class Group:
    """Commands that run in turn, and what is asked. cycles: fewer than usual, None: as usual."""

    section: str
    name: str
    kind: str
    commands: tuple[Command, ...]
    asked: tuple[Asked, ...]
    size_factor: float = 1.0
    cycles: int | None = None


def conversion(kind: str, form: str, layout: str, *more: str) -> tuple[str, ...]:
    """Arguments of a conversion to a format and layout, at its defaults."""
    arguments = ["--to", form]
    if (form, layout) not in (("parquet", "rows"), ("tfrecord", "rows")) and layout != "columns":
        arguments += ["--layout", layout]
    if layout in NUMBERS_ONLY:
        arguments += ["--label", LABELS[kind]]
        if TEXT_COLUMNS[kind]:
            arguments += ["--drop", ",".join(TEXT_COLUMNS[kind])]
    return (*arguments, *more)


def _parquet(kind: str) -> Group:
    work = "CSV → Parquet, zstd"
    return Group(
        section="CSV to Parquet",
        name=f"parquet-{kind}",
        kind=kind,
        commands=(
            Command(label="bigdata", convert=conversion(kind, "parquet", "rows")),
            Command(label="Polars sink_parquet", peer="polars-parquet"),
            Command(label="DuckDB COPY", peer="duckdb-parquet"),
        ),
        asked=(
            Asked(work=work, ours="bigdata", theirs="Polars sink_parquet", at_least=1.2),
            Asked(work=work, ours="bigdata", theirs="DuckDB COPY", at_least=1.6),
            *(
                Asked(
                    work=work, ours="bigdata", theirs=label, measure="bytes out", at_most=1.0
                )
                for label in ("Polars sink_parquet", "DuckDB COPY")
            ),
        ),
    )  # fmt: skip


def _numbers(kind: str) -> Group:
    """Everything that is compared with reading alone: of the columns that the conversion keeps."""
    kept = NUMBER_COLUMNS[kind]
    reading = Command(
        label="Polars, reading only",
        peer="polars-read",
        peer_arguments=("--columns", ",".join(kept)) if kept else (),
    )
    commands = [
        Command(label="npy matrix", convert=conversion(kind, "npy", "matrix")),
        Command(label="HDF5 matrix", convert=conversion(kind, "hdf5", "matrix")),
        Command(label="TFRecord packed", convert=conversion(kind, "tfrecord", "packed")),
        Command(label="TFRecord block", convert=conversion(kind, "tfrecord", "block")),
        reading,
    ]
    against_block = reading.label
    if kept:
        against_block = "Polars, reading all columns"
        commands.append(Command(label=against_block, peer="polars-read"))
    return Group(
        section="Against reading alone",
        name=f"numbers-{kind}",
        kind=kind,
        commands=tuple(commands),
        asked=(
            *(
                Asked(work=f"CSV → {ours}", ours=ours, theirs=reading.label, at_least=0.75)
                for ours in ("npy matrix", "HDF5 matrix")
            ),
            Asked(
                work="CSV → TFRecord packed", ours="TFRecord packed", theirs=reading.label,
                at_least=0.6,
            ),
            Asked(
                work="CSV → TFRecord block", ours="TFRecord block", theirs=against_block,
                at_least=0.6,
            ),
            Asked(
                work="CSV → TFRecord block", ours="TFRecord block",
                measure="bytes out of the source's", at_most=0.5,
            ),
        ),
    )  # fmt: skip


def _hdf5_gzip() -> Group:
    kind = "sensors"
    commands: list[Command] = []
    asked = []
    for layout in ("columns", "matrix"):
        ours, theirs = f"HDF5 {layout}, gzip", f"pandas + h5py, {layout}"
        convert = conversion(kind, "hdf5", layout, "--compression", "gzip")
        commands += [
            Command(label=ours, convert=convert),
            Command(label=theirs, peer=f"pandas-hdf5-{layout}"),
        ]
        work = f"CSV → HDF5 {layout}, shuffle + gzip"
        asked.append(Asked(work=work, ours=ours, theirs=theirs, at_least=3.0))
        asked.append(Asked(work=work, ours=ours, theirs=theirs, measure="bytes out"))
    return Group(
        section="CSV to HDF5 with shuffle and gzip",
        name="hdf5-gzip",
        kind=kind,
        commands=tuple(commands),
        asked=tuple(asked),
    )


def _tfrecord_rows() -> Group:
    work = "CSV → TFRecord rows"
    theirs = ("tf.train.Example + TFRecordWriter", "tfx-bsl's encoder + TFRecordWriter")
    return Group(
        section="CSV to TFRecord",
        name="tfrecord-rows",
        kind="sensors",
        commands=(
            Command(label="bigdata", convert=conversion("sensors", "tfrecord", "rows")),
            Command(label=theirs[0], peer="example-tfrecord", share=0.02),
            Command(label=theirs[1], peer="tfxbsl-tfrecord", share=0.2, environment="tfxbsl"),
        ),
        asked=(
            Asked(work=work, ours="bigdata", theirs=theirs[0], at_least=40),
            Asked(work=work, ours="bigdata", theirs=theirs[1], at_least=6),
        ),
    )


def _text() -> Group:
    reading = ("Polars scan_lines, reading only", "pyarrow, reading only")
    asked = []
    for ours, loop in (
        ("text → npy", "Python loop to npy"),
        ("text → TFRecord block", "Python loop to TFRecord"),
    ):
        asked.append(Asked(work=ours, ours=ours, theirs=loop, at_least=5))
        asked += [Asked(work=ours, ours=ours, theirs=label, at_least=1.2) for label in reading]
        asked.append(Asked(work=ours, ours=ours, theirs="Python loop, reading only"))
    return Group(
        section="Text",
        name="text",
        kind="log",
        commands=(
            Command(label="text → npy", convert=("--to", "npy", "--keep-blank-lines")),
            Command(label="Python loop to npy", peer="python-lines-npy"),
            Command(
                label="text → TFRecord block",
                convert=("--to", "tfrecord", "--layout", "block", "--keep-blank-lines"),
            ),
            Command(label="Python loop to TFRecord", peer="python-lines-tfrecord"),
            Command(label=reading[0], peer="polars-lines"),
            Command(label=reading[1], peer="pyarrow-lines"),
            Command(label="Python loop, reading only", peer="python-lines-read"),
        ),
        asked=tuple(asked),
    )


def _gzip() -> Group:
    return Group(
        section="gzip",
        name="gzip",
        kind="gzip",
        commands=(
            Command(label="bigdata", convert=conversion("transactions", "parquet", "rows")),
            Command(label="ISA-L alone", peer="igzip-read"),
        ),
        asked=(Asked(work="gz CSV → Parquet", ours="bigdata", theirs="ISA-L alone", at_least=0.9),),
    )


def _surprises() -> Group:
    convert = conversion("transactions", "parquet", "rows", "--shards", str(SURPRISE_SHARDS))
    early, spread = "changes in the first 3 shards", "changes in 3 shards over the file"
    return Group(
        section="Late type changes",
        name="surprises",
        kind="transactions",
        commands=(
            Command(label="no changes", convert=convert),
            Command(label=early, convert=convert, kind="early"),
            Command(label=spread, convert=convert, kind="spread"),
        ),
        asked=tuple(
            Asked(
                work=f"CSV → Parquet, 3 late type {label}", ours=label, theirs="no changes",
                measure="seconds", at_most=1.3,
            )
            for label in (early, spread)
        ),
    )  # fmt: skip


def _memory(form: str, layout: str, sizes: tuple[int, ...]) -> Group:
    convert = conversion("transactions", form, layout)
    labels = {n_bytes: f"{n_bytes:,} bytes" for n_bytes in sizes}
    work = f"memory, {form} {layout}"
    asked = [
        Asked(work=work, ours=labels[n_bytes], measure="peak bytes", at_most=MEMORY_BYTES)
        for n_bytes in sizes
    ]
    first = labels[sizes[0]]
    asked += [
        Asked(work=work, ours=labels[n_bytes], theirs=first, measure="peak", at_most=1.05)
        for n_bytes in sizes[1:]
    ]
    return Group(
        section="Memory",
        name=f"memory-{form}-{layout}",
        kind="transactions",
        commands=tuple(
            Command(label=labels[n_bytes], convert=convert, n_bytes=n_bytes) for n_bytes in sizes
        ),
        asked=tuple(asked),
        cycles=2,
    )


def _scaling(form: str, layout: str) -> Group:
    convert = conversion("transactions", form, layout)
    return Group(
        section="Scaling",
        name=f"scaling-{form}-{layout}",
        kind="transactions",
        commands=(
            Command(label="2 jobs", convert=(*convert, "--jobs", "2")),
            Command(label="1 job", convert=(*convert, "--jobs", "1")),
        ),
        asked=(
            Asked(work=f"2 jobs, {form} {layout}", ours="2 jobs", theirs="1 job", at_least=1.7),
        ),
        size_factor=0.5,
        cycles=2,
    )


def groups(
    *, memory_sizes: tuple[int, ...], layouts: tuple[tuple[str, str], ...] = LAYOUTS
) -> Iterator[Group]:
    """All groups. memory_sizes: bytes of the inputs whose peaks are compared, the first one with
    the others. layouts: those whose memory and scaling are measured.
    """
    yield _parquet("transactions")
    yield _parquet("sensors")
    yield _numbers("transactions")
    yield _numbers("sensors")
    yield _hdf5_gzip()
    yield _tfrecord_rows()
    yield _text()
    yield _gzip()
    yield _surprises()
    for form, layout in layouts:
        yield _memory(form, layout, memory_sizes)
    for form, layout in layouts:
        yield _scaling(form, layout)
