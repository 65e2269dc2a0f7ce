"""Values in the names of folders, as Hive has them: `country=DE/year=2024/trips-00000-of-00003`.

Values and names of columns are percent-encoded, nulls are `__HIVE_DEFAULT_PARTITION__`; so pyarrow,
Polars, DuckDB and Spark read them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from urllib.parse import quote, unquote

import pyarrow as pa

from bigdata_cli.errors import DataError, UsageError, VerificationError
from bigdata_cli.types.buffers import text_array
from bigdata_cli.types.dtype import Column, Kind, Schema, arrow_type

NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
MAX_PARTITIONS = 10_000
"""Folders of a dataset. Each has a file at least, and none is open while others are written."""
_MAX_NAME_BYTES = 255
_KINDS = (Kind.INT, Kind.BOOL, Kind.TEXT, Kind.CATEGORY, Kind.DATE, Kind.NULL)


def check_partitions(schema: Schema, names: Sequence[str]) -> None:
    """Raise UsageError where values of these columns cannot be names of folders."""
    for name in names:
        column = schema[name]
        if column.kind not in _KINDS:
            raise UsageError(
                f'--partition-by: column "{name}" is {column.dtype}, whose values are no names of '
                "folders",
                hint=f"--derive 'part = …' makes a column for it, such as date_trunc('day', {name})"
                if column.kind is Kind.TIMESTAMP
                else "--bin makes integers of it",
            )
    if len(names) == len(schema):
        raise UsageError("--partition-by: no column is left for the files")


SPLIT = "split"
"""In place of a column: the key of the folders of splits."""


def folder_of_split(name: str) -> str:
    """The folder of a split, with a slash at the end.

    >>> folder_of_split("train")
    'split=train/'
    """
    return f"{SPLIT}={name}/"


def folder_of(names: Sequence[str], values: Sequence[object]) -> str:
    """The folders of rows with these values, with a slash at the end.

    >>> folder_of(["country", "sold"], ["a/b", None])
    'country=a%2Fb/sold=__HIVE_DEFAULT_PARTITION__/'

    Raises DataError for a value that cannot be the name of a folder.
    """
    folder = ""
    for name, value in zip(names, values, strict=True):
        text = _text(value)
        if value is not None and text == NO_VALUE:
            raise DataError(f'--partition-by: column "{name}" has the text "{NO_VALUE}", a null')
        part = f"{quote(name, safe='')}={quote(text, safe='')}"
        if len(part) > _MAX_NAME_BYTES:
            raise DataError(
                f'--partition-by: column "{name}" has a value of {len(text):,} characters, which '
                f"is too long for the name of a folder: {text[:40]}…"
            )
        folder += part + "/"
    return folder


def _text(value: object) -> str:
    if value is None:
        return NO_VALUE
    return str(value).lower() if isinstance(value, bool) else str(value)


def values_in(name: str) -> dict[str, str | None]:
    """The values in the name of a file, by column; None for a null.

    >>> values_in("country=a%2Fb/sold=__HIVE_DEFAULT_PARTITION__/trips-00000-of-00001.parquet")
    {'country': 'a/b', 'sold': None}
    """
    found = {}
    for part in name.split("/")[:-1]:
        key, _, value = part.partition("=")
        found[unquote(key)] = None if value == NO_VALUE else unquote(value)
    return found


def constant(column: Column, name: str, n_rows: int) -> pa.Array:
    """A column whose value is in the name of a file, for so many rows.

    Raises VerificationError where it is not there, or is no value of the column.
    """
    values = values_in(name)
    try:
        text = values[column.name]
        if column.kind is Kind.CATEGORY:
            words = text_array(column.vocabulary or ())
            code = None if text is None else (column.vocabulary or ()).index(text)
            codes = pa.repeat(pa.scalar(code, pa.int32()), n_rows)
            return pa.DictionaryArray.from_arrays(codes, words)
        kind = arrow_type(column.dtype)
        return pa.repeat(pa.scalar(None if text is None else _value(text, column), kind), n_rows)
    except (KeyError, ValueError, OverflowError, pa.ArrowException) as error:
        raise VerificationError(
            f'{name}: no value of column "{column.name}" is in the names of its folders'
        ) from error


def _value(text: str, column: Column) -> object:
    """The value of a text; raises ValueError."""
    if column.kind is Kind.INT:
        return int(text)
    if column.kind is Kind.BOOL:
        return {"true": True, "false": False}[text]
    if column.kind is Kind.DATE:
        return dt.date.fromisoformat(text)
    return text
