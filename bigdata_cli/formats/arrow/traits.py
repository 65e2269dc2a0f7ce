"""The facts of Arrow IPC files."""

from __future__ import annotations

from bigdata_cli.formats.traits import FormatTraits, LayoutTraits

TRAITS = FormatTraits(
    name="arrow",
    extensions=(".arrow",),
    magic=b"ARROW1",
    to_table="python -c \"import pandas; pandas.read_feather('FILE').to_parquet('OUT.parquet')\"",
    arrow_name="ipc",
    layouts=(LayoutTraits(name="rows", open_column_bytes=500),),
    # Files that are not compressed can be mapped into memory and used without a copy, which is why
    # one takes this format; pyarrow, Polars and datasets write them so too.
    compressions=("none", "lz4", "zstd"),
    has_row_access=True,
    wraps_manifest=True,
    candidates=("none", "lz4", "zstd"),
    smaller_compressions=("lz4", "zstd"),
    encode_column_bytes=2_500,
)
