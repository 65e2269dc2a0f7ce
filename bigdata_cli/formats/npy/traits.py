"""The facts of npy."""

from __future__ import annotations

from bigdata_cli.formats.traits import FormatTraits, LayoutTraits

TRAITS = FormatTraits(
    name="npy",
    extensions=(".npy",),
    magic=b"\x93NUMPY",
    to_table='python -c "import numpy; '
    "numpy.savetxt('OUT.csv', numpy.load('FILE'), '%.17g', ',')\"",
    layouts=(
        LayoutTraits(name="columns", has_file_per_column=True, open_column_bytes=20_000),
        LayoutTraits(name="matrix", holds_text=False),
    ),
    compressions=("none",),
    has_row_access=True,
    is_mappable=True,
)
