"""Addresses of files that are not on this machine, and places: an address or a path."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any, NamedTuple, Self

from bigdata_cli.errors import UsageError, did_you_mean

SCHEMES = ("s3", "gs", "gcs", "http", "https", "hf", "memory")
"""Schemes of the addresses that are read and written; file:// is a path."""
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_BEGINNING = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_WEB = ("http", "https")
_SHOWN = "…"


class Snapshot(NamedTuple):
    """What is known of a file at an address.

    Attributes:
        bytes: Its size; None where its server does not say it.
        mtime_ns: When it was written, in ns since 1970; 0 where that is not known.
        version: What tells it from another file at that address: an ETag, a generation.
        has_ranges: Whether it can be read from anywhere, and not from its start only.
    """

    bytes: int | None
    mtime_ns: int
    version: str
    has_ranges: bool = True


class CacheFolder(NamedTuple):
    """Where files of addresses are kept on this machine, and how many bytes of them."""

    path: str
    max_bytes: int


class Url(str):
    """An address as a text without secrets: it shows no user, password or value of a query.

    Attributes:
        address: The whole address, for the library that opens it; never shown or kept.
        snapshot: The file that was found there; None where nobody has looked.
        cache: Where files from there are kept on this machine; None to keep none.

    >>> url = Url("https://me:secret@host/data/trips.csv?Signature=abc")
    >>> url, url.name, url.parent
    ('https://host/data/trips.csv?Signature=…', 'trips.csv', 'https://host/data?Signature=…')
    >>> Url("s3://bucket/a") / "b.csv"
    's3://bucket/a/b.csv'
    """

    __slots__ = ("address", "cache", "snapshot")
    address: str
    snapshot: Snapshot | None
    cache: CacheFolder | None

    def __new__(
        cls, address: str, snapshot: Snapshot | None = None, cache: CacheFolder | None = None
    ) -> Self:
        made = super().__new__(cls, _without_secrets(address))
        made.address = address
        made.snapshot = snapshot
        made.cache = cache
        return made

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self.address, self.snapshot, self.cache

    def __eq__(self, other: object) -> bool:
        same = str.__eq__(self, other)
        return bool(same is True and (not isinstance(other, Url) or self.address == other.address))

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__

    def __truediv__(self, name: str) -> Url:
        """The file or folder of that name in this one."""
        path, query = self._split()
        return Url(f"{path.rstrip('/')}/{name}{query}", None, self.cache)

    @property
    def scheme(self) -> str:
        return self.address.partition("://")[0].lower()

    @property
    def is_web(self) -> bool:
        """Whether it is one of http, whose servers have no folders that can be listed."""
        return self.scheme in _WEB

    @property
    def has_secrets(self) -> bool:
        """Whether its text has less than its address."""
        return self.address != str(self)

    @property
    def name(self) -> str:
        """The last part of its path."""
        return posixpath.basename(self._split()[0].partition("://")[2].rstrip("/"))

    @property
    def stem(self) -> str:
        """Its name without the last extension."""
        return posixpath.splitext(self.name)[0]

    @property
    def suffix(self) -> str:
        """The last extension of its name, with the dot."""
        return posixpath.splitext(self.name)[1]

    @property
    def parent(self) -> Url:
        """The folder that it is in."""
        path, query = self._split()
        scheme, _, rest = path.rstrip("/").partition("://")
        return Url(f"{scheme}://{posixpath.dirname(rest)}{query}", None, self.cache)

    def with_snapshot(self, snapshot: Snapshot) -> Url:
        """The same address, with what was found there."""
        return Url(self.address, snapshot, self.cache)

    def with_cache(self, cache: CacheFolder | None) -> Url:
        """The same address, whose files are kept there."""
        return Url(self.address, self.snapshot, cache)

    def scrubbed(self, text: str) -> str:
        """A text of somebody else without what this address does not show."""
        if not self.has_secrets:
            return text
        text = text.replace(self.address, str(self))
        secrets = re.split(r"[/?&=@:]", self.address)
        for part in secrets:
            if len(part) > 3 and part not in str(self):
                text = text.replace(part, _SHOWN)
        return text

    def _split(self) -> tuple[str, str]:
        """What stands before a query, and the query with its mark."""
        if not self.is_web:
            return self.address, ""
        path, mark, query = self.address.partition("?")
        return path, mark + query


Place = Path | Url
"""Where something is: on this machine, or at an address."""


def as_place(text: Any) -> Place:
    """The place that a text means; file:// is a path, and so is what exists under that name.

    Raises UsageError for a scheme that is not known.

    >>> as_place("trips.csv"), as_place("file:///data/trips.csv"), as_place("s3://b/trips.csv")
    (PosixPath('trips.csv'), PosixPath('/data/trips.csv'), 's3://b/trips.csv')
    """
    if isinstance(text, Url | Path):
        return text
    matched = _ADDRESS.fullmatch(text) if isinstance(text, str) else None
    if matched is None or Path(text).exists():
        return Path(text)
    scheme = matched[1].lower()
    if scheme == "file":
        host, slash, path = matched[2].partition("/")
        if host not in ("", "localhost"):
            raise UsageError(f"{text} names another machine", hint=f"file:///{path}")
        return Path(slash + path)
    if scheme not in SCHEMES:
        raise UsageError(
            f"{_without_secrets(text)}: {scheme}:// is not a scheme that is read",
            hint=did_you_mean(scheme, [*SCHEMES, "file"]),
        )
    url = Url(text)
    if url.scheme not in _WEB and "@" in matched[2].partition("/")[0]:
        raise UsageError(
            f"{url}: credentials are not taken from an address of {scheme}://",
            hint="they come from the environment: docs/urls.md",
        )
    return url


def is_address(text: Any) -> bool:
    """Whether a text is an address, of whatever scheme, and not the name of a file here."""
    return isinstance(text, Url) or (
        isinstance(text, str) and _ADDRESS.fullmatch(text) is not None and not Path(text).exists()
    )


def shown(text: str) -> str:
    """A text, such as a word of a command line, where an address in it shows no secret.

    >>> shown("--source=https://me:secret@host/a.csv"), shown("a.csv")
    ('--source=https://host/a.csv', 'a.csv')
    """
    found = _BEGINNING.search(text)
    start = len(text) if found is None else found.start()
    return text[:start] + _without_secrets(text[start:])


def _without_secrets(address: str) -> str:
    matched = _ADDRESS.fullmatch(address)
    if matched is None:
        return address
    scheme, rest = matched[1], matched[2]
    host, slash, path = rest.partition("/")
    host = host.rpartition("@")[2]
    query = ""
    if scheme.lower() in _WEB:
        host, mark, before = host.partition("?")
        path, other, after = path.partition("?")
        query = "?" + _query(before or after) if mark or other else ""
    return f"{scheme}://{host}{slash}{path}{query}"


def _query(query: str) -> str:
    """A query whose keys are shown, and no value."""
    return "&".join(
        key + "=" + _SHOWN if equals else _SHOWN
        for key, equals, _ in (part.partition("=") for part in query.split("&"))
    )
