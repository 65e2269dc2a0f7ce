"""Files and folders by their place, be it a path or an address."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from bigdata_cli.io.remote import files, ranges
from bigdata_cli.io.remote.faults import FIRST_ATTEMPTS, MAX_ATTEMPTS
from bigdata_cli.io.remote.pieces import PIECES
from bigdata_cli.url import Place, Snapshot, Url

if TYPE_CHECKING:
    from bigdata_cli.io.remote.files import Listed

_FILES_AHEAD = 16
_END_BYTES = 1 << 18
"""Of the beginning of a file, and of its end, that are looked at before it is read."""


def look_at(place: Place, *, is_first: bool = False) -> Snapshot:
    """The file at a place, as it is now; raises OSError.

    is_first: nothing is known of the place yet, and it is not tried for long.
    """
    if isinstance(place, Url):
        return files.look_at(place, attempts=FIRST_ATTEMPTS if is_first else MAX_ATTEMPTS)
    found = os.stat(place)
    return Snapshot(found.st_size, found.st_mtime_ns, "")


def open_file(place: Place, *, from_start: bool = False) -> BinaryIO:
    """A file, unbuffered and to be read at any place; raises OSError.

    from_start: it is read from there on, to its end.
    """
    if isinstance(place, Url):
        how = ranges.STREAMED if from_start else ranges.SCATTERED
        return cast("BinaryIO", ranges.open_ranges(place, how))
    return cast("BinaryIO", place.open("rb", buffering=0))


def expect(place: Place, ranges: Iterable[tuple[int, int]]) -> None:
    """Say which small ranges of a file will be read soon, wherever it is opened then.

    Those of an address are fetched at the same time.
    """
    if isinstance(place, Url):
        PIECES.expect(place, ranges)


def with_ends_ahead(names: Sequence[str]) -> Iterator[str]:
    """The names of files, while the beginnings and ends of the next ones are fetched."""
    for index, name in enumerate(names):
        if index % _FILES_AHEAD == 0:
            for url in names[index : index + _FILES_AHEAD]:
                if isinstance(url, Url) and url.snapshot is not None:
                    size = url.snapshot.bytes or 0
                    middle = min(max(_END_BYTES, size - _END_BYTES), size)
                    expect(url, [(0, _END_BYTES), (middle, size)])
        yield name


def read_all(file: BinaryIO, n_bytes: int) -> bytes:
    """So many bytes of an unbuffered file, fewer where it ends before."""
    pieces = []
    while n_bytes and (piece := file.read(n_bytes)):
        pieces.append(piece)
        n_bytes -= len(piece)
    return b"".join(pieces)


def is_folder(place: Place) -> bool:
    """Whether it is a folder."""
    return files.is_folder(place) if isinstance(place, Url) else os.path.isdir(place)


def is_file(place: Place) -> bool:
    """Whether a file is there, or something else that is read as one."""
    if not isinstance(place, Url):
        return os.path.isfile(place)
    try:
        files.look_at(place)
    except (FileNotFoundError, IsADirectoryError):
        return False
    return True


def is_there(place: Place) -> bool:
    """Whether a file or a folder is there."""
    return is_file(place) or is_folder(place)


def is_inside(place: Place, folder: Place) -> bool:
    """Whether a place is a folder, or in it."""
    if isinstance(place, Url) or isinstance(folder, Url):
        if not isinstance(place, Url) or not isinstance(folder, Url):
            return False
        own, other = place.address.rstrip("/") + "/", folder.address.rstrip("/") + "/"
        return own.startswith(other)
    return Path(os.path.realpath(place)).is_relative_to(os.path.realpath(folder))


def absolute(place: Place) -> Place:
    """The place as another folder's process names it."""
    return place if isinstance(place, Url) else place.absolute()


def join(place: Place | str, name: str) -> str | Url:
    """The place of a name in a folder."""
    return place / name if isinstance(place, Url) else os.path.join(place, name)


def list_folder(place: Place | str) -> list[Listed]:
    """The files and folders in a folder, by name; raises OSError."""
    if isinstance(place, Url):
        return files.list_folder(place)
    with os.scandir(place) as entries:
        return sorted(
            files.Listed(entry.name, entry.is_dir())
            for entry in entries
            if entry.is_file() or entry.is_dir()
        )


class PlacedFile(Protocol):
    """An open file that any thread reads at any place."""

    def read_into(self, view: memoryview, offset: int) -> int:
        """Fill a view from `offset` on, at least in part; 0 at the end. Raises OSError."""

    def expect(self, start: int, stop: int) -> None:
        """Say what will be read next, from there to there: reading ahead begins."""

    def forget(self) -> None:
        """Let go of what was read ahead; it can be read on."""

    def close(self) -> None:
        """Close the file; safe to call twice."""


class _LocalFile:
    """A file of this machine; a `PlacedFile`."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)

    def read_into(self, view: memoryview, offset: int) -> int:
        return os.preadv(self._descriptor, [view], offset)

    def expect(self, start: int, stop: int) -> None:
        """The system reads ahead itself."""

    def forget(self) -> None:
        """Nothing is."""

    def close(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)


def open_placed(place: Place) -> PlacedFile:
    """A file that several threads read; raises OSError."""
    if not isinstance(place, Url):
        return _LocalFile(place)
    snapshot = place.snapshot or files.look_at(place)
    assert snapshot.bytes is not None
    return ranges.RangeReader(place.with_snapshot(snapshot), snapshot.bytes, ranges.STREAMED)
