"""Source files: opened, checked, and described so that any process can read pieces of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bigdata_cli.errors import DataError, UsageError, did_you_mean
from bigdata_cli.manifest import SourceEntry
from bigdata_cli.sources.dialect import (
    TEXT_LINES,
    Dialect,
    check_character,
    detect_delimiter,
    looks_like_header,
    read_records,
    unique_names,
)

_HEAD_BYTES = 1 << 18
_DIGEST_BYTES = 1 << 16
_SIGNATURES = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\x03\x04": "zip",
    b"PAR1": "parquet",
    b"\x89HDF": "hdf5",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, kw_only=True)
class SourceOptions:
    """What the user said of the source; None is detected, or the default of `Dialect`.

    The fields are those of `Dialect`. quote: "" or "none" for no quoting. text: read lines. null:
    tokens that replace the default ones, or per column "COL=TOKEN".
    """

    delimiter: str | None = None
    quote: str | None = None
    escape: str | None = None
    header: bool | None = None
    names: tuple[str, ...] | None = None
    skip_rows: int = 0
    comment: str | None = None
    trim: bool | None = None
    decimal: str = "."
    thousands: str | None = None
    null_tokens: tuple[str, ...] | None = None
    column_null_tokens: tuple[tuple[str, tuple[str, ...]], ...] = ()
    text: bool | None = None
    keep_blank_lines: bool = False
    encoding: str | None = None


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One file: its name as given, its path, and the bytes of it that are data.

    fields: for each field of a record, which column of the source it is. digest: sha256 of the
    size, the first and the last 64 KiB.
    """

    name: str
    path: Path
    size: int
    data_start: int
    mtime_ns: int
    digest: str
    fields: tuple[int, ...]

    @property
    def data_bytes(self) -> int:
        return self.size - self.data_start

    def entry(self) -> SourceEntry:
        return SourceEntry(
            name=self.name, bytes=self.size, mtime_ns=self.mtime_ns, digest=self.digest
        )


@dataclass(frozen=True, kw_only=True)
class Source:
    """All files of a conversion: one dialect, one list of column names."""

    files: tuple[SourceFile, ...]
    dialect: Dialect
    names: tuple[str, ...]

    @property
    def bytes(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def data_bytes(self) -> int:
        return sum(file.data_bytes for file in self.files)


def open_source(paths: Sequence[str | Path], options: SourceOptions | None = None) -> Source:
    """Look at the files and say what they are.

    Raises UsageError for a missing file or wrong option, DataError for an empty or compressed
    one, or files whose columns differ.
    """
    options = options or SourceOptions()
    if not paths:
        raise UsageError("no source was given", hint="bigdata convert FILE.csv --to parquet")
    heads = [_read_head(Path(path), str(path)) for path in paths]
    dialect = _choose_dialect(heads[0], Path(paths[0]), options)
    files = []
    names: tuple[str, ...] = ()
    for path, head in zip(paths, heads, strict=True):
        file_names, data_start = _header(head, str(path), dialect)
        if not names:
            names = file_names
        files.append(_describe(Path(path), str(path), head, data_start, file_names, names))
    return Source(files=tuple(files), dialect=dialect, names=names)


def _read_head(path: Path, name: str) -> bytes:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except FileNotFoundError as error:
        near = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        raise UsageError(f"{name} does not exist", hint=did_you_mean(path.name, near)) from error
    except IsADirectoryError as error:
        raise UsageError(
            f"{name} is a folder", hint=f"name the files: bigdata convert {name}/*.csv --to …"
        ) from error
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}") from error
    if not path.is_file():
        raise UsageError(f"{name} is not a regular file", hint="save it to a file first")
    for signature, kind in _SIGNATURES.items():
        if head.startswith(signature):
            raise DataError(
                f"{name} is {kind}, not plain UTF-8 text",
                hint="decompress or re-encode it to plain UTF-8 first",
            )
    if not head.removeprefix(_BOM).strip():
        raise DataError(f"{name} is empty")
    return head


