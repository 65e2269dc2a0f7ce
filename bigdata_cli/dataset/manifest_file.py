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
from bigdata_cli.formats.registry import all_traits, get_manifest_wrapper, get_traits
from bigdata_cli.io.manifest_names import (
    JSON_MANIFEST,
    PLAIN_MANIFEST,
    find_manifest,
    manifest_name,
)
from bigdata_cli.io.store import Store, StoredFile
from bigdata_cli.strict_json import Count, JsonError, convert, decode

MAX_MANIFEST_BYTES = 1 << 29
_MAX_WRAPPED_BYTES = 1 << 26
"""Longer ones are plain JSON: pyarrow reads no texts of 100 MB in the footer of a Parquet file."""
_NO_DIGEST = b"0" * 64
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


def manifest_file(store: Store) -> StoredFile:
    """The file of the manifest in a store; raises UsageError where there is none."""
    try:
        name = find_manifest(store)
    except OSError as error:
        raise DataError(f"{store} cannot be read: {error.strerror}") from error
    if name is None:
        raise UsageError(
            f"{store} is not a dataset: it has no manifest, such as {PLAIN_MANIFEST}",
            hint="bigdata convert FILE.csv --to parquet makes one",
        )
    return StoredFile(store, name)


def read_manifest(store: Store, name: str | None = None) -> Manifest:
    """The manifest of the dataset in a store; name: of its file, where it has an unusual one.

    Raises UsageError where there is none, DataError where it is damaged or was changed.
    """
    file = manifest_file(store) if name is None else StoredFile(store, name)
    manifest, seal = load_manifest(store, file.name, read_manifest_bytes(file))
    if seal is Seal.BROKEN:
        raise DataError(
            f"{file} is damaged, or was changed by hand: {seal.value}",
            hint=f"bigdata verify {store}; after a change of your own, leave out its entry sha256",
        )
    return manifest


def read_manifest_bytes(file: StoredFile) -> bytes:
    """The bytes of a file; DataError where it is no manifest.

    Only a regular file of at most MAX_MANIFEST_BYTES is read.
    """
    try:
        with file.open() as source:
            data = source.read(MAX_MANIFEST_BYTES + 1)
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}") from error
    if len(data) > MAX_MANIFEST_BYTES:
        raise DataError(f"{file} is not a manifest: it has more than {MAX_MANIFEST_BYTES:,} bytes")
    return data


def load_manifest(store: Store, name: str, data: bytes) -> tuple[Manifest, Seal]:
    """The manifest in the bytes of a file, and whether they are those that were written.

    Raises DataError where it is damaged, or of a version that is not known.
    """
    path = StoredFile(store, name)
    try:
        text = _unwrapped(data)
        envelope = decode(text, _Envelope)
        version = envelope.manifest_version
        if not 1 <= version <= MANIFEST_VERSION:
            raise DataError(
                f"{path}: manifest version {version} is not {MANIFEST_VERSION}",
                hint=f"pip install -U {DISTRIBUTION}" if version else None,
            )
        if version < PLAIN_VERSION:
            manifest = _read_old(store, decode(text, dict, check_keys=False), version)
        else:
            manifest = decode(text, Manifest, check_keys=False)
        manifest.schema  # noqa: B018 - names are unique
    except (JsonError, UsageError) as error:
        raise DataError(f"{path} is damaged: {error}") from error
    if envelope.sha256 is msgspec.UNSET:
        return manifest, Seal.MISSING
    match = _SEAL.search(text, max(0, len(text) - 128))
    is_intact = match is not None and match[1].decode() == _digest(data, match[1])
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
        raise JsonError(f"its files are not those of version {version}: {error}") from error
    changed = {"manifest_version": PLAIN_VERSION, "shards": shards, "sidecars": sidecars}
    return convert({**document, **changed}, Manifest)


def encode_manifest(manifest: Manifest, name: str | None = None) -> tuple[str, bytes]:
    """The name of a manifest's file, and its bytes with their checksum.

    name: the one that it has; None for the one that its format has. Raises DataError where it is
    too long.
    """
    text = _text(manifest)
    if name is None:
        name = _usual_name(manifest, len(text))
    data = text
    for traits in all_traits():
        if traits.wraps_manifest and manifest_name(traits.extensions[0]) == name:
            data = get_manifest_wrapper(traits.name).wrap(text, manifest.schema)
    return name, data.replace(_end(_NO_DIGEST), _end(_digest(data, _NO_DIGEST).encode()))


def _text(manifest: Manifest) -> bytes:
    """The manifest as JSON, with zeros in the place of its checksum."""
    values = {**manifest.to_json(), "sha256": _NO_DIGEST.decode()}
    # `json` indents in Python, which takes a second for 10,000 columns.
    text = json.dumps(values, ensure_ascii=False, allow_nan=False)
    text = msgspec.json.format(text, indent=1) + "\n"
    data = text.encode("utf-8")
    if len(data) > MAX_MANIFEST_BYTES:
        raise DataError(
            f"the manifest would have {len(data):,} bytes, more than {MAX_MANIFEST_BYTES:,}",
            hint="--type COL=text has no vocabulary in it; fewer --shards",
        )
    return data


def _usual_name(manifest: Manifest, n_bytes: int) -> str:
    """What the file of a manifest is called in a new dataset.

    A file of the format beside folders KEY=VALUE would be one that lacks their columns.
    """
    traits = get_traits(manifest.format)
    if traits.has_json_sidecars:
        return JSON_MANIFEST
    if not traits.wraps_manifest or manifest.partition_by or n_bytes > _MAX_WRAPPED_BYTES:
        return PLAIN_MANIFEST
    return manifest_name(traits.extensions[0])


def _unwrapped(data: bytes) -> bytes:
    """The JSON in the bytes of a file; raises JsonError where there is none."""
    for traits in all_traits():
        if traits.wraps_manifest and traits.magic and data.startswith(traits.magic):
            return get_manifest_wrapper(traits.name).unwrap(data)
    return data


def _digest(data: bytes, digits: bytes) -> str:
    """The SHA-256 of a file, with zeros in the place of the digits of its own checksum.

    An Arrow file has its metadata, and so the manifest, twice.
    """
    return hashlib.sha256(data.replace(_end(digits), _end(_NO_DIGEST))).hexdigest()


def _end(digits: bytes) -> bytes:
    """The end of a manifest; no value in it has these quotes and line ends unescaped."""
    return b'"sha256": "%b"\n}\n' % digits
