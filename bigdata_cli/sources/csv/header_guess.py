"""Whether the first record of a table names its columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from bigdata_cli.sources.csv.dialect import NULL_TOKENS
from bigdata_cli.sources.csv.sample_records import first_records, is_number, is_temporal

_SENTENCE_CHARACTERS = 120
_FEW_SENTENCES = 8
"""Of so many fields one may be a sentence, and they are names all the same."""
_MANY_RECORDS = 8
_MIN_NAMES = 3
_MANY_DIGITS = 4
_SAME_FORM = 0.9
_PLACEHOLDERS = frozenset(("-", "--", ".", "?", "n.a.", "none", "nil", "missing", "unknown"))
"""What stands for a value that is not there, beside the tokens of nulls."""
_YEAR = re.compile(r"(1[89]|2[01])\d\d")


def looks_like_header(records: Sequence[list[str]]) -> tuple[bool, float, str]:
    """Whether the first record names the columns, how sure that is (0 to 1), and why.

    A column whose name is of another kind than all its values tells it: a word over numbers. So
    does the opposite: a number over numbers. Where neither is there, a first record of different
    words that do not come again is taken for names.

    >>> looks_like_header([["id", "x"], ["1", "2.5"], ["2", "0.5"]])[0]
    True
    >>> looks_like_header([["1", "a"], ["2", "b"]])[0]
    False
    """
    if not records:
        return False, 0.0, "there is no record"
    first, *rest = (record for record in first_records(records) if record)
    if n_repeated(records):
        rest = [record for record in rest if record != first]
    kinds = [_kind(field) for field in first]
    if not rest:
        is_header = all(kind == "text" for kind in kinds)
        return is_header, 0.7, "there is one record"
    if _are_years(first, rest):
        return True, 0.9, "the first record has years, the others have not"
    if _are_counted(first, rest):
        return True, 0.9, "the first record counts up, the others do not"
    n_for, n_against = 0, 0
    kind_of = {field: _kind(field) for field in set().union(*rest)}  # values often come again
    for index, kind in enumerate(kinds):
        below = {kind_of[record[index]] for record in rest if index < len(record)} - {"", "null"}
        if kind not in ("", "text", "null") and kind in below:
            n_against += 1
        elif kind and kind != "null" and len(below) == 1 and kind not in below:
            n_for += 1
    if n_for > n_against:
        confidence = 0.9 if n_against else 1.0
        return True, confidence, "the first record is of another kind than the others"
    if n_against or "null" in kinds:
        return False, 1.0, "the first record has values like those below it"
    return _names_of_text(first, rest)


def n_repeated(records: Sequence[list[str]]) -> int:
    """How many records are the first one again, if it names columns by what it is: words.

    Few records are: what comes often is a value.
    """
    first = records[0] if records else []
    if len(first) < _MIN_NAMES or not all(map(is_word, first)) or len(set(first)) < len(first):
        return 0
    again = sum(record == first for record in records[1:])
    return again if _MANY_RECORDS * again < len(records) else 0


def _names_of_text(first: Sequence[str], rest: Sequence[Sequence[str]]) -> tuple[bool, float, str]:
    """`looks_like_header` where all columns are text, but for those that have nothing at all."""
    columns = [{record[i] for record in rest if i < len(record)} for i in range(len(first))]
    used = [i for i, column in enumerate(columns) if any(map(str.strip, (first[i], *column)))]
    first, columns = [first[i] for i in used], [columns[i] for i in used]
    blank = [index for index, field in enumerate(first) if not field.strip()]
    few = len(rest) < _MIN_NAMES
    repeats = len(set(first)) < len(first)
    if not used or repeats or any(few or "" in columns[index] for index in blank):
        return False, 0.8, "the first record has blank or repeated fields, all columns are text"
    if len(first) == 1 and _is_aligned(first[0]):
        return False, 0.8, "the first record is of numbers and spaces"
    if _FEW_SENTENCES * sum(map(is_sentence, first)) > len(first):
        return False, 0.8, "the first record is not made of names, all columns are text"
    if any(map(_is_value_of, first, columns)):
        return False, 0.8, "a field of the first record has the form of those below it"
    again = sum(field in column for field, column in zip(first, columns, strict=True))
    if 2 * again > len(first):
        return False, 0.8, "the fields of the first record come again, all columns are text"
    return True, 0.7, "the fields of the first record do not come again, but all columns are text"


def _is_value_of(field: str, column: Iterable[str]) -> bool:
    """Whether a field is written as the values of a column are: `$1,234.50` above `$7.25`.

    Short names may have a digit, too: `x1` above `y2`.
    """
    if sum(map(str.isdigit, field)) < _MANY_DIGITS and not re.search(r"\d[^\w\s]|[^\w\s]\d", field):
        return False
    form = _form(field)
    below = [_form(value) for value in column if value.strip()]
    return form != "9" and len(below) > 1 and below.count(form) >= _SAME_FORM * len(below)


def _form(field: str) -> str:
    """A field with 9 for each number in it, and a for each run of letters."""
    return re.sub(r"[^\W\d_]+", "a", re.sub(r"\d[\d.,]*", "9", field.strip()))


def is_sentence(field: str) -> bool:
    """Whether a field is too long for a name, or ends as statements do; questions are names."""
    text = field.strip()
    if text.endswith("?") and "\n" not in text:
        return False
    return len(text) > _SENTENCE_CHARACTERS or (text.endswith((".", "!")) and " " in text)


def _is_aligned(field: str) -> bool:
    """Whether a field is numbers with spaces between them, as aligned columns are."""
    numbers = field.split()
    return len(numbers) > 1 and all(is_number(number) for number in numbers)


def kinds_of(records: Sequence[Sequence[str]], index: int) -> set[str]:
    """The kinds of a column's values, which are: number, time, bool, text."""
    return {_kind(record[index]) for record in records if index < len(record)} - {"", "null"}


