"""Options that shape the rows and columns of a dataset, and the steps that follow from them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bigdata_cli.errors import UsageError
from bigdata_cli.option_kinds import (
    NATURAL,
    Bounds,
    Kind,
    accept_mapping,
    accept_text,
    accept_texts,
    number,
    parse_pair,
    unique_pairs,
)
from bigdata_cli.options import option

if TYPE_CHECKING:
    from bigdata_cli.transforms.steps import Steps

_DEFINITION = re.compile(r'\s*(?:"((?:[^"]|"")+)"|([^"=]+?))\s*=(?!=)(.*)', re.DOTALL)


def _accept_expressions(given: Any) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else accept_texts(given)


def _parse_definition(text: str) -> tuple[str, str]:
    """The sides of NAME = EXPRESSION; a name with an equals sign stands in double quotes."""
    match = _DEFINITION.fullmatch(text)
    if match is None or not match[3].strip():
        raise UsageError(f'"{text}" is not NAME = EXPRESSION, such as "ratio = a / b"')
    name = match[2].strip() if match[1] is None else match[1].replace('""', '"')
    return name, match[3].strip()


def _accept_definitions(given: Any) -> tuple[tuple[str, str], ...]:
    if isinstance(given, Mapping):
        return tuple((accept_text(name), accept_text(text)) for name, text in given.items())
    return tuple((accept_text(name), accept_text(text)) for name, text in given)


EXPRESSIONS = Kind(
    "EXPR",
    "str | Sequence[str]",
    accept=_accept_expressions,
    collect=tuple,
    note="; repeatable",
)
DEFINITIONS = Kind(
    "NAME=EXPR",
    "Mapping[str, str]",
    _parse_definition,
    _accept_definitions,
    collect=tuple,
    note="; repeatable",
)
NEW_NAMES = Kind(
    "COL=NAME",
    "Mapping[str, str]",
    lambda text: parse_pair(text, "COL=NAME", "oldbalanceOrig=balance"),
    accept_mapping(accept_text),
    collect=unique_pairs,
    note="; repeatable",
)
SHARE = number(Bounds(0, 1, min_open=True))


@dataclass(frozen=True, kw_only=True)
class ShapeOptions:
    """What becomes of the rows and columns of a source before they are stored."""

    rename: Mapping[str, str] = option(
        "Another name for a column; all other options use it.",
        NEW_NAMES,
        group="Rows and columns",
        default={},
    )
    derive: tuple[tuple[str, str], ...] = option(
        "A column made of others, in SQL; each may use those before it.", DEFINITIONS, default=()
    )
    where: tuple[str, ...] = option(
        "Keep the rows for which this is true, in SQL.", EXPRESSIONS, default=()
    )
    sample: float | None = option("Keep each row with this probability.", SHARE, default=None)
    seed: int = option(
        "Of --sample and --shuffle: another one keeps other rows, in another order.",
        NATURAL,
        default=0,
    )


def steps_of(options: ShapeOptions) -> Steps:
    """The steps that options ask for, in their order: names, columns, rows.

    What a condition reads is computed of all rows, everything else of those that are kept.
    """
    from bigdata_cli.transforms.steps import Derive, Rename, Sample, Where

    steps: list[Any] = []
    if options.rename:
        steps.append(Rename(names=dict(options.rename)))
    steps += [Derive(name=name, expression=text) for name, text in options.derive]
    steps += [Where(expression=text) for text in options.where]
    if options.sample is not None and not 0 < options.sample <= 1:
        raise UsageError(
            f"--sample {options.sample} is not a share of the rows", hint="--sample 0.05 keeps 5 %"
        )
    if options.sample is not None:
        steps.append(Sample(share=options.sample, seed=options.seed))
    return tuple(steps)


__all__: Sequence[str] = ("ShapeOptions", "steps_of")
