"""What the beginning of a source is, as what stands in it tells: text, or what else."""

from __future__ import annotations

import codecs
import json
import os
import re
import shlex
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from bigdata_cli.errors import DataError
from bigdata_cli.io.archive import ZIP_SIGNATURES


class _Kind(NamedTuple):
    """A kind of file. hint: what makes a table of it, {} for its name."""

    what: str
    signature: re.Pattern[bytes]
    hint: str = ""


def _kind(what: str, signature: bytes, hint: str = "") -> _Kind:
    return _Kind(what, re.compile(signature, re.DOTALL), hint)


_EXTRACT = "extract it first"
_BY_PANDAS = "python -c \"import pandas; pandas.{}('FILE').to_parquet('OUT.parquet')\""
_BINARY = (
    _kind("a tar archive", b".{257}ustar", _EXTRACT),
    _kind("a 7z archive", b"7z\xbc\xaf'\x1c", _EXTRACT),
    _kind("a rar archive", b"Rar!\x1a\x07", _EXTRACT),
    _kind("lz4", b"\x04\x22\x4d\x18", "lz4 -dc FILE > OUT.csv"),
    _kind("compressed (.Z)", b"\x1f\x9d", "zcat FILE > OUT.csv"),
    _kind("compressed by snappy", b"\xff\x06\x00\x00sNaPpY", _EXTRACT),
    _kind("a zip archive", b"|".join(map(re.escape, ZIP_SIGNATURES)), _EXTRACT),
    _kind(
        "an SQLite database",
        b"SQLite format 3\0",
        "sqlite3 -header -csv FILE 'SELECT * FROM TABLE' > OUT.csv",
    ),
    _kind(
        "a DuckDB database",
        b".{8}DUCK",
        "duckdb FILE \"COPY TABLE TO 'TABLE.parquet'\"",
    ),
    _kind("an ORC file", b"ORC", _BY_PANDAS.format("read_orc")),
    _kind("a Feather file (version 1)", b"FEA1", _BY_PANDAS.format("read_feather")),
    _kind(
        "a stream of Arrow batches",
        b"\xff\xff\xff\xff.{3}\0[\x08-\x20]\0\0\0",
        'python -c "import pyarrow as a, pyarrow.parquet as p; '
        "p.write_table(a.ipc.open_stream('FILE').read_all(), 'OUT.parquet')\"",
    ),
    _kind("an Avro file", b"Obj\x01"),
    _kind("an Excel workbook (.xls)", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "save it as CSV"),
    _kind(
        "a Stata file", b"<stata_dta>|[\x6c-\x73][\x01\x02]\x01\0", _BY_PANDAS.format("read_stata")
    ),
    _kind("an SPSS file", b"\\$FL[23]@\\(#\\)", _BY_PANDAS.format("read_spss")),
    _kind("a SAS file", b"\0{12}\xc2\xea\x81\x60", _BY_PANDAS.format("read_sas")),
    _kind("a file of R", b"RD[XA][23]\n", "save it as CSV: write.csv in R"),
    _kind("a MATLAB file", b"MATLAB 5\\.0 MAT-file"),
    _kind("a NetCDF file", b"CDF[\x01\x02\x05]"),
    _kind(
        "a Python pickle", b"\x80[\x02-\x05][\x95}\\]()cX\x8c]", _BY_PANDAS.format("read_pickle")
    ),
    _kind("a PDF document", b"%PDF-"),
    _kind("a PNG image", b"\x89PNG\r\n\x1a\n"),
    _kind("a JPEG image", b"\xff\xd8\xff"),
    _kind("a GIF image", b"GIF8[79]a"),
    _kind("a WebP image, or sound", b"RIFF.{4}(WEBP|WAVE)"),
    _kind("a TIFF image", b"II\\*\0|MM\0\\*"),
    _kind("a video", b".{4}ftyp"),
    _kind("a program", b"\x7fELF|MZ.{32,64}PE\0\0|\xcf\xfa\xed\xfe"),
)
_TEXTUAL = (
    _kind(
        "an HTML page",
        b"(?i)(<!--.*?-->\\s*)*<(!doctype html|html|head|body)[\\s>]",
        "was a page saved in place of the file, such as one that asks to log in?",
    ),
    _kind("an XML document", b"<\\?xml\\s", _BY_PANDAS.format("read_xml")),
    _kind("an RTF document", b"\\{\\\\rtf", "save it as CSV"),
)
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\v\f\r\x1a\x1b\x1c\x1d\x1e\x1f")) + b"\x7f"
_SHARE_OF_CONTROLS, _SHARE_OF_CONTROLS_IN_UTF8 = 0.05, 0.3
_UNPACK = {".gz": "gunzip", ".bgz": "gunzip", ".bz2": "bunzip2", ".xz": "unxz", ".zst": "unzstd"}
_OBJECT = re.compile(rb'\s*\{\s*"(?:[^"\\]|\\.)*"\s*:', re.DOTALL)
_ARRAY = re.compile(rb'\s*\[\s*(\[|\{\s*("(?:[^"\\]|\\.)*"\s*:|\}))', re.DOTALL)


