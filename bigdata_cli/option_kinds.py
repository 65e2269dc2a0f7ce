"""What the values of options are: how they are read, checked and written, for options.py."""

from __future__ import annotations

import csv
import io
import operator
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bigdata_cli.errors import UsageError, did_you_mean


class Bounds(NamedTuple):
    """The range of a number; None for no bound. An open bound is not in the range itself."""

    minimum: float | None = None
    maximum: float | None = None
    min_open: bool = False
    max_open: bool = False


class Kind(NamedTuple):
    """What the values of an option are.

    Attributes:
        metavar: What stands for a value in `--help`.
        annotation: The type of the argument in Python; None for that of the field.
        parse: Makes a value of a text of the command line; raises UsageError.
        accept: Makes a value of an argument in Python, or of a value.
        write: Makes the text of a value that `parse` reads.
        collect: Makes one value of all, for an option that may be repeated; raises UsageError.
        note: How values are written on the command line; it ends a sentence of the help there.
        choices: All values that there are.
        bounds: The range of a number.
    """

    metavar: str
    annotation: str | None = None
    parse: Callable[[str], Any] = str
    accept: Callable[[Any], Any] = lambda value: value
    write: Callable[[Any], str] = str
    collect: Callable[[Sequence[Any]], Any] | None = None
    note: str = ""
    choices: tuple[str, ...] = ()
    bounds: Bounds | None = None


def choice(names: Iterable[str]) -> Kind:
    """One of a few names, with a suggestion for one that is not among them."""
    known = tuple(names)

    def parse(text: str) -> str:
        if text not in known:
            raise UsageError(f'"{text}" is not one of them. {did_you_mean(text, known)}')
        return text

    literals = ", ".join(f'"{name}"' for name in known)
    return Kind("|".join(known), f"Literal[{literals}]", parse, _accept_text, choices=known)


def integer(minimum: int | None = None) -> Kind:
    """An integer, from a minimum on."""
    return Kind("N", parse=int, accept=_accept_integer, bounds=Bounds(minimum))


def number(bounds: Bounds) -> Kind:
    """A number in a range."""
    return Kind("X", parse=float, accept=_accept_number, bounds=bounds)


def _accept_text(text: Any) -> str:
    if not isinstance(text, str):
        raise TypeError("not a text")
    return text


def _accept_integer(number: Any) -> int:
    if isinstance(number, bool):
        raise TypeError("not an integer")
    return operator.index(number)


def _accept_number(number: Any) -> float:
    if isinstance(number, bool | str):
        raise TypeError("not a number")
    return float(number)


def _accept_truth(truth: Any) -> bool:
    if truth not in (True, False):
        raise TypeError("neither true nor false")
    return bool(truth)


def parse_names(text: str) -> tuple[str, ...]:
    """Names separated by commas; one that holds a comma stands in double quotes, as in CSV."""
    names = tuple(next(csv.reader([text]), []))
    if not names or "" in names:
        raise UsageError(f'"{text}" has an empty name')
    return names


def write_names(names: Iterable[str]) -> str:
    """Names separated by commas, as `parse_names` reads them."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(names)
    return line.getvalue()


def accept_names(names: Iterable[str]) -> tuple[str, ...]:
    """Names of an argument in Python; raises TypeError for a text, which is no list of them."""
    if isinstance(names, str):
        raise TypeError("a text is no list of names")
    return tuple(names)


def join_names(parts: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """The names of all uses of a repeatable option, each once, in order."""
    return tuple(dict.fromkeys(name for names in parts for name in names))


def parse_pair(text: str, metavar: str, example: str) -> tuple[str, str]:
    """The sides of COL=VALUE. The column's name may hold "=": the last one counts."""
    column, equals, value = text.rpartition("=")
    if not equals or not column:
        raise UsageError(f'"{text}" is not {metavar}, such as {example}')
    return column, value


def unique_pairs(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The pairs of a repeatable option; raises UsageError where two contradict."""
    joined: dict[str, Any] = {}
    for key, value in pairs:
        if joined.setdefault(key, value) != value:
            raise UsageError(f'"{key}" is given twice: {joined[key]} and {value}')
    return joined


TEXT = Kind("TEXT", accept=_accept_text)
FLAG = Kind("", parse=lambda text: text == "true", accept=_accept_truth)
INTEGER = integer()
COUNT = integer(1)
NATURAL = integer(0)
NUMBER = number(Bounds())
PATH = Kind("FILE", "str | Path", Path, Path)
TEXTS = Kind("TEXT", "Sequence[str]", accept=accept_names, collect=tuple, note="; repeatable")
NAMES = Kind(
    "COLS",
    "Sequence[str]",
    parse_names,
    accept_names,
    write_names,
    note=", separated by commas",
)
ALL_NAMES = NAMES._replace(collect=join_names, note=", separated by commas; repeatable")
