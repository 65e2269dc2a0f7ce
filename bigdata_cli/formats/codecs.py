"""Codecs of pyarrow by the name and level that `--compression` gives."""

from __future__ import annotations

import pyarrow as pa

from bigdata_cli.errors import UsageError
from bigdata_cli.formats.base import Format, StorageOptions, parse_compression

_DEFAULT_LEVELS = {"gzip": 6, "brotli": 5}


def parse_codec(form: Format, options: StorageOptions) -> tuple[str, int | None]:
    """The codec and its level; raises UsageError for a level that it does not have."""
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
