"""Which store a place is."""

from __future__ import annotations

from bigdata_cli.io.local_store import LocalStore
from bigdata_cli.io.store import Store
from bigdata_cli.url import Place, Url


def open_store(place: Place) -> Store:
    """The store at a place: a folder, or the objects below an address. It need not be there."""
    if not isinstance(place, Url):
        return LocalStore(place)
    from bigdata_cli.io.object_store import ObjectStore

    return ObjectStore(place)
