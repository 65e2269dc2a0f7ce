"""The engine of this machine's threads."""

from __future__ import annotations

from bigdata_cli.engines.local import LocalEngine
from tests.engines.engine_contract import EngineContract


class TestLocalEngine(EngineContract):
    def engine(self) -> LocalEngine:
        return LocalEngine(2)
