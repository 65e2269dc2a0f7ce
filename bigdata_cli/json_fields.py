"""JSON that may be damaged or hostile: parsed within limits, its fields taken with their types."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

_LARGEST = 2**63 - 1
_SHOWN = 60


class JsonError(ValueError):
    """What is wrong with a JSON document, and where in it."""


def parse_json(data: bytes) -> Field:
    """The document in `data`, UTF-8; raises JsonError.

    Stricter than the standard library: no key twice in an object, no NaN, no number beyond float64,
    no nesting or integer that is too long for it.

    >>> parse_json(b'{"rows": [7]}').field("rows").items()[0].count()
    7
    >>> parse_json(b'{"rows": 1, "rows": 2}')
    Traceback (most recent call last):
    ...
    bigdata_cli.json_fields.JsonError: the key "rows" is there twice
    """
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=_finite_float,
        )
    except JsonError:
        raise
    except RecursionError as error:
        raise JsonError("it is nested too deeply") from error
    except ValueError as error:  # also of text that is not UTF-8, and of endless integers
        raise JsonError(f"it is not JSON: {error}") from error
    return Field(value)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise JsonError(f'the key "{_short(twice)}" is there twice')
    return found


def _refuse_constant(name: str) -> float:
    raise JsonError(f"{name} is not JSON")


def _finite_float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise JsonError(f"{_short(text)} lies beyond float64")
    return value


class Field:
    """A value in a document, and the way to it; asked for what it is not, it raises JsonError."""

    __slots__ = ("_key", "_parent", "value")

    def __init__(
        self, value: Any, parent: Field | None = None, key: str | int | None = None
    ) -> None:
        self.value = value
        self._parent = parent
        self._key = key

    @property
    def where(self) -> str:
        """The way to it, such as `shards[0].rows`."""
        if self._parent is None:
            return ""
        before = self._parent.where
        if isinstance(self._key, int):
            return f"{before}[{self._key}]"
        return f"{before}.{self._key}" if before else str(self._key)

    def wrong(self, expected: str) -> JsonError:
        """The error of a value that is not what it should be."""
        shown = _short(repr(self.value))
        return JsonError(f"{self.where or 'it'} is {shown}, and should be {expected}")

    def has(self, key: str) -> bool:
        return isinstance(self.value, dict) and key in self.value

    def field(self, key: str) -> Field:
        """The value of a key that an object must have."""
        if not isinstance(self.value, dict):
            raise self.wrong("an object")
        if key not in self.value:
            raise JsonError(f"{self.where or 'it'} lacks the key {key}")
        return Field(self.value[key], self, key)

    def items(self) -> list[Field]:
        """The values of a list."""
        if not isinstance(self.value, list):
            raise self.wrong("a list")
        return [Field(value, self, index) for index, value in enumerate(self.value)]

    def entries(self) -> Iterator[tuple[str, Field]]:
        """The keys and values of an object."""
        if not isinstance(self.value, dict):
            raise self.wrong("an object")
        for key in self.value:
            yield Field(key, self, "key").text(), self.field(key)

    def text(self) -> str:
        """A text that UTF-8 can hold."""
        if not isinstance(self.value, str) or not _is_unicode(self.value):
            raise self.wrong("text")
        return self.value

    def text_or_null(self) -> str | None:
        return None if self.value is None else self.text()

    def texts(self) -> tuple[str, ...]:
        """A list of texts."""
        if not isinstance(self.value, list | tuple) or not all(
            isinstance(value, str) and _is_unicode(value) for value in self.value
        ):
            raise self.wrong("a list of texts")
        return tuple(self.value)

    def count(self) -> int:
        """An integer from 0 to 2**63 - 1."""
        if type(self.value) is not int or not 0 <= self.value <= _LARGEST:
            raise self.wrong("a count")
        return self.value

    def integer(self) -> int:
        if type(self.value) is not int:
            raise self.wrong("an integer")
        return self.value

    def number(self) -> int | float:
        if type(self.value) not in (int, float):
            raise self.wrong("a number")
        return self.value

    def truth(self) -> bool:
        if not isinstance(self.value, bool):
            raise self.wrong("true or false")
        return self.value

    def one_of(self, *values: str) -> str:
        if self.value not in values:
            raise self.wrong(f"one of {', '.join(values)}")
        return self.text()


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
