"""The file of a manifest: read as untrusted, and written with a checksum of its own bytes."""

from __future__ import annotations

import hashlib
import json
import re
from enum import Enum
from typing import Any

import msgspec

from bigdata_cli import DISTRIBUTION
from bigdata_cli.checksum import entry_of_bytes, entry_of_source
from bigdata_cli.dataset.manifest import MANIFEST_VERSION, PLAIN_VERSION, Manifest
from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.io.paths import MANIFEST_NAME
from bigdata_cli.io.store import Store, StoredFile
from bigdata_cli.strict_json import Count, JsonError, convert, decode

MAX_MANIFEST_BYTES = 1 << 29
_NO_DIGEST = "0" * 64
_SEAL = re.compile(rb'"sha256": "([0-9a-f]{64})"\n\}\n\Z')


class Seal(Enum):
    """What the checksum that a manifest has of itself says of it."""

    INTACT = "its SHA-256 is the one that it says"
    BROKEN = "its SHA-256 is not the one that it says"
    MISSING = "it has no SHA-256 of itself"


class _Envelope(msgspec.Struct):
    """What tells how to read a manifest."""

    manifest_version: Count
    sha256: Any = msgspec.UNSET


def read_manifest(store: Store, name: str = MANIFEST_NAME) -> Manifest:
    """The manifest of the dataset in a store, in the file of that name.

    Raises UsageError where there is none, DataError where it is damaged or was changed.
    """
    path = StoredFile(store, name)
    manifest, seal = load_manifest(store, read_manifest_bytes(store, name), name)
    if seal is Seal.BROKEN:
        raise DataError(
            f"{path} is damaged, or was changed by hand: {seal.value}",
            hint=f"bigdata verify {store}; after a change of your own, leave out its entry sha256",
        )
    return manifest


def read_manifest_bytes(store: Store, name: str = MANIFEST_NAME) -> bytes:
    """The bytes of a manifest; UsageError where there is none, DataError where it is no such file.

    Only a regular file of at most MAX_MANIFEST_BYTES is read.
    """
    path = StoredFile(store, name)
    try:
        with path.open() as file:
            data = file.read(MAX_MANIFEST_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(
            f"{store} is not a dataset: it has no {MANIFEST_NAME}",
            hint="bigdata convert FILE.csv --to parquet makes one",
        ) from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > MAX_MANIFEST_BYTES:
        raise DataError(f"{path} is no manifest: it has more than {MAX_MANIFEST_BYTES:,} bytes")
    return data


def load_manifest(store: Store, data: bytes, name: str = MANIFEST_NAME) -> tuple[Manifest, Seal]:
    """The manifest in the bytes of a file, and whether they are those that were written.

    Raises DataError where it is damaged, or of a version that is not known.
    """
    path = StoredFile(store, name)
    try:
        envelope = decode(data, _Envelope)
        version = envelope.manifest_version
        if not 1 <= version <= MANIFEST_VERSION:
            raise DataError(
                f"{path}: manifest version {version} is not {MANIFEST_VERSION}",
                hint=f"pip install -U {DISTRIBUTION}" if version else None,
            )
        if version < PLAIN_VERSION:
            manifest = _read_old(store, decode(data, dict, check_keys=False), version)
        else:
            manifest = decode(data, Manifest, check_keys=False)
        manifest.schema  # noqa: B018 - names are unique
    except (JsonError, UsageError) as error:
        raise DataError(f"{path} is damaged: {error}") from error
    if envelope.sha256 is msgspec.UNSET:
        return manifest, Seal.MISSING
    match = _SEAL.search(data, max(0, len(data) - 128))
    is_intact = match is not None and match[1].decode() == _digest(data, match)
    return manifest, Seal.INTACT if is_intact else Seal.BROKEN


def _read_old(store: Store, document: dict[str, Any], version: int) -> Manifest:
    """A manifest of version 1 or 2. Their files have SHA-256, under the key `sha256`.

    Version 1 has the names of sidecars alone: they are taken as they are in the folder.
    """

    def upgraded(file: dict[str, Any]) -> dict[str, Any]:
        return {**file, "checksum": f"sha256:{file['sha256']}"}

    def found(name: str) -> dict[str, Any]:
        empty = entry_of_bytes(name, b"")
        if store.problem(name):
            return msgspec.structs.asdict(empty)
        with store.open(name) as file:
            return msgspec.structs.asdict(entry_of_source(file, name))

    try:
        shards = [
            {**shard, "files": [upgraded(file) for file in shard["files"]]}
            for shard in document["shards"]
        ]
        sidecars = [found(s) if version == 1 else upgraded(s) for s in document["sidecars"]]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise JsonError(f"its files are not as version {version} has them: {error}") from error
    changed = {"manifest_version": PLAIN_VERSION, "shards": shards, "sidecars": sidecars}
    return convert({**document, **changed}, Manifest)


def manifest_text(manifest: Manifest) -> str:
    """The manifest as it stands in its file, with its checksum; DataError where it is too long."""
    values = {**manifest.to_json(), "sha256": _NO_DIGEST}
    # `json` indents in Python, which takes a second for 10,000 columns.
    text = json.dumps(values, ensure_ascii=False, allow_nan=False)
    text = msgspec.json.format(text, indent=1) + "\n"
    data = text.encode("utf-8")
    if len(data) > MAX_MANIFEST_BYTES:
        raise DataError(
            f"the manifest would have {len(data):,} bytes, more than {MAX_MANIFEST_BYTES:,}",
            hint="--type COL=text has no vocabulary in it; fewer --shards",
        )
    seal = _SEAL.search(data, len(data) - 128)
    assert seal is not None
    return (data[: seal.start(1)] + _digest(data, seal).encode() + data[seal.end(1) :]).decode()


def _digest(data: bytes, seal: re.Match[bytes]) -> str:
    """The SHA-256 of a manifest: of all its bytes, with zeros in the place of the digest itself."""
    digest = hashlib.sha256(memoryview(data)[: seal.start(1)])
    digest.update(_NO_DIGEST.encode())
    digest.update(data[seal.end(1) :])
    return digest.hexdigest()
