"""What the tests of interrupted conversions share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability.children import Zygote, write_source, zygote


@pytest.fixture(scope="session")
def children() -> Iterator[Zygote]:
    """A process that forks conversions."""
    with zygote() as process:
        yield process


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV whose conversion does some shards again and sets records aside."""
    return write_source(tmp_path_factory.mktemp("source") / "data.csv")
