"""What the beginning of a file says of its dialect: delimiter, quote, escape, spaces.

The delimiter, quote and escape are those that clevercsv finds (van den Burg et al., "Wrangling
messy CSV files by detecting row and type patterns", 2019), on at most 32 KiB of the file, less what
makes it slow: it takes time with the square of a line without delimiters, so long runs are cut. Of
the cases of tests/sources/dialect_cases.py it gets all right but those where spaces separate words
and not fields. So a space has to separate numbers here, an unusual quote or escape has to make
the records agree better than without, and a space after each delimiter is looked for on its own, as
are runs of spaces. A plain measure of our own, the delimiter under which most
records have the same number of fields, takes decimal commas for delimiters and knows no spaces.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bigdata_cli.sources.csv.dialect import WHITESPACE
from bigdata_cli.sources.csv.sample_records import (
    SNIFFED_RECORDS,
    agreement_of,
    first_records,
    is_number,
    numbered_records,
    read_records,
    whole_lines,
)
from bigdata_cli.sources.csv.spaced import has_runs_of_spaces, separates_numbers

DELIMITERS = (",", "\t", ";", "|", " ")
CERTAIN = 0.9
"""From this confidence on, what was detected is shown without it."""
_SNIFFED_CHARACTERS = 1 << 15
_LONG_RUN = re.compile(r"""([^\s,;|"'\\]{48})[^\s,;|"'\\]+""")
_QUOTES_AND_ESCAPES = frozenset("\"'`\\")
_CLEAR_LINES = 10
_AGREEING_SHARE, _AGREEING_WITH_QUOTE = 0.6, 0.95
_MIN_BELOW, _MUCH_BETTER = 5, 2
_DELIMITING = re.compile(r"[,;|\t]")
_DECIMAL_COMMA = re.compile(r"[-+]?(\d+|\d{1,3}(\.\d{3})+),\d+")


@dataclass(frozen=True, kw_only=True)
class Detection:
    """What was found: marks of the dialect, how sure that is (0 to 1), and why.

    quote: `'` where the fields are quoted so, None for the usual one. records: of the sample, read
    with these marks; lines: of each the line that it begins on, from 1.
    """

    delimiter: str
    quote: str | None
    escape: str | None
    trim: bool
    confidence: float
    reasons: tuple[str, ...]
    records: list[list[str]]
    lines: list[int]


def detect(
    text: str,
    *,
    delimiter: str | None = None,
    quote: str | None = None,
    escape: str | None = None,
    trim: bool | None = None,
) -> Detection:
    """The dialect of a sample that begins and ends with whole lines.

    What the user said is not None and is taken as said; quote or escape "" is none.

    >>> found = detect("a;b\\n1,5;2\\n2,5;3\\n0,5;1\\n")
    >>> found.delimiter, found.confidence > 0.5
    (';', True)
    """
    sample = _LONG_RUN.sub(r"\1", text[:_SNIFFED_CHARACTERS])
    found_delimiter, found_quote, found_escape = _clever(sample, delimiter, quote)
    if delimiter is None:
        delimiter = found_delimiter
        if delimiter == " " and not separates_numbers(sample):
            rest = tuple(mark for mark in DELIMITERS if mark != " ")
            delimiter, found_quote, found_escape = _clever(sample, None, quote, rest)
        if delimiter not in DELIMITERS:
            delimiter = ","
        mark = '"' if quote is None else quote
        delimiter = _delimiter_of_table(text, delimiter, mark)
        if has_runs_of_spaces(text, delimiter, mark):
            delimiter = WHITESPACE
    if quote is None and _is_quoted(text, delimiter, "'", is_found=found_quote == "'"):
        quote = "'"
    mark = '"' if quote is None else quote
    if escape is None and found_escape == "\\" and _needs_escape(text, delimiter, mark):
        escape = "\\"
    if trim is None:
        plain = read_records(text, delimiter, mark, escape)
        padded = _has_padding(plain) or _has_padded_quotes(text, plain, delimiter, mark, escape)
        trim = padded and delimiter not in (" ", WHITESPACE)
    numbered = numbered_records(text, delimiter, mark, escape, trim=trim)
    records = [record for _, record in numbered]
    confidence, reasons = _judge(text, records, delimiter, mark)
    return Detection(
        delimiter=delimiter,
        quote=quote,
        escape=escape,
        trim=trim,
        confidence=confidence,
        reasons=reasons,
        records=records,
        lines=[line for line, _ in numbered],
    )


def has_decimal_commas(records: Sequence[list[str]]) -> bool:
    """Whether a column of the records (the first left out) holds decimals with a comma."""
    some = first_records(records)
    columns = zip(*(record for record in some[1:] if len(record) == len(some[0])), strict=True)
    return any(
        any(_DECIMAL_COMMA.fullmatch(field.strip()) for field in column)
        and all(is_number(field) or not field.strip() for field in column)
        and not any("." in field.rpartition(",")[2] for field in column)
        for column in columns
    )


def _clever(
    sample: str, delimiter: str | None, quote: str | None, among: tuple[str, ...] = DELIMITERS
) -> tuple[str, str, str]:
    """What clevercsv says: delimiter (one of `among`, "" for none), quote, escape."""
    if delimiter is not None:
        if len(delimiter) > 1:
            return delimiter, "", ""
        among = (delimiter,)
    present = [mark for mark in among if mark in sample]
    if len(present) == 1 and _QUOTES_AND_ESCAPES.isdisjoint(sample):
        return present[0], "", ""  # nothing else can be meant, and the library takes long to load
    clear = _clear_delimiter(sample, quote, present)
    if clear:
        return clear, '"', ""
    from clevercsv.detect import Detector
    from clevercsv.exceptions import Error, NoDetectionResult

    # It reads lines ended by a carriage return as one, and refuses NUL.
    sample = sample.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\x01")
    try:
        dialect = Detector().detect(sample, delimiters=list(among))
    except (Error, NoDetectionResult, csv.Error):
        dialect = None
    if dialect is None:
        return _most_consistent(sample, quote, among), "", ""
    return dialect.delimiter or "", dialect.quotechar or "", dialect.escapechar or ""


def _clear_delimiter(sample: str, quote: str | None, present: list[str]) -> str:
    """The delimiter where there is no doubt; "" otherwise.

    All records have equally many fields under it and under no other, every double quote encloses
    a field or is doubled in one, and nothing else can be a quote or an escape.
    """
    sample = whole_lines(sample)
    if quote not in (None, '"') or "\\" in sample:
        return ""
    agreements = {mark: agreement_of(read_records(sample, mark, '"')) for mark in present}
    agreeing = [mark for mark, (share, _) in agreements.items() if share == 1.0]
    if len(agreeing) != 1 or sample.count("\n") + sample.count("\r") < _CLEAR_LINES:
        return ""
    edge = re.escape(agreeing[0])
    rest = re.sub(rf'(?:^|(?<=[\r\n])|(?<={edge}))"(?:[^"]|"")*"(?={edge}|[\r\n]|$)', "", sample)
    unclear = '"' in rest or re.search(rf"(?:^|[\r\n]|{edge})[\'`~]", sample)
    return "" if unclear else agreeing[0]


def _most_consistent(sample: str, quote: str | None, among: tuple[str, ...]) -> str:
    """The delimiter under which the records agree best on their number of fields."""
    scores = {
        mark: agreement_of(read_records(sample, mark, '"' if quote is None else quote))
        for mark in among
    }
    best = max(scores, key=lambda mark: scores[mark])
    return best if scores[best][0] > 0 else ""


def _delimiter_of_table(text: str, delimiter: str, quote: str) -> str:
    """The delimiter where the beginning of a file is no part of its table.

    It is another one than was found if under that the records do not agree, and those of the second
    half of the sample do under no other.
    """
    share, _ = agreement_of(read_records(text, delimiter, quote))
    if share > _AGREEING_SHARE:
        return delimiter
    lines = whole_lines(text).splitlines(keepends=True)
    below = "".join(lines[len(lines) // 2 :][:SNIFFED_RECORDS])
    fitting = [
        mark
        for mark in DELIMITERS
        if mark != " "
        and agreement_of(read_records(below, mark, quote))[0] == 1.0
        and len(read_records(below, mark, quote)) >= _MIN_BELOW
    ]
    return fitting[0] if len(fitting) == 1 else delimiter


def _is_quoted(text: str, delimiter: str, quote: str, *, is_found: bool) -> bool:
    """Whether fields that begin with the quote end with it, and the usual one quotes none.

    is_found: the library says so, too; otherwise the records have to agree with it.
    """
    if quote not in text or re.search(r'(^|[\r\n])"|' + re.escape(delimiter) + '"', text):
        return False
    plain = [cell for record in read_records(text, delimiter, "") for cell in record]
    begun = sum(cell.startswith(quote) for cell in plain)
    ended = sum(cell.endswith(quote) and len(cell) > 1 for cell in plain)
    if not begun:
        return False
    with_it = agreement_of(read_records(text, delimiter, quote))
    without = agreement_of(read_records(text, delimiter, '"'))
    if not is_found:
        return with_it[0] > max(_MUCH_BETTER * without[0], _AGREEING_SHARE) or (
            with_it[0] > max(without[0], _AGREEING_WITH_QUOTE)
        )
    return with_it[0] > without[0] or (begun == ended and with_it[0] == without[0])


def _needs_escape(text: str, delimiter: str, quote: str) -> bool:
    """Whether the records agree better where a backslash makes the next character plain."""
    plain, _ = agreement_of(read_records(text, delimiter, quote))
    escaped, _ = agreement_of(read_records(text, delimiter, quote, "\\"))
    if not quote or escaped != plain:
        return escaped > plain
    # As many fields either way: a closing quote would have to be followed by a delimiter.
    goes_on = r"\\" + re.escape(quote) + r"[^\s" + re.escape(delimiter + quote) + "]"
    return re.search(goes_on, text) is not None


def _has_padding(records: Sequence[list[str]]) -> bool:
    """Whether every field but the first of a record begins with a space, in all records."""
    records = first_records(records)
    after = [cell for record in records for cell in record[1:]]
    filled = [cell for cell in after if cell]
    padded = sum(any(cell.startswith(" ") for cell in record[1:]) for record in records)
    if len(filled) < 2 or padded < 0.9 * len(records):
        return False
    return all(cell.startswith(" ") for cell in filled)


def _has_padded_quotes(
    text: str, plain: list[list[str]], delimiter: str, quote: str, escape: str | None
) -> bool:
    """Whether spaces stand between delimiters and quotes: the records agree better without them."""
    if not quote or f"{delimiter} {quote}" not in text:
        return False
    trimmed = read_records(text, delimiter, quote, escape, trim=True)
    return agreement_of(trimmed)[0] > agreement_of(plain)[0]


def _judge(
    text: str, records: list[list[str]], delimiter: str, quote: str
) -> tuple[float, tuple[str, ...]]:
    """How sure a delimiter is, and why."""
    if not records:
        return 0.0, ("there is no record",)
    n_fields, agreeing = Counter(map(len, records)).most_common(1)[0]
    reasons = [f"{agreeing} of {len(records)} records have {n_fields} field{'s'[: n_fields > 1]}"]
    rivals = {
        mark: _quality(read_records(text, mark, ""), mark, quote)
        for mark in DELIMITERS
        if mark not in (delimiter, " ") and mark in text
    }
    rival = max(rivals, key=lambda mark: rivals[mark], default=delimiter)
    likeness = rivals.get(rival, 0.0)
    if n_fields == 1:
        confidence = agreeing / len(records) * (1 - likeness / 2)
    else:
        own = _quality(records, delimiter)
        confidence = agreeing / len(records) * own**2 / max(own**2 + likeness**2, 1e-9)
    if likeness > 0.1:
        reasons.append(f"{rival!r} could separate them as well")
    confidence *= {1: 0.6, 2: 0.95}.get(len(records), 1.0)
    return round(confidence, 2), tuple(reasons)


def _quality(records: list[list[str]], delimiter: str, quote: str = "") -> float:
    """The agreement of the records, times the share of cells that hold no other delimiter.

    quote: of records that were read without it; it may not be torn from its other half.
    """
    share, _ = agreement_of(records)
    cells = [cell for record in first_records(records) for cell in record]
    if not share or (quote and any(cell.count(quote) % 2 for cell in cells)):
        return 0.0
    clean = sum(not _DELIMITING.search(cell) or is_number(cell) for cell in cells)
    # Texts hardly ever have a tab.
    tabs = delimiter != "\t" and any("\t" in cell for cell in cells)
    return share * clean / len(cells) * (0.2 if tabs else 1.0)
