"""Options that shape the rows and columns of a dataset, and the steps that follow from them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bigdata_cli.errors import UsageError
from bigdata_cli.option_kinds import (
    ALL_NAMES,
    COUNT,
    NATURAL,
    Kind,
    accept_integer,
    accept_mapping,
    accept_paths,
    accept_several,
    accept_text,
    accept_text_or_texts,
    accept_texts,
    choice,
    parse_names,
    parse_pair,
    unique_pairs,
    write_names,
)
from bigdata_cli.options import option
from bigdata_cli.transforms.sample_option import SAMPLE, sample_rows

if TYPE_CHECKING:
    from bigdata_cli.transforms.steps import Steps

ALL = "*"
_DEFINITION = re.compile(r'\s*(?:"((?:[^"]|"")+)"|([^"=]+?))\s*=(?!=)(.*)', re.DOTALL)


def _parse_definition(text: str) -> tuple[str, str]:
    """The sides of NAME = EXPRESSION; a name with an equals sign stands in double quotes."""
    match = _DEFINITION.fullmatch(text)
    if match is None or not match[3].strip():
        raise UsageError(f'"{text}" is not NAME = EXPRESSION, such as "ratio = a / b"')
    name = match[2].strip() if match[1] is None else match[1].replace('""', '"')
    return name, match[3].strip()


_LEFT_OR_INNER = choice(("left", "inner"))
EXPRESSIONS = Kind(
    "EXPR",
    "str | Sequence[str]",
    accept=accept_text_or_texts,
    collect=tuple,
    note="; repeatable",
)
DEFINITIONS = Kind(
    "NAME=EXPR",
    "Mapping[str, str]",
    _parse_definition,
    accept_mapping(accept_text),
    collect=unique_pairs,
    note="; repeatable",
)
NEW_NAMES = Kind(
    "COL=NAME",
    "Mapping[str, str]",
    lambda text: parse_pair(text, "COL=NAME", "oldbalanceOrg=balance"),
    accept_mapping(accept_text),
    collect=unique_pairs,
    note="; repeatable",
)


def _accept_keys(given: Any) -> tuple[tuple[str, ...], ...]:
    if isinstance(given, str):
        return ((given,),)
    try:
        keys = accept_texts(given)
    except TypeError:
        return tuple(map(accept_text_or_texts, accept_several(given)))
    return (keys,) if keys else ()


def _accept_how(given: Any) -> tuple[str, ...]:
    ways = accept_text_or_texts(given)
    if not set(ways) <= set(_LEFT_OR_INNER.choices):
        raise TypeError("neither left nor inner")
    return ways


TABLES = Kind(
    "TABLE", "str | Path | Sequence[str | Path]", accept=accept_paths, collect=tuple,
    note="; repeatable",
)  # fmt: skip
KEYS = Kind(
    "COLS",
    "str | Sequence[str] | Sequence[Sequence[str]]",
    parse_names,
    _accept_keys,
    write_names,
    collect=tuple,
    note=", separated by commas; once for each --join, or once for all",
)
HOW = Kind(
    "left|inner",
    'Literal["left", "inner"] | Sequence[Literal["left", "inner"]]',
    _LEFT_OR_INNER.parse,
    _accept_how,
    collect=tuple,
    note="; once for each --join, or once for all",
)


def _parse_fill(text: str) -> tuple[str, str]:
    column, value = parse_pair(text, "COL=VALUE", "age=median")
    return column, _accept_fill(value)


def _accept_fill(value: Any) -> str:
    return str(accept_text(value))


def _parse_clip(text: str) -> tuple[str, str]:
    column, bounds = parse_pair(text, "COL=LOW:HIGH", "age=0:120")
    return column, _accept_clip(bounds)


def _accept_clip(bounds: Any) -> str:
    clip_bounds(accept_text(bounds))
    return str(bounds)


def clip_bounds(text: str) -> tuple[float | None, float | None]:
    """The bounds of LOW:HIGH, None for one that is left out; raises UsageError."""
    low, colon, high = text.partition(":")
    try:
        ends = tuple(_number(end) if end.strip() else None for end in (low, high))
    except ValueError:
        ends = (None, None)
    if not colon or ends == (None, None):
        raise UsageError(f'--clip: "{text}" is not LOW:HIGH', hint="--clip age=0:120, or age=0:")
    if ends[0] is not None and ends[1] is not None and ends[0] > ends[1]:
        raise UsageError(f'--clip: "{text}": the lower bound is above the upper one')
    return ends[0], ends[1]


def _number(text: str) -> float:
    """An integer where it is written as one; raises ValueError for what is no finite number."""
    value = int(text) if text.strip().lstrip("+-").isdecimal() else float(text)
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError(text)
    return value


def _parse_bin(text: str) -> tuple[str, str]:
    column, bins = parse_pair(text, "COL=EDGES", "age=18,65 or age=quantiles:10")
    return column, _accept_bins(bins)


def _accept_bins(bins: Any) -> str:
    bin_edges(accept_text(bins))
    return str(bins)


def bin_edges(text: str) -> tuple[float, ...] | int:
    """The edges of bins, or N of quantiles:N; raises UsageError."""
    kind, colon, count = text.partition(":")
    if colon and kind == "quantiles" and count.isdecimal() and int(count) >= 2:
        return int(count)
    try:
        edges = tuple(float(_number(edge)) for edge in text.split(","))
    except ValueError:
        edges = ()
    if not edges or list(edges) != sorted(set(edges)):
        raise UsageError(
            f'--bin: "{text}" is neither increasing numbers nor quantiles:N with N of 2 or more',
            hint="--bin 'age=18,65', or --bin age=quantiles:10",
        )
    return edges


def _parse_buckets(text: str) -> tuple[str, int]:
    column, count = parse_pair(text, "COL=BUCKETS", "zip=1000")
    if not count.isdecimal() or not 2 <= int(count) <= 2**31:
        raise UsageError(f'"{text}" is not COL=BUCKETS, such as zip=1000, from 2 on')
    return column, int(count)


FILLS = Kind(
    "COL=VALUE",
    "Mapping[str, str]",
    _parse_fill,
    accept_mapping(_accept_fill),
    collect=unique_pairs,
    note="; repeatable",
)
CLIPS = Kind(
    "COL=LOW:HIGH",
    "Mapping[str, str]",
    _parse_clip,
    accept_mapping(_accept_clip),
    collect=unique_pairs,
    note="; repeatable",
)
BINS = Kind(
    "COL=EDGES",
    "Mapping[str, str]",
    _parse_bin,
    accept_mapping(_accept_bins),
    collect=unique_pairs,
    note="; repeatable",
)
BUCKETS = Kind(
    "COL=BUCKETS",
    "Mapping[str, int]",
    _parse_buckets,
    accept_mapping(accept_integer),
    collect=unique_pairs,
    note="; repeatable",
)


@dataclass(frozen=True, kw_only=True)
class ShapeOptions:
    """What becomes of the rows and columns of a source before they are stored."""

    rename: Mapping[str, str] = option(
        "Rename a column; all other options use the new name.",
        NEW_NAMES,
        group="Rows and columns",
        default={},
    )
    join: tuple[str, ...] = option(
        "A small table whose columns each row gets, by a key: CSV, Parquet, a dataset …",
        TABLES,
        default=(),
    )
    on: tuple[tuple[str, ...], ...] = option(
        "The columns of the keys of --join, in the rows and in the table.", KEYS, default=()
    )
    how: tuple[Literal["left", "inner"], ...] = option(
        "left keeps rows whose key --join does not have, with nulls; inner leaves them out.",
        HOW,
        default=(),
    )
    derive: Mapping[str, str] = option(
        "Compute a column in SQL; it may use those derived before it.", DEFINITIONS, default={}
    )
    where: tuple[str, ...] = option(
        "Keep the rows for which this is true, in SQL.", EXPRESSIONS, default=()
    )
    dedup: tuple[str, ...] = option(
        "Keep only the first of the rows that are equal in these columns; * for all columns.",
        ALL_NAMES,
        default=(),
    )
    keep: str = option(
        "With --dedup: which of several equal rows to keep.",
        choice(("first", "last")),
        default="first",
    )
    balance: str | None = option(
        "Keep as many rows of each class in this column as the smallest class has.",
        metavar="COL",
        default=None,
    )
    sample: float | str | None = option(
        "Keep each row with this probability, such as 0.05, or exactly so many rows, such as "
        "1000rows or 2Mrows.",
        SAMPLE,
        default=None,
    )
    stratify: str | None = option(
        "With --sample or --split: each class in this column has its share of the rows, exact "
        "within one row.",
        metavar="COL",
        default=None,
    )
    limit: int | None = option(
        "Keep only the first rows, after all filters, and read no further.", COUNT, default=None
    )
    seed: int = option(
        "Seed of all random choices: samples, splits and the order of rows.",
        NATURAL,
        default=0,
    )
    flag_null: tuple[str, ...] = option(
        "Columns to which COL_is_null is added.", ALL_NAMES, default=()
    )
    fill: Mapping[str, str] = option(
        "What nulls of a column become: a value, mean, median, mode, zero or ffill.",
        FILLS,
        default={},
    )
    clip: Mapping[str, str] = option(
        "Bounds of a column; either may be left out.", CLIPS, default={}
    )
    log1p: tuple[str, ...] = option(
        "Columns that become the logarithm of 1 + x.", ALL_NAMES, default=()
    )
    bin: Mapping[str, str] = option(
        "Replace numbers by the number of their bin: edges, or quantiles:N.", BINS, default={}
    )
    standardize: tuple[str, ...] = option(
        "Columns that get mean 0 and standard deviation 1; * for all numbers.",
        ALL_NAMES,
        default=(),
    )
    minmax: tuple[str, ...] = option(
        "Columns that are scaled to 0 … 1; * for all numbers.", ALL_NAMES, default=()
    )
    one_hot: tuple[str, ...] = option(
        "Columns that become a column of true and false for each value.", ALL_NAMES, default=()
    )
    hash: Mapping[str, int] = option(
        "Hash the values of a column into this number of buckets.", BUCKETS, default={}
    )
    stats_from: Path | None = option(
        "Take the statistics of steps (mean, median, values …) from this dataset.",
        metavar="DIR",
        no_trace=True,
        default=None,
    )


FORWARD = "ffill"
"""The filling with the last value before."""
FROM_ALL = ("mean", "median", "mode")
"""Fillings that follow from all rows."""


def selects_rows(options: ShapeOptions) -> bool:
    """Whether rows are left out by other ways than conditions."""
    wanted = (options.dedup, options.balance, options.sample, options.limit)
    return any(one is not None and one != () for one in wanted)


def changes_columns(options: ShapeOptions) -> bool:
    """Whether there is a step on single columns."""
    by_name = (options.fill, options.clip, options.bin, options.hash)
    lists = (options.flag_null, options.log1p, options.standardize, options.minmax, options.one_hot)
    return any((*by_name, *lists))


def needs_all_rows(options: ShapeOptions) -> str | None:
    """The option that is known only when all rows were read; None where there is none."""
    if options.dedup:
        return "--dedup"
    if options.balance is not None:
        return "--balance"
    if options.sample is not None and sample_rows(options.sample) is not None:
        return f"--sample {options.sample}"
    if options.sample is not None and options.stratify is not None:
        return "--stratify"
    for name, value in options.fill.items():
        if value == FORWARD:
            return f"--fill {name}={FORWARD}"
    if needs_statistics(options) and options.stats_from is None:
        return "a step that learns from all rows"
    return None


def needs_statistics(options: ShapeOptions) -> bool:
    """Whether any step follows from all rows."""
    fills = any(value in FROM_ALL for value in options.fill.values())
    bins = any(isinstance(bin_edges(text), int) for text in options.bin.values())
    return bool(fills or bins or options.standardize or options.minmax or options.one_hot)


def row_steps(options: ShapeOptions, joins: Steps = (), *, split_by: tuple[str, ...] = ()) -> Steps:
    """The steps on rows that follow from options alone, in order: names, new columns, filters.

    What a condition reads is computed of all rows, everything else of those that are kept.

    Args:
        options: What is asked for.
        joins: The steps of `--join`, which need the columns of the source and of the tables.
        split_by: Columns that rows are split by, and that are not kept.
    """
    from bigdata_cli.transforms.steps import Derive, Rename, SplitBy, Where

    steps: list[Any] = []
    if options.rename:
        steps.append(Rename(names=dict(options.rename)))
    steps += joins
    steps += [Derive(name=name, expression=text) for name, text in options.derive.items()]
    steps += [Where(expression=text) for text in options.where]
    if split_by:
        steps.append(SplitBy(columns=split_by))
    if options.keep != "first" and not options.dedup:
        raise UsageError("--keep goes with --dedup", hint=f"--dedup '*' --keep {options.keep}")
    return tuple(steps)
