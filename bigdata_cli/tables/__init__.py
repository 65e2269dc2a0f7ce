"""Tables in: Parquet files and our own datasets, read as rows that have types already."""

from bigdata_cli.tables.detect import open_rows

__all__ = ["open_rows"]
