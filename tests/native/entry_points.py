"""A pytest plugin that notes which tests call which function of the C library.

    BIGDATA_ENTRY_POINTS=FOLDER pytest -p tests.native.entry_points tests/native

Each process writes a file of JSON into the folder: for each function the files of tests.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from bigdata_cli.native import library

_CALLERS: defaultdict[str, set[str]] = defaultdict(set)
_current = [""]


class _Noted:
    """A function of the library that notes the test that calls it."""

    def __init__(self, name: str, function: Any) -> None:
        self._name = name
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        if _current[0]:
            _CALLERS[self._name].add(_current[0])
        return self._function(*arguments)


for _name in library.SIGNATURES:
    setattr(library.lib, _name, _Noted(_name, getattr(library.lib, _name)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Any:
    _current[0] = item.location[0]
    try:
        return (yield)
    finally:
        _current[0] = ""


def pytest_sessionfinish() -> None:
    folder = Path(os.environ["BIGDATA_ENTRY_POINTS"])
    text = json.dumps({name: sorted(files) for name, files in _CALLERS.items()})
    (folder / f"{os.getpid()}.json").write_text(text)
