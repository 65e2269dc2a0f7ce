"""The file that Kaggle's own program needs beside a dataset, and the command that sends it."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

from bigdata_cli.dataset.manifest import Manifest
from bigdata_cli.errors import UsageError
from bigdata_cli.io.store import Store
from bigdata_cli.publishing.options import PushOptions
from bigdata_cli.types.dtype import Kind, kind_of

METADATA_NAME = "dataset-metadata.json"
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{1,48}[a-z0-9]")
_MIN_TITLE, _MAX_TITLE = 6, 50
_TYPES = {
    Kind.BOOL: "boolean",
    Kind.INT: "integer",
    Kind.FLOAT: "decimal",
    Kind.DATE: "datetime",
    Kind.TIMESTAMP: "datetime",
}


def metadata_of(manifest: Manifest, address: str, options: PushOptions) -> dict[str, Any]:
    """What `dataset-metadata.json` says of a dataset; raises UsageError for an address that is
    none of Kaggle."""
    user, slash, slug = address.partition("://")[2].strip("/").partition("/")
    if not user or not slash or _SLUG.fullmatch(slug) is None:
        raise UsageError(
            f"{address} is no dataset of Kaggle",
            hint="kaggle://USER/NAME, where NAME has 3 to 50 small letters, digits and hyphens",
        )
    fields = [
        {"name": column.name, "type": _TYPES.get(kind_of(column.dtype), "string")}
        for column in manifest.schema
    ]
    names = [name for shard in manifest.shards for name in shard.file_names]
    return {
        "title": _title(slug),
        "id": f"{user}/{slug}",
        "licenses": [{"name": options.license or "unknown"}],
        "description": (
            f"{manifest.rows:,} rows and {len(manifest.columns):,} columns in "
            f"{len(manifest.shards):,} {manifest.format} files; the manifest has their types "
            "and statistics."
        ),
        "resources": [{"path": name, "schema": {"fields": fields}} for name in names],
    }


def _title(slug: str) -> str:
    """A title of the length that Kaggle takes."""
    title = slug.replace("-", " ").title()
    return (title if len(title) >= _MIN_TITLE else f"{title} dataset")[:_MAX_TITLE]


def write_metadata(store: Store, metadata: dict[str, Any]) -> None:
    """Write the file beside the dataset."""
    store.put(METADATA_NAME, (json.dumps(metadata, indent=2) + "\n").encode())


def command(folder: Path) -> str:
    """The command that sends a folder; of a dataset that is there, `version` in place of `create`
    makes a new version."""
    return f"kaggle datasets create --dir-mode zip -p {shlex.quote(str(folder))}"
