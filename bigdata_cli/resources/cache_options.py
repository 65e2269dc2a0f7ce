"""Where files of addresses are kept on this machine: options of all commands that read them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from bigdata_cli.errors import UsageError
from bigdata_cli.options import option
from bigdata_cli.resources.sizes import SIZE
from bigdata_cli.url import CacheFolder, Place, Url, as_place

CACHE_BYTES = 10_000_000_000


@dataclass(frozen=True, kw_only=True)
class CacheOptions:
    """A folder for files of addresses, and how much may be in it."""

    cache: Path | None = option(
        "Keep the files of datasets at addresses in this folder, which processes may share.",
        group="Addresses",
        metavar="DIR",
        no_trace=True,
        default=None,
    )
    cache_bytes: int = option(
        "Size of that folder at most; the files used longest ago are removed.",
        SIZE,
        argument="cache_size",
        default_text="10GB",
        no_trace=True,
        default=CACHE_BYTES,
    )

    def place(self, path: str | Path) -> Place:
        """A place whose files are kept, where it is an address; raises UsageError."""
        if self.cache_bytes < 0:
            raise UsageError(f"--cache-size {self.cache_bytes} is negative", hint="10GB")
        place = as_place(path)
        if not isinstance(place, Url) or self.cache is None:
            return place
        return place.with_cache(CacheFolder(os.path.abspath(self.cache), self.cache_bytes))
