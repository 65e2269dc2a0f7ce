"""The file of rejected records: a CSV, in a file of the format where that has to be.

Polars refuses a folder with files of two kinds. So the CSV of a Parquet or Arrow dataset stands in
a file of that kind without rows, as its manifest does: before the footer, where no reader looks.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from typing import BinaryIO, cast

from bigdata_cli.checksum import FileEntry
from bigdata_cli.dataset.manifest import Manifest
from bigdata_cli.formats.registry import all_traits, get_manifest_wrapper, get_traits
from bigdata_cli.io.store import ByteSource, Store, StoredFile, partial_name

HEADER = ("source", "line", "byte", "reason", "raw")
_PLAIN_NAME = "_rejects"
"""Without an extension: `datasets` takes `.csv` for rows."""
_OLD_NAME = "rejects.csv"
"""Of datasets of version 0.1."""
_FIELD = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^",]*))(,|\Z)')
_PLACE = re.compile(r"(\d{1,18}) (\d{1,18})")


def rejects_name(manifest: Manifest) -> str:
    """What the file of a dataset is called, where it is one of this version."""
    traits = get_traits(manifest.format)
    if not traits.wraps_manifest or manifest.partition_by:
        return _PLAIN_NAME
    return f"_rejects{traits.extensions[0]}"


def rejects_entry(manifest: Manifest) -> FileEntry | None:
    """The file with the rejected records of a dataset; None where there are none."""
    names = (rejects_name(manifest), _PLAIN_NAME, _OLD_NAME)
    return next((file for file in manifest.sidecars if file.name in names), None)


def write_rejects(store: Store, manifest: Manifest, pieces: Iterable[bytes]) -> FileEntry:
    """Write a CSV to the file of a dataset, under its partial name; it is on the disk then.

    pieces: of the CSV, with the header.
    """
    name = rejects_name(manifest)
    wrapper = None if name == _PLAIN_NAME else get_manifest_wrapper(manifest.format)
    with closing(store.create(partial_name(name))) as file:
        head = b"" if wrapper is None else wrapper.head(manifest.schema)
        file.write(head)
        n_bytes = 0
        for data in pieces:
            file.write(data)
            n_bytes += len(data)
        if wrapper is not None:
            file.write(wrapper.tail(manifest.schema, f"{len(head)} {n_bytes}"))
        entry = file.finish(name)
    store.sync([partial_name(name)])
    return entry


@contextmanager
def open_rejects(path: StoredFile) -> Iterator[BinaryIO]:
    """The bytes of the CSV in a file; raises ValueError where it is none of ours."""
    with path.open() as file:
        yield cast("BinaryIO", io.BufferedReader(_Part(file, _place(path, file))))


def _place(path: StoredFile, file: ByteSource) -> range:
    """The bytes of a file that are the CSV."""
    n_bytes = path.stat().bytes
    for traits in all_traits():
        if traits.wraps_manifest and path.name.endswith(traits.extensions[0]):
            match = _PLACE.fullmatch(get_manifest_wrapper(traits.name).place(file) or "")
            if match is None:
                raise ValueError("its metadata does not say where the records are")
            first, length = map(int, match.groups())
            if first + length > n_bytes:
                raise ValueError("its metadata names a place beyond its end")
            return range(first, first + length)
    return range(n_bytes)


class _Part(io.RawIOBase):
    """Some bytes of an open file, read from their start to their end."""

    def __init__(self, file: ByteSource, part: range) -> None:
        self._file = file
        self._left = len(part)
        file.seek(part.start)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object, /) -> int:
        view = memoryview(buffer)[: self._left]  # type: ignore[arg-type]
        data = self._file.read(len(view))
        view[: len(data)] = data
        self._left -= len(data)
        return len(data)


def read_rejects(path: StoredFile) -> Iterator[list[str]]:
    """The rejected records; raises ValueError where the file is not as we write it."""
    with open_rejects(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", errors="surrogateescape", newline="")
        records = read_records(text)
        if next(records, None) != list(HEADER):
            raise ValueError(f"its header is not {','.join(HEADER)}")
        for number, record in enumerate(records, 1):
            if len(record) != len(HEADER):
                raise ValueError(f"record {number:,} has {len(record)} fields")
            yield record


def read_records(lines: Iterable[str]) -> Iterator[list[str]]:
    """The records of a text that `csv.writer` wrote; raises ValueError where it is none.

    The limit of a field in csv.reader is one of the whole process.
    """
    parts: list[str] = []
    n_quotes = 0
    for number, line in enumerate(lines, 1):
        parts.append(line)
        n_quotes += line.count('"')
        if n_quotes % 2 == 0:
            yield _fields("".join(parts), number)
            parts.clear()
    if parts:
        raise ValueError("a quote is never closed")


def _fields(record: str, line: int) -> list[str]:
    fields: list[str] = []
    place, record = 0, record.rstrip("\r\n")
    while True:
        match = _FIELD.match(record, place)
        if match is None:
            raise ValueError(f"line {line:,} is no record of a CSV")
        quoted, plain, end = match.groups()
        fields.append(plain if quoted is None else quoted.replace('""', '"'))
        if not end:
            return fields
        place = match.end()
