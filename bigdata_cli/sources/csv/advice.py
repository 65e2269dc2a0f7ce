"""What helps where records do not have the fields that they should, the likeliest first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from bigdata_cli.errors import DataError

_MARKS = (",", ";", "\t", "|")
_COMMENT_MARKS = "#%!*"
_BEGINNING_LINES = 30
_END_BYTES = 1 << 12
FIRST_ROWS = 1000


class Ragged(msgspec.Struct, frozen=True, kw_only=True):
    """A record with another number of fields than there are columns.

    n_fields: that were seen; n_columns: that were expected. delimiter: of the records.
    """

    n_fields: int
    n_columns: int
    delimiter: str


def advice(ragged: Ragged, *, beginning: str, line: int, bytes_left: int | None) -> str:
    """The flags that may help with a record, as a hint.

    beginning: its first characters; line: its number; bytes_left: from there to the end of the
    file, None where that is not known.

    >>> few = Ragged(n_fields=1, n_columns=3, delimiter=",")
    >>> advice(few, beginning="# note", line=2, bytes_left=9000).partition(";")[0]
    "--comment '#' leaves out lines that begin with it"
    """
    is_short = ragged.n_fields < ragged.n_columns
    first = [
        *_of_comments(beginning, ragged),
        *_of_delimiter(beginning, ragged),
        *_of_place(ragged, line, bytes_left),
    ]
    if is_short:
        mends = "--short-rows null has the fields that lack be null"
    else:
        mends = "--long-rows join|cut keeps it, with the surplus joined or cut"
    rest = [
        "--on-bad-row skip sets such rows aside",
        mends,
        *([] if is_short else ["--quote, if fields have delimiters in them"]),
        f"--delimiter, if it is not {ragged.delimiter!r}",
        *(["--skip-rows N, if the table begins below"] if line <= _BEGINNING_LINES else []),
    ]
    known = {text.partition(" ")[0].rstrip(",") for text in first}
    return "; ".join([*first, *(one for one in rest if one.split()[0].rstrip(",") not in known)])


def _of_comments(beginning: str, ragged: Ragged) -> list[str]:
    mark = beginning[:1]
    if not mark or mark not in _COMMENT_MARKS or mark == ragged.delimiter:
        return []
    return [f"--comment '{mark}' leaves out lines that begin with it"]


def _of_delimiter(beginning: str, ragged: Ragged) -> list[str]:
    for mark in _MARKS:
        if mark != ragged.delimiter and beginning.count(mark) >= max(1, ragged.n_columns - 1):
            return [f"--delimiter {'tab' if mark == chr(9) else repr(mark)} seems to separate it"]
    return []


def _of_place(ragged: Ragged, line: int, bytes_left: int | None) -> list[str]:
    if ragged.n_fields > 1:
        return []
    if line <= _BEGINNING_LINES:
        return ["--skip-rows N, if the table begins below"]
    if bytes_left is not None and bytes_left < _END_BYTES:
        return ["--skip-footer N, if the table ends above"]
    return []


def check_first_rows(name: str, offsets: Sequence[int], bad: Sequence[tuple[int, str]]) -> None:
    """Raise DataError where more than half of the first 1,000 rows cannot be kept.

    offsets: where rows begin that are kept; bad: where others do, and why.
    """
    rows = sorted([*((offset, "") for offset in offsets), *bad])[:FIRST_ROWS]
    n_bad = sum(bool(reason) for _, reason in rows)
    if 2 * n_bad > len(rows):
        reasons = [reason for _, reason in rows if reason]
        raise nearly_all_bad(name, n_bad, len(rows), reasons)


def nearly_all_bad(name: str, n_bad: int, n_rows: int, reasons: Sequence[str]) -> DataError:
    """The error where most rows cannot be kept, with what seems to be wrong."""
    share = f"all {n_rows:,}" if n_bad == n_rows else f"{n_bad:,} of the first {n_rows:,}"
    reason = Counter(reasons).most_common(1)[0][0] if reasons else ""
    found = "differ from how the file is written: bigdata inspect shows what was found"
    if "more than the" in reason:
        hint = f"--delimiter, --quote, --names or --header may {found}; --long-rows join|cut"
    elif "fields" in reason or "field," in reason:
        hint = f"--delimiter, --skip-rows, --names or --header may {found}; --short-rows null"
    elif "quote" in reason:
        hint = f"--quote none reads quotes as characters; --quote or --escape may {found}"
    elif "UTF-8" in reason:
        hint = "--encoding cp1252, or what the file was written in"
    elif reason.startswith("column"):
        hint = "--type COL=text keeps what its dtype does not hold"
    else:
        hint = None
    if n_bad < n_rows:
        accept = "--max-bad-rows N accepts so many"
        hint = accept if hint is None else f"{hint}; {accept}"
    shown = f": {reason}" if reason else ""
    return DataError(f"{name}: {share} rows are bad{shown}", hint=hint)
