"""Arrow IPC files, read with pyarrow, Polars and pandas, and by a memory map."""

from __future__ import annotations

from tests.contract.format_contract import FormatContract


class TestArrow(FormatContract):
    format_name = "arrow"
