"""Whether the beginning of a source is text, as what stands in it tells."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass

from bigdata_cli.errors import DataError
from bigdata_cli.io.archive import ZIP_SIGNATURES

_NO_TEXT = {
    "a tar archive": re.compile(rb"(?s).{257}ustar"),
    "a 7z archive": re.compile(rb"7z\xbc\xaf'\x1c"),
    "a rar archive": re.compile(rb"Rar!\x1a\x07"),
    "lz4": re.compile(rb"\x04\x22\x4d\x18"),
    "compressed (.Z)": re.compile(rb"\x1f\x9d"),
    "a zip archive": re.compile(b"|".join(re.escape(mark) for mark in ZIP_SIGNATURES)),
}


class EmptySourceError(DataError):
    """There is nothing in a source."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What is known of a source before it is looked at; as `origin.find_origin` is told it."""

    name: str
    encoding: str | None
    tables: Mapping[str, bytes]
    may_be_empty: bool = False

    def check_is_text(self, head: bytes) -> None:
        """Raise DataError for the beginning of what is known to be no text."""
        for kind, magic in self.tables.items():
            if head.startswith(magic):
                raise DataError(
                    f"{self.name} is {kind}, not text",
                    hint="of tables, Parquet files and the folders of datasets are read, and not "
                    "from pipes and archives: save it as one",
                )
        for kind, signature in _NO_TEXT.items():
            if signature.match(head):
                raise DataError(
                    f"{self.name} is {kind}, not text", hint="extract or convert it first"
                )

    def check_content(self, head: bytes) -> None:
        """Raise DataError for what is no text, and for nothing."""
        self.check_is_text(head)
        if not self.may_be_empty and not head.removeprefix(codecs.BOM_UTF8).strip():
            raise EmptySourceError(
                f"{self.name} is empty", hint="--names or --schema make a dataset of 0 rows of it"
            )
