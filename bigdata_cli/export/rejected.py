"""`cat --rejected`: the records that the conversion of a dataset set aside."""

from __future__ import annotations

from typing import IO

from bigdata_cli.dataset import Dataset, open_dataset
from bigdata_cli.dataset.rejects_file import HEADER, open_rejects, read_rejects, rejects_entry
from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.export.options import CatOptions
from bigdata_cli.io.store import StoredFile
from bigdata_cli.options import given_options
from bigdata_cli.url import Place

_COPIED_BYTES = 1 << 20
_ALLOWED = ("--rejected", "--output", "--cache", "--cache-size")


def rejected_of(place: Place, options: CatOptions) -> Dataset:
    """The dataset whose rejected records are asked for.

    Raises UsageError where it is none, or where other options are about its rows.
    """
    for option, value in given_options(options):
        if option.flag not in _ALLOWED:
            raise UsageError(
                f"--rejected writes all of them as CSV, without {option.flag_of(value)}"
            )
    return open_dataset(place)


def write_rejected(dataset: Dataset, sink: IO[bytes]) -> int:
    """Write the rejected records, below a header; returns how many there are.

    Raises DataError where their file is damaged.
    """
    entry = rejects_entry(dataset.manifest)
    if entry is None:
        sink.write(",".join(HEADER).encode() + b"\r\n")
        return 0
    file = StoredFile(dataset.store, entry.name)
    try:
        n_records = sum(1 for _ in read_rejects(file))
        with open_rejects(file) as source:
            while piece := source.read(_COPIED_BYTES):
                sink.write(piece)
    except (FileNotFoundError, ValueError) as error:
        what = "missing" if isinstance(error, FileNotFoundError) else f"damaged: {error}"
        raise DataError(f"{file} is {what}", hint=f"bigdata verify {dataset.path}") from error
    return n_records
