"""The fsspec file system of an address, and what pip installs for it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from bigdata_cli.errors import MissingDependencyError
from bigdata_cli.url import Url

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

CONNECT_SECONDS = 10
IDLE_SECONDS = 30
"""How long a server may send nothing before it is asked again."""


class _Needed(NamedTuple):
    """The package that a scheme needs, and the extra that installs it."""

    package: str
    extra: str


_NEEDED = {
    "s3": _Needed("s3fs", "s3"),
    "gs": _Needed("gcsfs", "gcs"),
    "gcs": _Needed("gcsfs", "gcs"),
    "http": _Needed("aiohttp", "http"),
    "https": _Needed("aiohttp", "http"),
    "hf": _Needed("huggingface_hub", "hf"),
}
_ENCODED = re.compile(r"[!-~]*")


def file_system(url: Url) -> AbstractFileSystem:
    """The file system that an address is in; fsspec keeps it for the next one.

    Credentials and endpoints come from the environment and the files of each service, and from
    those of fsspec. Raises MissingDependencyError where a package is not installed.
    """
    import fsspec

    needed = _NEEDED.get(url.scheme)
    try:
        return fsspec.filesystem(url.scheme, **_options(url))
    except ImportError as error:
        if needed is None:
            raise
        raise MissingDependencyError.for_extra(
            needed.package, needed.extra, purpose=f"{url.scheme}://"
        ) from error


def address_of(url: Url, path: str) -> Url:
    """The address of a path in the file system of another address."""
    return Url((path if "://" in path else f"{url.scheme}://{path.lstrip('/')}").rstrip("/"))


def _options(url: Url) -> dict[str, Any]:
    """How long to wait for a server; retries are ours, and lists are never old."""
    from fsspec.config import conf

    own = conf.get(url.scheme, {})
    if url.scheme == "s3":
        config = {
            "connect_timeout": CONNECT_SECONDS,
            "read_timeout": IDLE_SECONDS,
            "retries": {"max_attempts": 0},
            **own.get("config_kwargs", {}),
        }
        return {"config_kwargs": config, "use_listings_cache": False}
    if url.is_web:
        import aiohttp

        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_SECONDS, sock_read=IDLE_SECONDS
        )
        client = {"timeout": timeout, "trust_env": True, "auto_decompress": False}
        # What is encoded already must stay as it is: it may be signed.
        is_encoded = _ENCODED.fullmatch(url.address) is not None
        return {"client_kwargs": {**client, **own.get("client_kwargs", {})}, "encoded": is_encoded}
    if url.scheme in ("gs", "gcs"):
        return {"use_listings_cache": False}
    return {}
