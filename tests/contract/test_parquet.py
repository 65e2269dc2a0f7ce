from tests.contract.format_contract import FormatContract


class TestParquet(FormatContract):
    format_name = "parquet"
