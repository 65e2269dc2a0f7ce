"""Contract tests: what every format must do."""

import pytest

pytest.register_assert_rewrite("tests.contract.format_contract", "tests.contract.example_tables")
