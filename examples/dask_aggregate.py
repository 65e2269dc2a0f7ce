"""Dask aggregates a dataset: the Parquet files are plain ones, with exact narrow types."""

import dask.dataframe as dd

from bigdata_cli import convert, sample

sample("transactions", rows=20_000, output="transactions.csv")
report = convert("transactions.csv", to="parquet", shards=4, output="transactions", force=True)

frame = dd.read_parquet("transactions")
assert len(frame) == report.rows
totals = frame.groupby("type")["amount"].agg(["count", "sum", "max"]).compute()
print(totals)
assert totals["count"].sum() == report.rows
