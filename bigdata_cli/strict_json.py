"""JSON that may be damaged or hostile, read into typed records."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Record = TypeVar("_Record")
_SHOWN = 300
"""Characters of a message: a document may hold a text of any length."""


class JsonError(ValueError):
    """What is wrong with a JSON document, and where in it."""


def decode(data: bytes, record: type[_Record], *, check_keys: bool = True) -> _Record:
    """Decode a document of UTF-8 that has the form of `record`, such as a `msgspec.Struct`.

    What has another form is refused before all of it is in memory.

    Args:
        data: The document.
        record: The type to decode into.
        check_keys: Refuse an object that has a key twice. Leave it out where it is done already.

    Raises:
        JsonError: It is not JSON or of another form, holds a number beyond float64 or text that is
            not Unicode, or is nested too deeply.

    >>> decode(b'{"rows": [7]}', dict[str, list[Count]])
    {'rows': [7]}
    >>> decode(b'{"rows": [7, -1]}', dict[str, list[Count]])
    Traceback (most recent call last):
    ...
    bigdata_cli.strict_json.JsonError: [...][1]: Expected `int` >= 0
    >>> decode(b'{"rows": 1, "rows": 2}', dict)
    Traceback (most recent call last):
    ...
    bigdata_cli.strict_json.JsonError: the key "rows" is there twice
    """

    with _located():
        value = msgspec.json.decode(data, type=record)
        if check_keys:
            json.loads(data.decode("utf-8"), object_pairs_hook=_check_keys)
        return value


def convert(value: Any, record: type[_Record]) -> _Record:
    """Convert plain JSON values into `record`; raises JsonError where they have another form."""
    with _located():
        return msgspec.convert(value, record)


@contextmanager
def _located() -> Iterator[None]:
    """Turn what a decoder raises into a JsonError that begins with the place."""
    try:
        yield
    except JsonError:
        raise
    except RecursionError as error:
        raise JsonError("it is nested too deeply") from error
    except msgspec.ValidationError as error:
        problem, _, place = str(error).partition(" - at `$")
        place = place.removesuffix("`").removeprefix(".")
        message = f"{place}: {problem}" if place else problem
        if len(message) > _SHOWN:
            message = message[:_SHOWN] + "…"
        raise JsonError(message) from error
    except ValueError as error:  # also of text that is not UTF-8, and of integers without an end
        raise JsonError(f"it is not JSON: {error}") from error


def _check_keys(pairs: list[tuple[str, Any]]) -> None:
    """Raise JsonError for a key that is there twice; the objects themselves are not kept."""
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            raise JsonError(f'the key "{key[:_SHOWN]}" is there twice')
        seen.add(key)
