"""The facts of HDF5."""

from __future__ import annotations

from bigdata_cli.formats.traits import FormatTraits, LayoutTraits

TRAITS = FormatTraits(
    name="hdf5",
    extensions=(".h5",),
    magic=b"\x89HDF",
    layouts=(
        LayoutTraits(name="columns", has_file_per_column=True, open_column_bytes=15_000),
        LayoutTraits(name="matrix", holds_text=False),
    ),
    compressions=("none", "gzip"),
    same_bytes=False,
    has_row_access=True,
    candidates=("none", "gzip"),
    smaller_compressions=("gzip",),
    n_record_copies=8,
)
