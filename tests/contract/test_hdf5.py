from tests.contract.format_contract import FormatContract


class TestHdf5(FormatContract):
    format_name = "hdf5"
    repeatable_bytes = False
