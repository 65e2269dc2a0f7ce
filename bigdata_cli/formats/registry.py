"""The formats by name; a format's module is imported when it is first asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from bigdata_cli.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from bigdata_cli.formats.base import Format

FORMATS = {
    "parquet": "bigdata_cli.formats.parquet.format:ParquetFormat",
    "hdf5": "bigdata_cli.formats.hdf5.format:Hdf5Format",
    "npy": "bigdata_cli.formats.npy.format:NpyFormat",
    "tfrecord": "bigdata_cli.formats.tfrecord.format:TfrecordFormat",
}


def get_format(name: str) -> Format:
    """The format of that name; raises UsageError with a suggestion."""
    if name not in FORMATS:
        raise UsageError(f'there is no format "{name}"', hint=did_you_mean(name, FORMATS))
    module, _, attribute = FORMATS[name].partition(":")
    return getattr(import_module(module), attribute)()
