"""Tables whose columns several rows name: how many they are, and the names that they make."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.sources.csv.dialect import MADE_UP, Dialect
from bigdata_cli.sources.csv.header_guess import (
    is_sentence,
    is_word,
    kinds_of,
    looks_like_header,
    n_repeated,
)
from bigdata_cli.sources.csv.options import SourceOptions
from bigdata_cli.sources.csv.sample_records import first_records

_MAX_ROWS = 4
_MIN_BELOW = 2
_MIN_TELLING = 2
_MIN_COMPLETED = 2
_TYPED = frozenset(("number", "time", "bool"))


class HeaderRows(NamedTuple):
    """How many of the first records name the columns: n beyond doubt, or `may_be` with doubt.

    is_copied: those after the first are the first again.
    """

    n: int = 1
    may_be: int = 1
    is_copied: bool = False

    def are_dropped(self, options: SourceOptions) -> bool:
        """Whether rows after the first are left out, as all that are the header again."""
        return options.repeated_header == "drop" and self.is_copied

    def notes(self, options: SourceOptions) -> list[str]:
        """What to say of a header that has several rows, as it was found."""
        if options.header_rows is not None or self.may_be == 1 or self.are_dropped(options):
            return []
        if self.n == 1:
            which = f"rows 2 to {self.may_be} name" if self.may_be > 2 else "row 2 names"
            return [f"{which} the columns, too? --header-rows {self.may_be} joins the names"]
        if self.is_copied:
            otherwise = "they are the same, and --repeated-header drop reads one"
        else:
            otherwise = "--header-rows 1 reads one"
        return [f"{self.n} rows name the columns (--header-rows {self.n}); {otherwise}"]


def choose_header_rows(
    records: Sequence[list[str]], table: Sequence[list[str]], options: SourceOptions
) -> HeaderRows:
    """How many rows name the columns; raises UsageError where that cannot be.

    records: of the sample; table: those that are as wide as the table.
    """
    if options.header_rows is not None:
        if options.header_rows < 1:
            raise UsageError(
                f"--header-rows {options.header_rows} is not positive",
                hint="--no-header, if no row names the columns",
            )
        if options.header is False:
            raise UsageError("--header-rows and --no-header exclude each other")
        if options.row_names and options.header_rows > 1:
            raise UsageError("--row-names is for a header of one row")
        return HeaderRows(options.header_rows, options.header_rows)
    if options.header is False or options.row_names:
        return HeaderRows()
    found = find_header_rows(table)
    # A row of another width among them is no row of names.
    same = list(records[: found.may_be]) == list(table[: found.may_be])
    return found if same else HeaderRows()


def find_header_rows(records: Sequence[list[str]]) -> HeaderRows:
    """How many rows of names a table begins with, if its first record names columns at all.

    records: all as wide as the table. A row after the first has words over columns of numbers,
    dates or bools, of which it fills no other; or it has the names that lack in the one above, of
    which one cell was over several columns.

    >>> find_header_rows([["day", "mass"], ["UTC", "kg"], ["1", "2"], ["2", "0.5"]]).n
    2
    >>> find_header_rows([["day", "mass"], ["1", "2"], ["2", "0.5"], ["3", "4"]]).n
    1
    """
    some = first_records(records)
    first = some[0] if some else []
    most = 1
    while most < min(_MAX_ROWS, len(some)) and _is_of_words(some[most]):
        most += 1
    for n in range(most, 1, -1):
        above, below = some[1:n], some[n:]
        kinds = [kinds_of(below, index) for index in range(len(first))]
        typed = [index for index, found in enumerate(kinds) if len(found) == 1 and found <= _TYPED]
        completing = [_completes(some[index], row) for index, row in enumerate(above)]
        naming = [any(row[index].strip() for index in typed) for row in above]
        if not all(map(max, completing, naming)):
            continue
        if n_repeated(records) > sum(row == first for row in above):
            break  # files that were put together: the header may come anywhere
        if not looks_like_header([merge_names(some[:n]), *below])[0]:
            break
        is_sure = len(below) >= _MIN_BELOW and all(
            row == first or is_rest or _is_clear(row, typed, below)
            for row, is_rest in zip(above, completing, strict=True)
        )
        is_copied = all(row == first for row in above)
        return HeaderRows(n if is_sure else 1, n, is_copied)
    return HeaderRows()


def _is_of_words(row: Sequence[str]) -> bool:
    """Whether all fields of a row are words, with a letter in each, or nothing."""
    filled = [field for field in row if field.strip()]
    return bool(filled) and all(is_word(one) and any(map(str.isalpha, one)) for one in filled)


def _completes(above: Sequence[str], row: Sequence[str]) -> bool:
    """Whether a row has names for all columns that have none above, after one that has.

    It has none for others than these and the one before them, and not for the first.
    """
    blank = [not field.strip() for field in above]
    if sum(blank) < _MIN_COMPLETED or blank[0] or row[0].strip():
        return False
    return all(
        bool(row[index].strip()) == (is_blank or blank[index + 1 : index + 2] == [True])
        for index, is_blank in enumerate(blank)
    )


def merge_names(rows: Sequence[Sequence[str]]) -> list[str]:
    """For each column the first name that one of the rows has for it."""
    return [
        next((field for field in fields if field.strip()), "") for fields in zip(*rows, strict=True)
    ]


def _is_clear(row: list[str], typed: Sequence[int], below: Sequence[list[str]]) -> bool:
    """Whether a row can be nothing but names or units: it is hardly one of words for no value."""
    filled = [index for index, field in enumerate(row) if field.strip()]
    telling = [row[index] for index in filled if index in typed]
    others = [index for index in filled if index not in typed]
    again = any(row[index] == record[index] for index in others for record in below)
    return (
        len(set(telling)) >= _MIN_TELLING
        and 2 * len(telling) >= len(filled)
        and not again
        and not any(map(is_sentence, row))
    )


def join_names(
    rows: Sequence[Sequence[str]], dialect: Dialect, n_columns: int, *, where: str
) -> list[str]:
    """The names of columns that several rows give: those of a column from above, with spaces.

    A name above the last row is that of the columns after it, too, where it has none for these and
    the rows below name them all. Raises DataError for a row that has more names than there are
    columns, or fewer.
    """
    padded = []
    for number, row in enumerate(rows, 1):
        filled = list(row)
        while len(filled) > n_columns and not filled[-1]:
            filled.pop()
        if len(filled) != n_columns and dialect.names != MADE_UP:
            raise DataError(
                f"{where}: row {number} of the header has {len(filled)} "
                f"name{'s'[: len(filled) != 1]}, the rows below have {n_columns} "
                f"field{'s'[: n_columns != 1]}",
                hint="--header-rows 1 reads one row of names; --names auto makes names up where "
                f"they lack; --names A,B,… gives all {n_columns}; --skip-rows N, if the header "
                "begins below",
            )
        padded.append([*filled[:n_columns], *[""] * (n_columns - len(filled))])
    for upper in reversed(range(len(padded) - 1)):
        _spread(padded[upper], padded[upper + 1])
    return [" ".join(filter(None, parts)) for parts in zip(*padded, strict=True)]


def _spread(above: list[str], below: Sequence[str]) -> None:
    """Give names to columns that have none, from that before: one cell over several columns."""
    for index in range(1, len(above)):
        if not above[index] and above[index - 1] and below[index] and below[index - 1]:
            above[index] = above[index - 1]
