"""The facts of TFRecord."""

from __future__ import annotations

from bigdata_cli.formats.traits import FormatTraits, LayoutTraits

TRAITS = FormatTraits(
    name="tfrecord",
    extensions=(".tfrecord", ".tfrecord.gz"),
    layouts=(
        LayoutTraits(name="rows", open_column_bytes=500, smaller_layout="block"),
        LayoutTraits(name="packed", holds_text=False),
        LayoutTraits(name="block"),
    ),
    compressions=("none", "gzip"),
    holds_examples=True,
    has_json_sidecars=True,
    page_rows=16_384,
    candidates=("none", "gzip"),
    smaller_compressions=("gzip",),
    smallest=("block", "gzip"),
)
