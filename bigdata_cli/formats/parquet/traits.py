"""The facts of Parquet."""

from __future__ import annotations

from bigdata_cli.formats.traits import FormatTraits, LayoutTraits

TRAITS = FormatTraits(
    name="parquet",
    extensions=(".parquet",),
    magic=b"PAR1",
    arrow_name="parquet",
    layouts=(LayoutTraits(name="rows", open_column_bytes=500),),
    compressions=("zstd", "snappy", "gzip", "lz4", "brotli", "none"),
    stores_category_texts=True,
    page_rows=65_536,
    has_partitions=True,
    wraps_manifest=True,
    candidates=("zstd", "snappy"),
    smaller_compressions=("zstd", "zstd:9"),
    smallest=("rows", "zstd"),
    encode_column_bytes=6_000,
    kept_column_bytes=200,
)
