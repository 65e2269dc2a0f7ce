"""The formats by name; the modules of a format are imported when they are first asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from bigdata_cli.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from bigdata_cli.formats.base import Format
    from bigdata_cli.formats.traits import FormatTraits

FORMATS = ("parquet", "hdf5", "npy", "tfrecord", "arrow")
"""Each is a folder beside this file, with TRAITS in `traits.py` and FORMAT in `format.py`."""
INTERNAL_FORMATS = ("buckets",)
"""The same, of files that a conversion removes before its end: no dataset has such a format."""


def get_format(name: str | None) -> Format:
    """The format of that name; raises UsageError with a suggestion, and where none is given."""
    return _module(name, "format").FORMAT


def get_traits(name: str | None) -> FormatTraits:
    """The facts of a format, without loading it; raises UsageError with a suggestion."""
    return _module(name, "traits").TRAITS


def get_manifest_wrapper(name: str) -> Any:
    """How the manifest is put into a file of a format whose traits say `wraps_manifest`.

    Its `wrap` makes the bytes of a file without rows, whose metadata holds the manifest; `unwrap`
    finds it there, and raises JsonError where there is none. `head` and `tail` stand around
    rejected records in such a file, and `place` finds these.
    """
    return _module(name, "manifest")


@cache
def all_traits() -> tuple[FormatTraits, ...]:
    """The facts of all formats."""
    return tuple(get_traits(name) for name in FORMATS)


def shard_extensions() -> tuple[str, ...]:
    """The extensions of the files of shards, of all formats, with the point."""
    return tuple(extension for traits in all_traits() for extension in traits.extensions)


def magics() -> dict[str, tuple[bytes, str]]:
    """What the files of formats begin with, by their names, and how a foreign one is made a source.

    Not all formats have such a mark.
    """
    return {
        traits.name: (traits.magic, traits.to_table)
        for traits in all_traits()
        if traits.magic is not None
    }


def formats_that(holds: Callable[[FormatTraits], bool]) -> str:
    """What to ask for where another format is needed, as a hint: those of which `holds` is true.

    >>> formats_that(lambda traits: "matrix" in traits.layout_names)
    '--to hdf5, or --to npy'
    """
    return ", or ".join(f"--to {traits.name}" for traits in all_traits() if holds(traits))


def _module(name: str | None, part: str) -> Any:
    if name is None:
        raise UsageError(
            "there is no format to write",
            hint=f"--to {FORMATS[0]}, or {', '.join(FORMATS[1:])}; --like DIR takes that of DIR",
        )
    if name not in FORMATS + INTERNAL_FORMATS:
        raise UsageError(f'there is no format "{name}"', hint=did_you_mean(name, FORMATS))
    return import_module(f"bigdata_cli.formats.{name}.{part}")
