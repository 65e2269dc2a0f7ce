"""Dates and times that are not ISO 8601: the formats that columns are read in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

import numpy as np
import pyarrow as pa

from bigdata_cli.errors import UsageError
from bigdata_cli.native.library import address, lib
from bigdata_cli.sources.csv.dialect import Dialect
from bigdata_cli.sources.csv.files import TextFiles
from bigdata_cli.sources.csv.records import ParsePlan
from bigdata_cli.sources.csv.sample import SAMPLE_BYTES, initial_state, sample_units, take_sample
from bigdata_cli.sources.csv.units import Unit
from bigdata_cli.types.buffers import text_array
from bigdata_cli.types.dtype import Kind, kind_of
from bigdata_cli.types.lattice import TypeOptions
from bigdata_cli.types.time_format import AUTO, COMMON_FORMATS, check_format, format_dtype

Text = TypeVar("Text", bound=TextFiles)

_FIRST_VALUES = 32
_HINT_BYTES, _HINT_VALUES, _MAX_COLUMNS = 1 << 16, 200, 200
"""What is looked at for a hint."""
_MAY_BE_DATE = re.compile(r"(?=.{4,40}$)(?=.*\d)[^/.: -]+[/.: -].*")
_NO_MOMENT = np.iinfo(np.int64).min


class DateWishes(NamedTuple):
    """What `--date-format` says: formats of columns that are named, and of all others."""

    own: Mapping[str, str]
    everywhere: tuple[str, ...]

    @property
    def is_settled(self) -> bool:
        """Whether no values have to be looked at."""
        return not self.everywhere and AUTO not in self.own.values()


def date_wishes(words: Sequence[str], names: Sequence[str]) -> DateWishes:
    """The words of `--date-format`: FORMAT, COL=FORMAT or COL=auto; raises UsageError.

    >>> date_wishes(("when=%d.%m.%Y", "%m/%d/%Y"), ("id", "when"))
    DateWishes(own={'when': '%d.%m.%Y'}, everywhere=('%m/%d/%Y',))
    """
    own: dict[str, str] = {}
    everywhere: list[str] = []
    for word in words:
        splits = [i for i, character in enumerate(word) if character == "="]
        column = next((word[:i] for i in reversed(splits) if word[:i] in names), None)
        text = word if column is None else word[len(column) + 1 :]
        if column is None and splits and "%" not in word[: splits[0]]:
            raise UsageError(f'--date-format {word}: there is no column "{word[: splits[0]]}"')
        text = text if text == AUTO else check_format(text)
        if column is None:
            everywhere.append(text)
        elif own.setdefault(column, text) != text:
            raise UsageError(f'--date-format: "{column}" has two formats')
    return DateWishes(own, tuple(everywhere))


def settle_dates(
    wishes: DateWishes, texts: Mapping[str, pa.Array]
) -> tuple[dict[str, str], tuple[str, ...]]:
    """The formats of columns, and what to say of them.

    A column that was not named gets a format where all its values have it, and no other one of
    those that are tried reads them otherwise.

    Args:
        wishes: What the user said.
        texts: Values of the columns, as text; of those that are not named, of text columns only.
    """
    formats = {name: text for name, text in wishes.own.items() if text != AUTO}
    notes = []
    for name, values in texts.items():
        if name in formats:
            continue
        tried = wishes.everywhere
        if wishes.own.get(name) == AUTO or AUTO in tried:
            tried = (*(one for one in tried if one != AUTO), *COMMON_FORMATS)
        found = fitting_formats(values, tried)
        if len(found) == 1:
            formats[name] = found[0]
            notes.append(f'column "{name}" is read as {found[0]}: all sampled values have it')
        elif found:
            notes.append(
                f'column "{name}" stays text: {" and ".join(found)} both read all sampled values, '
                f"{_flags(name, found)} says which"
            )
        elif name in wishes.own:
            notes.append(f'column "{name}" stays text: its sampled values have no common format')
    return formats, tuple(notes)


def date_hint(name: str, values: pa.Array) -> str | None:
    """What to say of a text column whose values are dates or times, None where they are not."""
    found = fitting_formats(values, COMMON_FORMATS)
    if not found:
        return None
    what = "dates" if any("%d" in one for one in found) else "times"
    return f'column "{name}" has {what} that stay text: {_flags(name, found)}'


def _flags(name: str, found: Iterable[str]) -> str:
    return " or ".join(f"--date-format '{name}={one}'" for one in found)


def fitting_formats(values: pa.Array, formats: Sequence[str]) -> list[str]:
    """The formats that all values have; of several that read them equally, the first one."""
    first = _first_values(values)
    if not len(first) or not _MAY_BE_DATE.match(first[0].as_py()):
        return []
    left = _fitting(first, formats)
    if not left:
        return []
    import pyarrow.compute as pc  # it takes longer than all of the above

    values = pc.utf8_trim(values.drop_null(), " \t")
    found: list[str] = []
    seen: list[np.ndarray] = []
    for one in left:
        moments = _moments(values, one)
        if moments is None or any(np.array_equal(moments, other) for other in seen):
            continue
        found.append(one)
        seen.append(moments)
    return found


def _first_values(values: pa.Array) -> pa.Array:
    """Some of the values at the beginning, without nulls and spaces around them."""
    found: list[str] = []
    for start in range(0, len(values) if values.null_count < len(values) else 0, _FIRST_VALUES):
        part = values.slice(start, _FIRST_VALUES).to_pylist()
        found += [value.strip(" \t") for value in part if value is not None]
        if found:
            break
    return text_array(found)


class _Matched:
    """Values as the library takes them; micros: what it found of each, int64 (n,)."""

    def __init__(self, values: pa.Array) -> None:
        offsets = np.frombuffer(values.buffers()[1], np.int32)[values.offset :][: len(values) + 1]
        self._places = offsets.astype(np.int64)
        self._data = np.frombuffer(values.buffers()[2], np.uint8)
        self.micros = np.empty(len(values), np.int64)
        starts, stops = address(self._places), address(self._places[1:])
        self._texts = address(self._data), starts, stops, len(values), address(self.micros)

    def have(self, text: str) -> bool:
        """Whether all values have a format."""
        lib.bd_match_format(text.encode(), *self._texts)
        return not (self.micros == _NO_MOMENT).any()


def _fitting(values: pa.Array, formats: Sequence[str]) -> list[str]:
    """The formats that all values have. Most fail at the first value, which is tried alone."""
    one, all_values = _Matched(values[:1]), _Matched(values)
    return [text for text in formats if one.have(text) and all_values.have(text)]


def _moments(values: pa.Array, text: str) -> np.ndarray | None:
    """Microseconds of all values in a format, int64 (n,); None where one has it not."""
    matched = _Matched(values)
    return matched.micros if matched.have(text) else None


def typed(dialect: Dialect, fixed: Mapping[str, str]) -> dict[str, str]:
    """The dtypes that are fixed, with those of columns that have a format; raises UsageError."""
    types = dict(fixed)
    for name, text in dialect.date_formats:
        dtype = format_dtype(text)
        asked = types.setdefault(name, dtype)
        is_zoned = "UTC" in asked
        if (
            kind_of(asked) not in (Kind.DATE, Kind.TIMESTAMP)
            or is_zoned != ("UTC" in dtype)
            or (kind_of(asked) is Kind.DATE and dtype != "date")
        ):
            raise UsageError(
                f"--type {name}={asked} and --date-format {name}={text}, which is {dtype}, "
                "contradict each other"
            )
    return types


def with_date_formats(source: Text, words: Sequence[str]) -> Text:
    """The source with the formats of its columns that `--date-format` says, or that are found.

    Raises UsageError for a format that is none, DataError where no record can be read.
    """
    wishes = date_wishes(words, source.names)
    texts: dict[str, pa.Array] = {}
    if not wishes.is_settled:
        sample = take_sample(source, skip_bad_rows=True)
        wanted = [name for name, text in wishes.own.items() if text == AUTO]
        if wishes.everywhere:
            wanted += [c.name for c in sample.schema if _is_text(c.kind) and c.name not in wanted]
        fixed = TypeOptions(fixed=dict.fromkeys(wanted, "text"))
        plan = replace(sample.plan, columns=tuple(initial_state(name, fixed) for name in wanted))
        texts = dict(_values(sample_units(source, plan, wanted, SAMPLE_BYTES), None))
    formats, notes = settle_dates(wishes, texts)
    dialect = replace(source.dialect, date_formats=tuple(formats.items()))
    return replace(source, dialect=dialect, notes=(*source.notes, *notes))


def date_hints(source: TextFiles, plan: ParsePlan) -> dict[str, str]:
    """What to say of the text columns that have dates, going by some of their values."""
    kept = [state for state in plan.columns if _is_text(kind_of(state.dtype)) and not state.fixed]
    names = [state.name for state in kept][:_MAX_COLUMNS]
    if not names or source.dialect.is_text or source.dialect.transcriber is not None:
        return {}
    fixed = TypeOptions(fixed=dict.fromkeys(names, "text"))
    own = replace(plan, columns=tuple(initial_state(name, fixed) for name in names))
    units = sample_units(source, own, names, _HINT_BYTES)
    found = {name: date_hint(name, values) for name, values in _values(units, _HINT_VALUES)}
    return {name: hint for name, hint in found.items() if hint is not None}


def _is_text(kind: Kind) -> bool:
    return kind in (Kind.TEXT, Kind.CATEGORY)


def _values(units: Iterable[Unit], most: int | None) -> Iterator[tuple[str, pa.Array]]:
    """The values of each column of units whose columns are text, `most` of them."""
    batches = [unit.chunk.batch for unit in units if unit.chunk is not None and unit.chunk.rows]
    for index, name in enumerate(batches[0].schema.names if batches else ()):
        yield name, pa.concat_arrays([batch.column(index) for batch in batches]).slice(0, most)
