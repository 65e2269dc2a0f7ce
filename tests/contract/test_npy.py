from tests.contract.format_contract import FormatContract


class TestNpy(FormatContract):
    format_name = "npy"
