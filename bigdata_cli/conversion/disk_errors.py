"""What to say where the file system fails while a dataset is written."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bigdata_cli.errors import BudgetError, DataError
from bigdata_cli.io.store import Store


@contextmanager
def disk_errors(folder: Path | Store) -> Iterator[None]:
    """Raise what `disk_error` says of an error of the file system."""
    try:
        yield
    except OSError as error:
        raise disk_error(error, folder) from error


def disk_error(error: OSError, folder: Path | Store) -> BudgetError | DataError:
    """What to say of an error of the file system while writing."""
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return BudgetError(
            f"{folder}: too many files are open at once",
            hint="--shard-size in place of --shards writes one shard after the other; ulimit -n",
        )
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return BudgetError(
            f"{folder}: the disk is full ({error.strerror})",
            hint="--float 32, --compression or --drop make the dataset smaller; -o on another disk",
        )
    return DataError(f"{folder}: writing failed: {error}")
