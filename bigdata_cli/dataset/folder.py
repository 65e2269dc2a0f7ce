"""The folder of a dataset."""

from __future__ import annotations

from pathlib import Path

from bigdata_cli.errors import UsageError
from bigdata_cli.io.manifest_names import is_manifest_name
from bigdata_cli.url import Place, Url, as_place


def dataset_folder(path: str | Path) -> Place:
    """The folder of a dataset, given that folder or its manifest; raises UsageError.

    Whether an address is one says its manifest.
    """
    folder = as_place(path)
    if isinstance(folder, Url):
        return folder.parent if is_manifest_name(folder.name) else folder
    if is_manifest_name(folder.name) and not folder.is_dir():
        folder = folder.parent
    if not folder.exists():
        raise UsageError(f"{path} does not exist", hint="the folder that `bigdata convert` wrote")
    if not folder.is_dir():
        raise UsageError(
            f"{path} is a file, not the folder of a dataset",
            hint=f"bigdata convert {path} --to parquet makes a dataset of it",
        )
    return folder
