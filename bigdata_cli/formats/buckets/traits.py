"""The facts of bucket files."""

from __future__ import annotations

from bigdata_cli.formats.traits import FormatTraits, LayoutTraits

TRAITS = FormatTraits(
    name="buckets",
    extensions=(".buckets",),
    layouts=(LayoutTraits(name="rows", open_column_bytes=500),),
    compressions=("lz4",),
    # The bytes depend on how rows were cut into tables, the rows of a bucket do not.
    same_bytes=False,
    stores_category_texts=True,
    encode_column_bytes=20_000,
)
