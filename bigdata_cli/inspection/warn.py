"""Warnings about columns that waste bytes or mislead a model, each with the flag that helps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from bigdata_cli.inspection.footprint import is_digits
from bigdata_cli.types.buffers import numbers_of
from bigdata_cli.types.dtype import Column, Kind
from bigdata_cli.types.statistics import ColumnStatistics
from bigdata_cli.types.vocabulary import MAX_CATEGORIES

_EMPTY_SHARE = 0.9
_UNIQUE_SHARE = 0.98
_MAX_CLASSES = 20
_MANY_ROWS = 10_000
_WORTH_BYTES = 1_000_000
_ID_NAME = re.compile(r"(^|[_\W])(id|uuid|guid|key|no|nr|num|number|code)$|Id$|ID$|zip", re.I)
_LABEL_NAME = re.compile(
    r"^(y|label|target|class|outcome|response|is[_A-Z].*|.*(fraud|churn|survived|default))$", re.I
)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What is known of a column: rows read and all rows, distinct values in all of them.

    n_bytes: of all its rows in memory.
    """

    column: Column
    statistics: ColumnStatistics
    pieces: Sequence[pa.Array]
    distinct: int | None
    rows: int
    all_rows: int
    n_bytes: int
    is_full: bool


def column_warnings(seen: Seen, float_mode: str = "auto") -> tuple[str, ...]:
    """The warnings of a column."""
    from bigdata_cli.resources.sizes import format_size

    column, known = seen.column, seen.statistics
    whose = "" if seen.is_full else " that were read"
    if seen.rows and known.nulls == known.count:
        return (f"no value in the rows{whose}: --drop leaves the column out",)
    found = []
    if known.count and known.nulls > _EMPTY_SHARE * known.count:
        found.append(f"{100 * known.nulls / known.count:.3g} % of it is null")
    if seen.distinct == 1 and not known.nulls:
        found.append(f"one value in all rows{whose}: a model learns nothing from it")
    elif seen.distinct is not None and _is_id(seen):
        if column.kind is Kind.TEXT and seen.n_bytes >= _WORTH_BYTES:
            found.append(
                f"{_about(seen.distinct)} distinct texts, nearly one for each row: --drop saves "
                f"{format_size(seen.n_bytes)} of memory"
            )
        elif column.kind is Kind.INT:
            found.append("nearly all values are distinct: an id, from which a model learns nothing")
    elif column.kind is Kind.TEXT and (seen.distinct or 0) > MAX_CATEGORIES:
        found.append(
            f"{_about(seen.distinct or 0)} distinct texts, too many for categories: "
            f"{format_size(seen.n_bytes)} of memory"
        )
    if column.kind in (Kind.INT, Kind.FLOAT) and not _is_id(seen) and _ID_NAME.search(column.name):
        found.append("named like an id or a code: --type 'COL=category' if it is no quantity")
    if column.kind in (Kind.TEXT, Kind.CATEGORY) and is_digits(seen.pieces):
        found.append("digits whose form a number would lose: it stays text")
    if column.dtype == "float64":
        found.append(_loss(seen))
    return tuple(warning for warning in found if warning)


def label_candidates(seen: Sequence[Seen]) -> tuple[str, ...]:
    """Columns that may be what a model learns: named so, or the last with few values."""
    few = [one for one in seen if one.distinct is not None and 2 <= one.distinct <= _MAX_CLASSES]
    named = [one.column.name for one in few if _LABEL_NAME.match(one.column.name)]
    last = few[-1:] if few and few[-1] is seen[-1] else []
    binary = [
        one.column.name
        for one in (*last, *few)
        if one.distinct == 2 and one.column.kind in (Kind.BOOL, Kind.INT)
    ]
    return tuple(dict.fromkeys([*named, *binary]))[:5]


def _is_id(seen: Seen) -> bool:
    distinct = seen.distinct or 0
    many = distinct >= _UNIQUE_SHARE * (seen.all_rows - _nulls(seen)) and distinct > _MAX_CLASSES
    if seen.column.kind is Kind.INT:
        # A few hundred measurements may all differ too.
        return many and (seen.all_rows >= _MANY_ROWS or bool(_ID_NAME.search(seen.column.name)))
    return many and seen.column.kind is Kind.TEXT


def _nulls(seen: Seen) -> float:
    return seen.all_rows * seen.statistics.nulls / max(seen.statistics.count, 1)


def _loss(seen: Seen) -> str:
    """What float32 would save and lose, with the value that would change most."""
    worst, changed = None, 0.0
    for piece in seen.pieces:
        piece = piece.drop_null()
        if not len(piece):
            continue
        values = numbers_of(piece).astype(np.float64)
        with np.errstate(over="ignore"):
            change = np.abs(values - values.astype(np.float32))
        change[~np.isfinite(change)] = 0
        place = int(change.argmax())
        if change[place] > changed:
            worst, changed = float(values[place]), float(change[place])
    if worst is None:
        return ""
    from bigdata_cli.resources.sizes import format_size

    return (
        f"float32 would save {format_size(4 * seen.all_rows)} and turn {worst!r} into "
        f"{_in_float32(worst)} (--float 32)"
    )


def _in_float32(value: float) -> str:
    narrow = float(np.float32(value))
    decimals = len(repr(value).partition(".")[2])
    return f"{narrow:.{min(decimals, 6)}f}" if "e" not in repr(value) else f"{narrow!r}"


def _about(number: int) -> str:
    """A count in words.

    >>> _about(23_912_345), _about(70_123), _about(18_000)
    ('about 24 million', 'about 70,000', '18,000')
    """
    rounded = float(f"{number:.2g}")
    if number >= 10_000_000:
        shown, rounded = f"{round(number / 1e6):,} million", 1e6 * round(number / 1e6)
    elif number >= 1_000_000:
        shown = f"{number / 1e6:.2g} million"
    else:
        shown = f"{rounded:,.0f}"
    return shown if rounded == number else f"about {shown}"
