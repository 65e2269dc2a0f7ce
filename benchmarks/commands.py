"""Commands that are measured, and what is compared of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.shapes import SHAPES
from bigdata_cli.formats.registry import all_traits

LAYOUTS = tuple((traits.name, layout) for traits in all_traits() for layout in traits.layout_names)
NUMBERS_ONLY = ("matrix", "packed")
"""Layouts that hold no text: such columns are left out, for us and for the peers."""

MODULE, PEERS_MODULE = "bigdata_cli", "benchmarks.peers"


@dataclass(frozen=True, kw_only=True)
class Command:
    """A Python module and its arguments, in which {source}, {output} and {threads} are replaced.

    kind, size: of the input, those of the group where None. share: of the group's size, for what is
    too slow for all of it. source_of: the output of the command of that label is the source. setup:
    a command that runs before it, without being measured. environment: "tfxbsl" for the Python of
    that name. is_first: it runs as the first command on a machine does, with an empty home.
    """

    label: str
    module: str
    arguments: tuple[str, ...]
    kind: str | None = None
    size: int | str | None = None
    share: float = 1.0
    source_of: str | None = None
    setup: Command | None = None
    environment: str | None = None
    is_first: bool = False

    @property
    def is_ours(self) -> bool:
        """Whether it is a command of the project."""
        return self.module != PEERS_MODULE

    @property
    def is_partial(self) -> bool:
        """Whether only its work is measured, without its start, since its input is small."""
        return self.share < 1


@dataclass(frozen=True)
class Target:
    """What is asked of a measure: at least, or at most, so much."""

    measure: str
    at_least: float | None = None
    at_most: float | None = None


PAIR = ("CPU", "wall", "bytes")
SPEED = ("CPU", "wall")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Our command and a peer's, or ours alone; which measures are shown, and what is asked of them.

    Measures of two: "CPU" and "wall" (how many times as fast ours is, in processor time and in time
    from start to end), "bytes" and "peak" (of the output and of memory, ours / theirs). Of one:
    "GB/s" (of the work in it, in processor time), "seconds", "peak bytes".
    """

    work: str
    ours: str
    theirs: str | None = None
    measures: tuple[str, ...] = PAIR
    targets: tuple[Target, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Group:
    """Commands that run in turn on one file. cycles: fewer than usual, None: as usual."""

    section: str
    name: str
    kind: str
    size: int | str
    commands: tuple[Command, ...]
    comparisons: tuple[Comparison, ...] = field(default=())
    cycles: int | None = None


def dialect_of(kind: str) -> tuple[str, ...]:
    """What the peers are told of a shape's file, where it is no CSV of the usual kind."""
    shape = SHAPES[kind]
    told = (("--delimiter", shape.delimiter, ","), ("--decimal", shape.decimal, "."))
    return tuple(word for name, mark, usual in told if mark != usual for word in (name, mark))


def conversion(kind: str, form: str, layout: str, *more: str) -> tuple[str, ...]:
    """Options of a conversion of a shape to a format and layout, at its defaults."""
    options = ["--to", form]
    if layout not in ("rows", "columns"):
        options += ["--layout", layout]
    if layout in NUMBERS_ONLY:
        shape = SHAPES[kind]
        options += ["--label", str(shape.label)]
        if shape.others:
            options += ["--drop", ",".join(shape.others)]
    if SHAPES[kind].is_text:
        options.append("--keep-blank-lines")
    if SHAPES[kind].decimal != ".":
        options += ["--decimal", SHAPES[kind].decimal]
    return (*options, *more)


def layouts_of(kind: str) -> tuple[tuple[str, str], ...]:
    """The formats and layouts that can hold a shape."""
    return tuple(
        (form, layout)
        for form, layout in LAYOUTS
        if not (SHAPES[kind].is_text and layout in NUMBERS_ONLY)
    )


def convert(label: str, options: tuple[str, ...], **more: object) -> Command:
    """A conversion by us."""
    arguments = ("convert", "{source}", *options, "--output", "{output}", "--json", "--quiet")
    return Command(label=label, module=MODULE, arguments=arguments, **more)  # type: ignore[arg-type]


def peer(label: str, name: str, *options: str, **more: object) -> Command:
    """The same work by others."""
    arguments = (name, "{source}", "{output}", *options, "--threads", "{threads}")
    return Command(label=label, module=PEERS_MODULE, arguments=arguments, **more)  # type: ignore[arg-type]


def reading(kind: str, *, all_columns: bool = False) -> Command:
    """Polars reads the columns that a matrix keeps, or all."""
    left_out = SHAPES[kind].others if not all_columns else ()
    options = ("--drop", ",".join(left_out)) if left_out else ()
    label = "Polars, reading all columns" if all_columns else "Polars, reading only"
    return peer(label, "polars-read", *options)