def is_word(field: str) -> bool:
    """Whether a field is text: no number, date, bool or null, and not blank."""
    return _kind(field) == "text"


def _kind(field: str) -> str:
    field = field.strip()
    if not field:
        return ""
    if is_number(field):
        return "number"
    if is_temporal(field):
        return "time"
    if field.lower() in ("true", "false"):
        return "bool"
    return "null" if field in NULL_TOKENS or field.lower() in _PLACEHOLDERS else "text"


def _are_counted(first: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Whether the first record is names and then numbers that count up, and no other record is.

    Few numbers may count up by chance: not where those below have decimals.
    """

    def is_counted(record: Sequence[str]) -> bool:
        numbers = [field.strip() for field in record if is_number(field)]
        if len(numbers) < _MIN_NAMES or not all(map(str.isdigit, numbers)):
            return False
        counted = range(int(numbers[0]), int(numbers[0]) + len(numbers))
        return numbers == list(map(str, counted))

    if is_number(first[0]) or not is_counted(first) or any(map(is_counted, rest)):
        return False
    places = [index for index, field in enumerate(first) if is_number(field)]
    below = [record[index] for record in rest for index in places if index < len(record)]
    return len(places) > _MANY_RECORDS or any("." in field for field in below if is_number(field))


def _are_years(first: Sequence[str], rest: Sequence[Sequence[str]]) -> bool:
    """Whether the first record is names and then years, and no other record is."""

    def years_of(record: Sequence[str]) -> list[str]:
        numbers = [field.strip() for field in record if is_number(field)]
        ordered = sorted(set(numbers)) in (numbers, numbers[::-1])
        is_named = not is_number(record[0]) and bool(record[0].strip())
        return numbers if is_named and ordered and all(map(_YEAR.fullmatch, numbers)) else []

    years = years_of(first)
    if not years or any(years_of(record) for record in rest):
        return False
    if len(years) > 1:
        return True
    # One number may be a year by chance: not where the values below it are of another form.
    place = [field.strip() for field in first].index(years[0])
    below = [record[place].strip() for record in rest if place < len(record)]
    numbers = [field for field in below if is_number(field)]
    others = (field for index, field in enumerate(first) if index != place)
    return all(map(is_word, others)) and (
        len(numbers) >= _MANY_RECORDS or any("." in number for number in numbers)
    )
