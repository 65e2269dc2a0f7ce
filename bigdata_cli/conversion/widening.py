"""What a shard needs where its columns turned out to have other dtypes than they were written with.

A dtype is settled when all rows are seen. What was written before is looked at here, column by
column: its bytes may be right as they are, or be made of what is stored, or need the text again.
"""

from __future__ import annotations

from dataclasses import dataclass

from bigdata_cli.formats.base import Change, Format, StorageOptions
from bigdata_cli.types.dtype import Column, Kind
from bigdata_cli.types.lattice import Form, Observed

_WORDS = (Kind.TEXT, Kind.CATEGORY)
_EXACT_INTEGERS = {"float32": 2**24, "float64": 2**53}


@dataclass(frozen=True)
class Stored:
    """Values of a column as they are stored, and what their text had shown.

    has_values: False where all are null. float32_exact: float32 equals every number among them.
    is_parsed: they are not in a file of the format, which may round them.
    """

    column: Column
    observed: Observed
    has_values: bool = True
    float32_exact: bool = False
    is_parsed: bool = False

    @property
    def hides_text(self) -> bool:
        """Whether there would be texts among the values if the column were text."""
        return self.column.kind not in _WORDS and (self.has_values or _is_loose(self))


def change_of(stored: Stored, new: Column, form: Format, storage: StorageOptions) -> Change:
    """What becomes of stored values whose column is `new`."""
    if stored.is_parsed:
        is_same = stored.column.dtype == new.dtype
        is_possible = is_same or can_become(stored, new, form, storage)
        return Change.VALUES if is_possible else Change.SOURCE
    if new.kind in _WORDS and stored.column.kind not in _WORDS and _is_loose(stored):
        return Change.SOURCE
    change = form.change(stored.column, new, storage, has_values=stored.has_values)
    if change is not Change.VALUES or can_become(stored, new, form, storage):
        return change
    return Change.SOURCE


def can_become(stored: Stored, new: Column, form: Format, storage: StorageOptions) -> bool:
    """Whether values of `new` can be made of those that are stored, exactly as of their text."""
    old = stored.column
    is_loose = _is_loose(stored)
    if not stored.has_values:
        return new.kind not in _WORDS or not is_loose or old.kind in _WORDS
    kept = old.dtype if stored.is_parsed else form.kept_dtype(old, storage)
    if new.kind in _WORDS:
        return old.kind in _WORDS or (not is_loose and _prints_back(stored, kept))
    if old.dtype == new.dtype:
        return True
    wanted = form.kept_dtype(new, storage)
    if old.kind is Kind.INT:
        return new.kind is Kind.INT or new.kind is Kind.FLOAT
    if old.kind is Kind.FLOAT and new.kind is Kind.FLOAT:
        is_enough = wanted == "float32" or kept == "float64"
        return is_enough or _is_invertible(stored)
    if old.kind is Kind.DATE:
        return new.kind is Kind.TIMESTAMP
    if old.kind is Kind.TIMESTAMP and new.kind is Kind.TIMESTAMP:
        return kept == old.dtype and ("UTC" in old.dtype) == ("UTC" in new.dtype)
    return False


def _is_loose(stored: Stored) -> bool:
    return bool(stored.observed.forms & Form.LOOSE)


def _prints_back(stored: Stored, kept: str) -> bool:
    """Whether values print as the text that they were read from, where that was not loose."""
    if stored.column.kind is Kind.INT:
        largest = max(stored.observed.negative, stored.observed.positive)
        return largest <= _EXACT_INTEGERS.get(kept, largest)
    return stored.column.kind in (Kind.BOOL, Kind.DATE)


def _is_invertible(stored: Stored) -> bool:
    """Whether a float64 follows from its float32: each is its value, or its shortest decimal.

    A column of float32 may have both, 0.1 and 0.100000001490116119384765625. Where all are of one
    kind, that is what they are.
    """
    return stored.float32_exact or not stored.observed.forms & Form.NOT_SHORTEST
