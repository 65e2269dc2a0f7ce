"""Text files: opened, checked, and described so that any process can read pieces of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from bigdata_cli.dataset.manifest import SourceEntry
from bigdata_cli.io.origin import Origin, check_unchanged
from bigdata_cli.io.places import absolute
from bigdata_cli.sources.csv.dialect import Dialect
from bigdata_cli.url import Place, Url


class FileFields(tuple[int, ...]):
    """The columns of the fields of a file's records, -1 for none, and those of all its rows.

    constants: (column, text) of columns that no field has.
    """

    constants: tuple[tuple[int, str], ...]

    def __new__(cls, fields: Iterable[int], constants: tuple[tuple[int, str], ...] = ()) -> Self:
        made = super().__new__(cls, fields)
        made.constants = constants
        return made

    def __getnewargs__(self) -> tuple[tuple[int, ...], tuple[tuple[int, str], ...]]:
        return tuple(self), self.constants


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """One file: its name as given, its path, and the bytes of it that are data.

    size: bytes to be read of it, 0 where that is not known. data_start: of the text as UTF-8.
    fields: for each field of a record, which column of the source it is, -1 for none. constants:
    (column, text) of columns with one value in the whole file. file_bytes: of the whole file;
    digest: sha256 of the size, the first and the last 64 KiB. end: where the text as UTF-8 that is
    read ends, after a record; None for all of it.
    """

    name: str
    path: Place
    size: int
    data_start: int
    mtime_ns: int
    digest: str
    fields: tuple[int, ...]
    file_bytes: int
    origin: Origin
    constants: tuple[tuple[int, str], ...] = ()
    end: int | None = None

    def __getstate__(self) -> dict[str, Any]:
        """A process that it is sent to may be in another folder."""
        return vars(self) | {"path": absolute(self.path)}

    @property
    def data_bytes(self) -> int:
        return self.size - self.data_start

    @property
    def is_remote(self) -> bool:
        return isinstance(self.path, Url)

    def until(self, end: int) -> SourceFile:
        """The file up to a position of its text, where a record ends."""
        if self.origin.is_stream:  # its size is not counted in text
            return replace(self, end=end)
        return replace(self, end=end, size=min(self.size, end))

    def entry(self) -> SourceEntry:
        return SourceEntry(
            name=self.name, bytes=self.file_bytes, mtime_ns=self.mtime_ns, digest=self.digest
        )

    def check_unchanged(self) -> None:
        if self.origin.held is None and not self.origin.is_copy:
            check_unchanged(self.name, self.path, self.file_bytes, self.mtime_ns)


def describe_file(
    origin: Origin, data_start: int, fields: tuple[int, ...], *, data_end: int | None = None
) -> SourceFile:
    """The file of an origin, whose data are from `data_start` to `data_end`, None for its end."""
    file_bytes, mtime_ns, digest = origin.fingerprint()
    return SourceFile(
        name=origin.name,
        path=origin.path or Path(origin.name),
        size=origin.size if data_end is None else max(data_start, data_end),
        data_start=data_start,
        mtime_ns=mtime_ns,
        digest=digest,
        fields=fields,
        file_bytes=file_bytes,
        origin=origin,
    )


@dataclass(frozen=True, kw_only=True)
class TextFiles:
    """The text files of a source: one dialect, one list of column names.

    confidence: how sure what was detected of the dialect is, from 0 to 1; reasons: why. notes: what
    of it the user has to know in any case. accepts_bad_rows: most of the first rows may be bad.
    """

    files: tuple[SourceFile, ...]
    dialect: Dialect
    names: tuple[str, ...]
    confidence: float = 1.0
    reasons: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    accepts_bad_rows: bool = False

    @property
    def bytes(self) -> int:
        """Bytes to be read, counted in the files."""
        return sum(file.size for file in self.files)

    @property
    def data_bytes(self) -> int:
        """Bytes of all records; of files that can be read anywhere."""
        return sum(file.data_bytes for file in self.files)

    @property
    def is_stream(self) -> bool:
        """Whether it can only be read from its start."""
        return any(file.origin.is_stream for file in self.files)

    @property
    def comes_once(self) -> bool:
        """Whether a part of it cannot be read again: a pipe."""
        return any(file.origin.held is not None for file in self.files)

    @property
    def stem(self) -> str:
        return self.files[0].origin.stem

    @property
    def is_shaped(self) -> bool:
        return False

    @property
    def total_rows(self) -> int | None:
        return None

    def fields_of(self, keep: Sequence[str]) -> tuple[tuple[int, ...], ...]:
        """For each file and field the place of its column in `keep`, -1 where it is left out."""
        place = {name: index for index, name in enumerate(keep)}
        return tuple(
            FileFields(
                (-1 if c < 0 else place.get(self.names[c], -1) for c in file.fields),
                tuple(
                    (place[self.names[column]], text)
                    for column, text in file.constants
                    if self.names[column] in place
                ),
            )
            for file in self.files
        )
