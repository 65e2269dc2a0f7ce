"""What the values of options are: how they are read, checked and written, for options.py."""

from __future__ import annotations

import csv
import io
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from os import PathLike, fspath
from pathlib import Path
from typing import Any, NamedTuple

from bigdata_cli.errors import UsageError, did_you_mean
from bigdata_cli.url import as_place


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
    return Kind("|".join(known), f"Literal[{literals}]", parse, accept_text, choices=known)


def integer(minimum: int | None = None) -> Kind:
    """An integer, from a minimum on."""
    return Kind("N", parse=int, accept=accept_integer, bounds=Bounds(minimum))


def number(bounds: Bounds) -> Kind:
    """A number in a range."""
    return Kind("X", parse=float, accept=_accept_number, bounds=bounds)


def accept_text(text: Any) -> str:
    """A text; raises TypeError for anything else, as all `accept_…` do."""
    if not isinstance(text, str):
        raise TypeError("not a text")
    return text


def accept_integer(number: Any) -> int:
    """An integer of any library."""
    if isinstance(number, bool):
        raise TypeError("not an integer")
    return operator.index(number)


def _accept_number(number: Any) -> float:
    if isinstance(number, bool | str | bytes):
        raise TypeError("not a number")
    return float(number)


def accept_path(path: Any) -> str:
    """The name of a file or folder."""
    if not isinstance(path, str | PathLike):
        raise TypeError("not a path")
    name = fspath(path)
    if not isinstance(name, str) or not name:
        raise TypeError("not a path")
    return name


def accept_paths(paths: Any) -> tuple[str, ...]:
    """One path or several."""
    if isinstance(paths, str | PathLike):
        return (accept_path(paths),)
    return tuple(map(accept_path, accept_several(paths)))


def accept_mapping(accept: Callable[[Any], Any]) -> Callable[[Any], dict[str, Any]]:
    """What makes a dict of an argument: texts, each with a value that `accept` takes."""

    def accept_all(mapping: Any) -> dict[str, Any]:
        if not isinstance(mapping, Mapping):
            raise TypeError("not a mapping")
        return {accept_text(key): accept(value) for key, value in mapping.items()}

    return accept_all


def accept_integers(numbers: Any) -> tuple[int, ...]:
    """Several integers."""
    return tuple(map(accept_integer, accept_several(numbers)))


def accept_several(values: Any) -> Iterable[Any]:
    """The elements of what has an order; letters of a text and keys of a mapping are none."""
    if isinstance(values, str | bytes | bytearray | Mapping | AbstractSet):
        raise TypeError("no list")
    return iter(values)


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


def accept_texts(texts: Any) -> tuple[str, ...]:
    """Several texts in an order."""
    return tuple(map(accept_text, accept_several(texts)))


def accept_text_or_texts(given: Any) -> tuple[str, ...]:
    """A text, or several in an order."""
    return (given,) if isinstance(given, str) else accept_texts(given)


def accept_all_texts(texts: Any) -> tuple[str, ...]:
    """Several texts whose order means nothing."""
    return accept_texts(sorted(texts) if isinstance(texts, AbstractSet) else texts)


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


TEXT = Kind("TEXT", accept=accept_text)
FLAG = Kind("", parse=lambda text: text == "true", accept=_accept_truth)
INTEGER = integer()
COUNT = integer(1)
NATURAL = integer(0)
POSITIVE = integer(1)
NUMBER = number(Bounds())
PATH = Kind("FILE", "str | Path", Path, lambda path: Path(accept_path(path)))
PLACE = Kind("FILE", "str | Path", as_place, lambda place: as_place(accept_path(place)))
"""A path, or an address."""
SOURCES = Kind("FILE...", "str | Path | Sequence[str | Path]", accept=accept_paths, collect=tuple)
TEXTS = Kind("TEXT", "Sequence[str]", accept=accept_all_texts, collect=tuple, note="; repeatable")
NAMES = Kind(
    "COLS",
    "Sequence[str]",
    parse_names,
    accept_texts,
    write_names,
    note=", separated by commas",
)
ALL_NAMES = NAMES._replace(
    accept=accept_all_texts, collect=join_names, note=", separated by commas; repeatable"
)
