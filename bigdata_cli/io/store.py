"""Where the files of a dataset are: the interface that formats, conversions and readers use.

A store holds files under flat names, but for those in folders KEY=VALUE/, which are part of their
names; a folder is there as long as it holds a file. A file that is being written, or belongs to a
dataset that is not finished, has a *partial* name; readers skip those. `rename` gives files their
final names. The manifest gets its name last, and only that makes a dataset: a store need not rename
many files at once, and one whose objects cannot be renamed may copy them.

A name is asked for as a value (`StoredFile`), so that a reader need not know of what store it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Protocol, cast

import msgspec

if TYPE_CHECKING:
    from collections.abc import Buffer

    from bigdata_cli.checksum import FileEntry

PARTIAL_SUFFIX = ".partial"


def partial_name(final: str) -> str:
    """What a file is called until it is whole: readers of a folder skip names with `_`.

    >>> partial_name("trips-00000-of-00003.parquet"), partial_name("_manifest.json")
    ('_trips-00000-of-00003.parquet.partial', '_manifest.json.partial')
    """
    return (final if final.startswith("_") else f"_{final}") + PARTIAL_SUFFIX


class ByteSource(AbstractContextManager["ByteSource", None], Protocol):
    """The bytes of an open file, read at any place by one thread."""

    def read(self, n_bytes: int = -1, /) -> bytes: ...
    def readinto(self, buffer: Buffer, /) -> int | None: ...
    def seek(self, offset: int, whence: int = 0, /) -> int: ...
    def tell(self) -> int: ...
    def close(self) -> None: ...


class ByteSink(Protocol):
    """A new file, written from its start to its end; its checksum is made as the bytes pass."""

    def write(self, data: Buffer, /) -> int:
        """Append all of the bytes; raises OSError where the store does not take them."""

    def write_over_start(self, data: bytes) -> None:
        """Put bytes in the place of the first ones, at most `checksum.PIECE_BYTES`, at the end."""

    def finish(self, name: str) -> FileEntry:
        """Close the file; returns its entry, under its final name."""

    def close(self) -> None:
        """Close the file; safe to call twice. One that is not finished need not be there."""


class FileStat(NamedTuple):
    """The size of a file, and what tells it from another one that had its name."""

    bytes: int
    version: int


class Files(Protocol):
    """Files that are read, by their names; as text, their place."""

    def where(self, name: str) -> str:
        """The place of a file, as messages say it."""

    def open(self, name: str) -> ByteSource:
        """The bytes of a file; raises OSError, FileNotFoundError where there is none."""

    def stat(self, name: str) -> FileStat:
        """Its size and version; raises FileNotFoundError where there is none."""

    def local_path(self, name: str) -> Path | None:
        """Its path on this machine, for `mmap` and libraries in C; None where it has none."""


class Lock(Protocol):
    """The right to write into a store."""

    def acquire(self) -> None:
        """Raise UsageError, with who holds it, where that is another conversion."""

    def confirm(self) -> None:
        """Raise UsageError where another conversion has taken it over meanwhile."""

    def release(self) -> None:
        """Give it back; safe to call twice."""


class Store(Files, Protocol):
    """Files that are read and written."""

    def names(self) -> list[str]:
        """The names of all files, none where the store is not there yet.

        Raises NotADirectoryError where something else is in its place.
        """

    def problem(self, name: str) -> str | None:
        """Why a file that a manifest names must not be opened; None where it may be."""

    def create(self, name: str) -> ByteSink:
        """A new file, in the place of one of that name."""

    def create_path(self, name: str) -> Path:
        """Where a library that writes here and there makes a file, which `adopt` takes over."""

    def adopt(self, name: str) -> None:
        """Take over a file that is whole at its `create_path`."""

    def put(self, name: str, data: bytes, *, at: int = 0) -> None:
        """Write bytes at the end of a file, which is cut to `at` bytes before.

        Files that grow in this way are lines of JSON, `NAME.jsonl`.
        """

    def rename(self, names: Mapping[str, str]) -> None:
        """Give files other names, in place of those that have them; all are on the disk then.

        One that is not there has got its name before.
        """

    def publish(self, old: str, new: str) -> bool:
        """Give a file its name, if no other content has it; whether it has it now.

        Of several writers, one gets True. As with `rename` it may be done twice.
        """

    def remove(self, names: Iterable[str]) -> None:
        """Remove files, those that there are."""

    def n_unfinished(self) -> int:
        """How many files writers have begun that have no name yet."""

    def discard_unfinished(self) -> None:
        """Remove what killed writers have left that has no name yet; the lock is held."""

    def sync(self, names: Iterable[str] = (), pool: Executor | None = None) -> None:
        """Wait until the bytes of files are on the disk; of none, the names of all files."""

    def lock(self) -> Lock:
        """The right to write; not acquired yet."""

    def free_bytes(self) -> int:
        """How many bytes may be written."""

    def inside(self, name: str) -> Store:
        """A store within this one, for what does not outlast a conversion; it need not be there."""

    def make(self) -> int:
        """Make the store where it is not there; returns how many folders that took."""

    def unmake(self, n_folders: int) -> None:
        """Remove the folders that `make` made, those that are empty."""


class StoredFile(msgspec.Struct, frozen=True):
    """A file of a store, which need not be there; as text its place."""

    files: Files
    name: str

    def __str__(self) -> str:
        return self.files.where(self.name)

    def open(self) -> ByteSource:
        return self.files.open(self.name)

    def open_text(self) -> TextIOWrapper:
        """Its text, with its own line ends; what is not UTF-8 becomes surrogates."""
        source = cast("BinaryIO", self.open())
        return TextIOWrapper(source, encoding="utf-8", errors="surrogateescape", newline="")

    def stat(self) -> FileStat:
        return self.files.stat(self.name)

    def local_path(self) -> Path | None:
        return self.files.local_path(self.name)

    def exists(self) -> bool:
        """Whether it is there."""
        try:
            self.stat()
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True


class PartialFiles(msgspec.Struct, frozen=True):
    """The files of a store that have partial names, by the names that they will have."""

    store: Store

    def __str__(self) -> str:
        return str(self.store)

    def where(self, name: str) -> str:
        return self.store.where(partial_name(name))

    def open(self, name: str) -> ByteSource:
        return self.store.open(partial_name(name))

    def stat(self, name: str) -> FileStat:
        return self.store.stat(partial_name(name))

    def local_path(self, name: str) -> Path | None:
        return self.store.local_path(partial_name(name))


def partial_bytes(store: Store) -> int:
    """The bytes of all files that have partial names."""
    total = 0
    for name in store.names():
        if name.endswith(PARTIAL_SUFFIX):
            try:
                total += store.stat(name).bytes
            except FileNotFoundError:  # renamed, or removed, meanwhile
                continue
    return total
