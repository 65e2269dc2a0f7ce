"""Which store a place is."""

from __future__ import annotations

from pathlib import Path

from bigdata_cli.io.local_store import LocalStore
from bigdata_cli.io.store import Store


def open_store(place: Path) -> Store:
    """The store at a place: a folder. It need not be there."""
    return LocalStore(place)
