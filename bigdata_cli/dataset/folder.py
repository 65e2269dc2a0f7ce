"""The folder of a dataset."""

from __future__ import annotations

from pathlib import Path

from bigdata_cli.errors import UsageError
from bigdata_cli.io.paths import MANIFEST_NAME


def dataset_folder(path: str | Path) -> Path:
    """The folder of a dataset, given that folder or its `_manifest.json`; raises UsageError."""
    folder = Path(path)
    if folder.name == MANIFEST_NAME and not folder.is_dir():
        folder = folder.parent
    if not folder.exists():
        raise UsageError(f"{path} does not exist", hint="the folder that `bigdata convert` wrote")
    if not folder.is_dir():
        raise UsageError(
            f"{path} is a file, not the folder of a dataset",
            hint=f"bigdata convert {path} --to parquet makes a dataset of it",
        )
    return folder
