"""Tables in: Parquet files and our own datasets, read as rows that have types already."""

from bigdata_cli.tables.source import TableSource, open_rows, open_tables

__all__ = ["TableSource", "open_rows", "open_tables"]
