"""The engines by name; the module of one is imported when it is made."""

from __future__ import annotations

from importlib import import_module

from bigdata_cli.engines.base import Engine

ENGINES = {"local": "LocalEngine"}
"""Each is a module beside this file, with a class that is made of the number of threads."""
LOCAL = "local"


def make_engine(name: str, jobs: int) -> Engine:
    """The engine of that name, with so many threads; a context manager."""
    return getattr(import_module(f"bigdata_cli.engines.{name}"), ENGINES[name])(jobs)
