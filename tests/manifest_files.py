"""Manifests and rejected records of datasets, in whatever kind of file they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bigdata_cli.dataset.manifest_file import encode_manifest, read_manifest
from bigdata_cli.io.local_store import LocalStore
from bigdata_cli.io.manifest_names import JSON_MANIFEST, MANIFEST_NAMES

_KEY = b"bigdata.manifest"


def manifest_path(folder: Path) -> Path:
    """The one file of a manifest in a folder."""
    [path] = [folder / name for name in MANIFEST_NAMES if (folder / name).exists()]
    return path


def has_manifest(folder: Path) -> bool:
    """Whether there is any in a folder."""
    return any((folder / name).exists() for name in MANIFEST_NAMES)


def read_document(folder: Path) -> dict[str, Any]:
    """The manifest of a dataset; wrapped ones are read with pyarrow alone."""
    path = manifest_path(folder)
    if path.suffix == ".parquet":
        return json.loads(pq.read_metadata(path).metadata[_KEY])
    if path.suffix == ".arrow":
        return json.loads(pa.ipc.open_file(path.read_bytes()).schema.metadata[_KEY])
    return json.loads(path.read_text(encoding="utf-8"))


def as_json(folder: Path) -> Path:
    """Put the manifest into a file of JSON, as all were once; returns its path."""
    path = manifest_path(folder)
    if path.name != JSON_MANIFEST:
        _, data = encode_manifest(read_manifest(LocalStore(folder)), JSON_MANIFEST)
        path.unlink()
        (folder / JSON_MANIFEST).write_bytes(data)
    return folder / JSON_MANIFEST


def rejects_path(folder: Path) -> Path:
    """The one file of rejected records in a folder."""
    [path] = [path for path in folder.glob("*rejects*") if path.suffix != ".partial"]
    return path


def rejected_csv(folder: Path) -> bytes:
    """The CSV of the rejected records of a dataset, found with pyarrow where it is in a file."""
    path = rejects_path(folder)
    data = path.read_bytes()
    if path.suffix == ".parquet":
        place = pq.read_metadata(path).metadata[b"bigdata.rejects"]
    elif path.suffix == ".arrow":
        place = pa.ipc.open_file(data).schema.metadata[b"bigdata.rejects"]
    else:
        return data
    first, n_bytes = map(int, place.split())
    return data[first : first + n_bytes]


def write_document(folder: Path, document: dict[str, Any]) -> None:
    """Put a manifest into a folder as JSON, in place of the one that is there."""
    if has_manifest(folder):
        manifest_path(folder).unlink()
    (folder / JSON_MANIFEST).write_text(json.dumps(document), encoding="utf-8")
