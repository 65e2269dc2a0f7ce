"""Evidence of a column's type: the forms of its values, their join, and the dtype that follows.

`join` is associative, commutative and idempotent, so the dtype of a column depends on the set of
its values only: neither on their order nor on how the source was cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from bigdata_cli.errors import UsageError
from bigdata_cli.types.dtype import Kind, integer_range, kind_of, smallest_integer
from bigdata_cli.types.vocabulary import MAX_CATEGORIES


class Form:
    """Forms that a value's text can have; one bit each, also in the compiled kernels.

    Plain integers: they are joined for every column of every block, and an IntFlag is slow.

    Two bits take no part in the choice of a dtype. They say what can be recovered from values that
    are stored (`conversion/widening.py`). LOOSE: in a column that is not text, a value or a null
    whose text is not the one that the value prints: spaces around it, thousands marks, a quoted
    null, `True` for true. NOT_SHORTEST: a decimal that float32 equals, and that is not the shortest
    one of that float32 (0.100000001490116119384765625).
    """

    BOOL = 1
    INT = 2
    FLOAT = 4
    DATE = 8
    TIMESTAMP = 16
    TIMESTAMP_UTC = 32
    NANOSECONDS = 64
    FLOAT32_LOSES = 128
    TEXT = 256
    LOOSE = 512
    NOT_SHORTEST = 1024


TYPE_FORMS = 511
"""The bits that a dtype follows from."""
NUMBER = Form.INT | Form.FLOAT
TEMPORAL = Form.DATE | Form.TIMESTAMP | Form.TIMESTAMP_UTC
_EXACT_IN_FLOAT32 = 2**24
_EXACT_IN_FLOAT64 = 2**53
NANOSECOND_RANGE_US = 2**63 // 1000


class Observed(msgspec.Struct, frozen=True, array_like=True):
    """The forms of a column's values, and the largest magnitudes of integers or microseconds.

    forms: bits of `Form`. negative, positive: the largest |v| among the negative and the other
    integers; of dates and timestamps, in microseconds since 1970. Nulls leave no trace.
    """

    forms: int = 0
    negative: int = 0
    positive: int = 0

    def join(self, other: Observed) -> Observed:
        """What both sets of values show together.

        >>> Observed(Form.INT, 0, 7).join(Observed(Form.FLOAT)).forms == NUMBER
        True
        """
        if other == self:
            return self
        return Observed(
            self.forms | other.forms,
            max(self.negative, other.negative),
            max(self.positive, other.positive),
        )

    @property
    def is_text(self) -> bool:
        """Whether only text can hold the values, whatever values follow."""
        return _resolve(self, "auto") == "text"


@dataclass(frozen=True, kw_only=True)
class TypeOptions:
    """What the user said about types: the float mode and the columns whose dtype is fixed.

    inputs: the dtypes of columns that steps read, where these are not those of `fixed` of the same
    name. vocabularies: the values of categories that are fixed, as far as they are known.
    """

    float_mode: str = "auto"
    fixed: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    vocabularies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.float_mode not in ("auto", "32", "64"):
            raise UsageError(f'"{self.float_mode}" is not a float mode', hint="--float auto|32|64")


def resolve(
    observed: Observed, *, float_mode: str = "auto", n_distinct: int | None, n_rows: int
) -> str:
    """The dtype of a column: the narrowest that holds every value. The one place it is chosen.

    n_distinct: distinct values of a text column, None for more than MAX_CATEGORIES.

    >>> resolve(Observed(Form.INT, 0, 200), n_distinct=0, n_rows=9)
    'uint8'
    >>> resolve(Observed(NUMBER, 0, 2**60), n_distinct=0, n_rows=9)
    'text'
    """
    dtype = _resolve(observed, float_mode)
    if dtype == "text" and n_distinct is not None and 0 < n_distinct <= MAX_CATEGORIES:
        return "category" if 2 * n_distinct < n_rows else "text"
    return dtype


def _resolve(observed: Observed, float_mode: str) -> str:
    forms = observed.forms & TYPE_FORMS
    if not forms:
        return "null"
    kinds = [bool(forms & Form.BOOL), bool(forms & NUMBER), bool(forms & TEMPORAL)]
    if forms & Form.TEXT or sum(kinds) > 1:
        return "text"
    if forms & Form.BOOL:
        return "bool"
    if forms & NUMBER:
        return _number(observed, float_mode)
    return _temporal(observed)


def _number(observed: Observed, float_mode: str) -> str:
    if not observed.forms & Form.FLOAT:
        low = -observed.negative if observed.negative else 0
        return smallest_integer(low, observed.positive) or "text"
    largest_integer = max(observed.negative, observed.positive)
    if largest_integer > _EXACT_IN_FLOAT64:
        return "text"
    if float_mode != "auto":
        return f"float{float_mode}"
    if observed.forms & Form.FLOAT32_LOSES or largest_integer > _EXACT_IN_FLOAT32:
        return "float64"
    return "float32"


def _temporal(observed: Observed) -> str:
    forms = observed.forms
    if forms & Form.TIMESTAMP_UTC and forms & (Form.TIMESTAMP | Form.DATE):
        return "text"
    if not forms & (Form.TIMESTAMP | Form.TIMESTAMP_UTC):
        return "date"
    unit = "us"
    if forms & Form.NANOSECONDS:
        if max(observed.negative, observed.positive) >= NANOSECOND_RANGE_US:
            return "text"
        unit = "ns"
    return f"timestamp[{unit}, UTC]" if forms & Form.TIMESTAMP_UTC else f"timestamp[{unit}]"


def observed_as(dtype: str) -> Observed:
    """What values show of which a dtype can only just hold all: the inverse of `resolve`.

    >>> resolve(observed_as("timestamp[ns, UTC]"), n_distinct=None, n_rows=0)
    'timestamp[ns, UTC]'
    """
    kind = kind_of(dtype)
    if kind is Kind.INT:
        low, high = integer_range(dtype)
        return Observed(Form.INT, negative=-low, positive=high)
    if kind is Kind.FLOAT:
        return Observed(Form.FLOAT | (Form.FLOAT32_LOSES if dtype == "float64" else 0))
    if kind is Kind.TIMESTAMP:
        zone = Form.TIMESTAMP_UTC if "UTC" in dtype else Form.TIMESTAMP
        return Observed(zone | (Form.NANOSECONDS if "ns" in dtype else 0))
    forms = {Kind.BOOL: Form.BOOL, Kind.DATE: Form.DATE, Kind.NULL: 0}
    return Observed(forms.get(kind, Form.TEXT))
