"""Codecs by the name and level that `--compression` gives."""

from __future__ import annotations

import pyarrow as pa

from bigdata_cli.errors import UsageError
from bigdata_cli.formats.base import Format, StorageOptions

_DEFAULT_LEVELS = {"gzip": 6, "brotli": 5}


def parse_compression(form: Format, options: StorageOptions) -> tuple[str, int | None]:
    """The compression's name and its level (None: the library's default).

    Raises UsageError where the level is not a number.
    """
    if options.compression is None:
        return form.traits.compressions[0], None
    name, _, level = options.compression.partition(":")
    if not level:
        return name, None
    if not level.isdigit():
        raise UsageError(f"the level of --compression {options.compression} is not a number")
    return name, int(level)


def parse_gzip(form: Format, options: StorageOptions) -> tuple[str, int | None]:
    """Of a format with gzip and nothing else; raises UsageError for a level that it has not."""
    name, level = parse_compression(form, options)
    if level is not None and not (name == "gzip" and level <= 9):
        raise UsageError(
            f"--compression {options.compression} has a level that {name} does not know",
            hint="--compression gzip:4, of 0 to 9, or --compression none",
        )
    return name, level


def parse_codec(form: Format, options: StorageOptions) -> tuple[str, int | None]:
    """A codec of pyarrow and its level; raises UsageError for a level that it does not have."""
    codec, level = parse_compression(form, options)
    if level is None:
        return codec, _DEFAULT_LEVELS.get(codec)
    if codec == "none" or not pa.Codec.supports_compression_level(codec):
        raise UsageError(f"{codec} has no levels", hint=f"--compression {codec}")
    low = pa.Codec.minimum_compression_level(codec)
    high = pa.Codec.maximum_compression_level(codec)
    if not low <= level <= high:
        raise UsageError(
            f"--compression {options.compression}: the levels of {codec} are "
            f"{max(low, 0)} to {high}"
        )
    return codec, level
