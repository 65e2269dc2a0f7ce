"""The formats by name; the modules of a format are imported when they are first asked for."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from bigdata_cli.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from bigdata_cli.formats.base import Format
    from bigdata_cli.formats.traits import FormatTraits

FORMATS = ("parquet", "hdf5", "npy", "tfrecord", "arrow")
"""Each is a folder beside this file, with TRAITS in `traits.py` and FORMAT in `format.py`."""


def get_format(name: str) -> Format:
    """The format of that name; raises UsageError with a suggestion."""
    return _module(name, "format").FORMAT


def get_traits(name: str) -> FormatTraits:
    """The facts of a format, without loading it; raises UsageError with a suggestion."""
    return _module(name, "traits").TRAITS


@cache
def all_traits() -> tuple[FormatTraits, ...]:
    """The facts of all formats."""
    return tuple(get_traits(name) for name in FORMATS)


def _module(name: str, part: str) -> Any:
    if name not in FORMATS:
        raise UsageError(f'there is no format "{name}"', hint=did_you_mean(name, FORMATS))
    return import_module(f"bigdata_cli.formats.{name}.{part}")
