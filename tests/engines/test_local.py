"""The engine of this machine's threads."""

from __future__ import annotations

from bigdata_cli.engines.base import Engine
from bigdata_cli.engines.registry import LOCAL, make_engine
from tests.engines.engine_contract import ThreadEngineContract


class TestLocalEngine(ThreadEngineContract):
    def engine(self) -> Engine:
        return make_engine(LOCAL, 2)
