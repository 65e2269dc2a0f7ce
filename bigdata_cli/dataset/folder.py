"""The folder of a dataset, and which of its files may be opened."""

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


def file_problem(folder: Path, name: str) -> str | None:
    """Why a file that a manifest names must not be opened; None where it may be.

    It must be a regular file in the folder: no link that leads out of it, no pipe, no device.
    """
    path = folder / name
    try:
        if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
            return "the file is a link that leads out of the dataset's folder"
        if not path.exists():
            return "the file is missing"
        return None if path.is_file() else "is not a file"
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead to each other
        return f"the file cannot be examined: {error}"