class EmptySourceError(DataError):
    """There is nothing in a source."""


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a source before it is looked at; as `origin.find_origin` gets it."""

    name: str
    encoding: str | None
    tables: Mapping[str, tuple[bytes, str]]
    may_be_empty: bool = False

    def check_is_text(self, head: bytes) -> None:
        """Raise DataError for the beginning of what is known to be no text."""
        for kind, (magic, to_table) in self.tables.items():
            if head.startswith(magic):
                hint = f"; {_named(to_table, self.name)}" if to_table else ""
                raise DataError(
                    f"{self.name} is {kind}, not text",
                    hint="of tables, Parquet files and the folders of datasets are read, and not "
                    f"from pipes and archives{hint}",
                )
        for known in _BINARY:
            if known.signature.match(head):
                hint = known.hint or "convert it to CSV or Parquet first"
                raise DataError(
                    f"{self.name} is {known.what}, not text", hint=_named(hint, self.name)
                )

    def check_looks_like_text(self, head: bytes) -> None:
        """Raise DataError for bytes that are in no encoding of text that has no mark."""
        controls = len(head) - len(head.translate(None, _CONTROLS))
        share = _SHARE_OF_CONTROLS_IN_UTF8 if _is_utf8(head) else _SHARE_OF_CONTROLS
        if controls <= share * len(head):
            return
        raise DataError(
            f"{self.name} is binary data, not text: {controls:,} of its first {len(head):,} bytes "
            "are control characters",
            hint="--encoding NAME reads it where it is text in an encoding that has such bytes",
        )

    def check_content(self, head: bytes) -> None:
        """Raise DataError for what is no text, and for nothing."""
        self.check_is_text(head)
        if not self.may_be_empty and not head.removeprefix(codecs.BOM_UTF8).strip():
            raise EmptySourceError(
                f"{self.name} is empty", hint="--names or --schema make a dataset of 0 rows of it"
            )


def check_may_be_csv(name: str, head: bytes) -> None:
    """Raise DataError for text that is known to be no table: a page, a document, JSON.

    head: the first bytes of the source, as UTF-8.
    """
    head = head.removeprefix(codecs.BOM_UTF8)
    text = head.lstrip()
    insists = "--text reads its lines, --delimiter ',' as a CSV in any case"
    for known in _TEXTUAL:
        if known.signature.match(text):
            hint = (
                f"{known.hint} {insists}" if known.hint[-1] == "?" else f"{known.hint}; {insists}"
            )
            raise DataError(f"{name} is {known.what}, not a table", hint=_named(hint, name))
    if _ARRAY.match(text):
        raise DataError(
            f"{name} is a JSON array, not a CSV",
            hint=_named(
                f"jq -c '.[]' FILE > OUT.jsonl, if it has objects; {insists}",
                name,
            ),
        )
    if _OBJECT.match(text):
        hint = "jq -c . FILE > OUT.jsonl"
        what = "a JSON object"
        if _is_object(text.partition(b"\n")[0]):
            what, hint = "JSON lines", "--jsonl"
        raise DataError(f"{name} is {what}, not a CSV", hint=_named(f"{hint}; {insists}", name))


def _named(hint: str, name: str) -> str:
    """The hint with the name of the file in place of FILE, unpacked before where it is packed."""
    if "FILE" not in hint or name == "-":
        return hint
    stem, ending = os.path.splitext(name)
    if ending not in _UNPACK:
        return hint.replace("FILE", shlex.quote(name))
    unpack = f"{_UNPACK[ending]} -k {shlex.quote(name)}; "
    return unpack + hint.replace("FILE", shlex.quote(stem))


def _is_utf8(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return True


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
