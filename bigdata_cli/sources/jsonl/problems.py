"""What is wrong with a JSON line, as the user reads it."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np

from bigdata_cli.native.json_lines import FULL

_SHOWN = 60

(
    NO_OBJECT, SYNTAX, CUT, AFTER_OBJECT, NUMBER, NOT_FINITE, CONTROL, ESCAPE,
    SURROGATE, DEEP, UNKNOWN_KEY, DUPLICATE_KEY, NESTED_OBJECT, NESTED_ARRAY,
) = range(FULL + 1, FULL + 15)  # fmt: skip
"""`BD_JSON_…` of json.h."""

_PROBLEMS = {
    SYNTAX: "no JSON",
    CUT: "the line ends within its object",
    AFTER_OBJECT: "something follows the object",
    NUMBER: "a number that JSON does not have",
    NOT_FINITE: "JSON has no NaN and no Infinity",
    CONTROL: "a control character within a string, which JSON writes as \\u00XX",
    ESCAPE: "a backslash that is no escape of JSON",
    SURROGATE: "half of a surrogate pair, which is no character",
    DEEP: "nested deeper than 1,024 levels",
    DUPLICATE_KEY: "it stands twice in the object",
    NESTED_OBJECT: "a nested object",
    NESTED_ARRAY: "an array",
}


def shown_key(names: Sequence[str], key: int, data: np.ndarray, at: int) -> str:
    """The name of a key, or that of the one at `at`, which has no number."""
    if key >= 0:
        return names[key]
    return read_key(data[at : at + 8 * _SHOWN].tobytes())


def read_key(data: bytes) -> str:
    """The string with which the bytes begin, or what there is of it; empty for none."""
    text = data.decode("utf-8", "replace")
    if not text.startswith('"'):
        return ""
    try:
        return json.JSONDecoder().raw_decode(text)[0]
    except ValueError:
        return text[1:_SHOWN]


def describe(status: int, line: np.ndarray, at: int, key: str) -> tuple[str, str | None]:
    """What is wrong with a line at its byte `at`, and what may help."""
    skip = "--on-bad-row skip sets such lines aside"
    if status == NO_OBJECT:
        first = line[at : at + 1].tobytes()
        if first == b"[":
            return (
                "an array, and not an object",
                "of one JSON array, jq -c '.[]' FILE makes lines; --text keeps lines as they are",
            )
        return "no JSON object begins here", "--text reads lines, --no-jsonl a CSV"
    if status == UNKNOWN_KEY:
        return (
            f'key "{key}" is not among the columns: the sample has no line with it',
            f"--names lists all keys, this one too; then --drop '{key}' leaves it out. {skip}",
        )
    where = f'key "{key}": ' if key else ""
    if status in (NESTED_OBJECT, NESTED_ARRAY):
        return (
            f"{where}{_PROBLEMS[status]}, which a column does not hold",
            f"--nested text keeps it as JSON text, --drop '{key}' leaves it out",
        )
    if status == CUT and not key:
        return _PROBLEMS[status], f"JSON lines have an object a line: jq -c . FILE. {skip}"
    return where + _PROBLEMS[status], skip