def _choose_dialect(head: bytes, path: Path, options: SourceOptions) -> Dialect:
    is_text = options.text
    if is_text is None:
        is_text = path.suffix.lower() == ".txt" and options.delimiter is None
    if is_text:
        if options.delimiter is not None or options.header:
            raise UsageError("--text reads lines: it has no delimiter and no header")
        return TEXT_LINES
    told = '"' if options.quote is None else options.quote
    quote = None if told in ("", "none") else check_character(told, "--quote")
    text = head.removeprefix(_BOM).decode("utf-8", "replace")
    if len(head) == _HEAD_BYTES:  # the last record may be cut
        text = text[: max(text.rfind("\n"), text.rfind("\r")) + 1] or text
    if options.delimiter is not None:
        delimiter = check_character(options.delimiter, "--delimiter")
    else:
        delimiter = detect_delimiter(text, quote)
    header = options.header
    if header is None:
        header = _detect_header(text, delimiter, quote)
    return Dialect(delimiter=delimiter, quote=quote, header=header)


def _detect_header(text: str, delimiter: str, quote: str | None) -> bool:
    from bigdata_cli.sources.fields import is_text_field

    records = read_records(text, delimiter, quote)[:100]
    return bool(records) and looks_like_header(
        records, [[is_text_field(field) for field in record] for record in records[:1]]
    )


def _header(head: bytes, name: str, dialect: Dialect) -> tuple[tuple[str, ...], int]:
    """The column names of a file and the offset of its first data byte."""
    bom = len(_BOM) if head.startswith(_BOM) else 0
    if dialect.is_text:
        return ("text",), bom
    fields, end = _first_record(head, bom, dialect)
    if fields is None:
        raise DataError(
            f"{name}: the first record does not end within {_HEAD_BYTES:,} bytes",
            hint="--text reads lines, --quote none reads quotes as characters",
        )
    if not dialect.header:
        return tuple(f"column{i}" for i in range(len(fields))), bom
    try:
        names = [field.decode("utf-8") for field in fields]
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: the header is not UTF-8: {error}") from error
    return unique_names([field.strip() for field in names]), end


def _first_record(head: bytes, start: int, dialect: Dialect) -> tuple[list[bytes] | None, int]:
    """The fields of the first record that is not blank, and the offset after it."""
    quote = dialect.quote.encode() if dialect.quote else None
    delimiter = (dialect.delimiter or "").encode()
    while head[start : start + 1] in (b"\n", b"\r"):
        start += 1
    fields, field, p = [], bytearray(), start
    quoted = False
    while p < len(head):
        c = head[p : p + 1]
        if quoted:
            if c == quote and head[p + 1 : p + 2] == quote:
                field += c
                p += 1
            elif c == quote:
                quoted = False
            else:
                field += c
        elif (
            c == quote and not field and head[p - 1 : p] in (delimiter, b"\n", b"\r", b"\xbf", b"")
        ):
            quoted = True
        elif c == delimiter:
            fields.append(bytes(field))
            field = bytearray()
        elif c in (b"\n", b"\r"):
            p += 2 if c == b"\r" and head[p + 1 : p + 2] == b"\n" else 1
            return [*fields, bytes(field)], p
        else:
            field += c
        p += 1
    if len(head) < _HEAD_BYTES and not quoted:
        return [*fields, bytes(field)], p
    return None, p


def _describe(
    path: Path,
    name: str,
    head: bytes,
    data_start: int,
    file_names: tuple[str, ...],
    names: tuple[str, ...],
) -> SourceFile:
    if set(file_names) != set(names) or len(file_names) != len(names):
        odd = sorted(set(file_names) ^ set(names)) or [f"{len(file_names)} columns"]
        raise DataError(
            f"{name} has other columns than the first file: {', '.join(odd[:8])}",
            hint="convert files with the same columns only",
        )
    stat = path.stat()
    tail = b""
    with path.open("rb") as file:
        file.seek(max(0, stat.st_size - _DIGEST_BYTES))
        tail = file.read(_DIGEST_BYTES)
    digest = hashlib.sha256(str(stat.st_size).encode() + head[:_DIGEST_BYTES] + tail).hexdigest()
    return SourceFile(
        name=name,
        path=Path(os.path.abspath(path)),
        size=stat.st_size,
        data_start=data_start,
        mtime_ns=stat.st_mtime_ns,
        digest=digest,
        fields=tuple(names.index(column) for column in file_names),
    )
