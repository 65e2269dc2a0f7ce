"""What the manifest of a dataset is called: the file that makes a folder a dataset.

Other libraries that read the folder should pass it over. Parquet and Arrow keep it in a file of
their own kind that has no rows. Elsewhere it is JSON, in a file without an extension: `datasets`
takes `.json` for rows. Only beside other files of JSON (TFRecord) it has that extension, so that
`datasets` fails on all of them, in place of taking the others for rows.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from bigdata_cli.io.places import is_file
from bigdata_cli.io.store import Files, StoredFile
from bigdata_cli.url import Url

if TYPE_CHECKING:
    from pathlib import Path

JSON_MANIFEST = "_manifest.json"
PLAIN_MANIFEST = "_manifest"
MANIFEST_NAMES = ("_manifest.parquet", "_manifest.arrow", PLAIN_MANIFEST, JSON_MANIFEST)
"""All names that it may have. Where a folder has several, the first one counts."""


def manifest_name(extension: str) -> str:
    """What it is called in a file with that extension.

    >>> manifest_name(".parquet")
    '_manifest.parquet'
    """
    name = f"_manifest{extension}"
    assert name in MANIFEST_NAMES
    return name


def is_manifest_name(name: str) -> bool:
    """Whether a file of that name, without a folder, is a manifest."""
    return name in MANIFEST_NAMES


def manifest_among(names: Iterable[str]) -> str | None:
    """The manifest among the names of a folder; None where it is no dataset."""
    there = set(names)
    return next((name for name in MANIFEST_NAMES if name in there), None)


def find_manifest(files: Files) -> str | None:
    """The name of the manifest in a store; None where there is none."""
    return next((name for name in MANIFEST_NAMES if StoredFile(files, name).exists()), None)


def has_manifest(folder: str | Path | Url) -> bool:
    """Whether a folder is a dataset, by its place."""
    if isinstance(folder, Url):
        return any(is_file(folder / name) for name in MANIFEST_NAMES)
    return any(os.path.exists(os.path.join(folder, name)) for name in MANIFEST_NAMES)
