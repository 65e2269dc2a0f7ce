"""Tables: rows that have types already, of Parquet files and of datasets."""
