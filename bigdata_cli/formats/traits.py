"""The facts of a format that hold for all its datasets, as values.

Each format's folder has a `traits.py` with its own. It imports nothing else of the format, so that
what asks for facts only loads no library.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class LayoutTraits:
    """The facts of a layout.

    holds_text: whether it holds columns of text, and not only of numbers and categories.
    has_file_per_column: whether each column is a file, or a dataset within a file, of its own, so
    that thousands of them take long. open_column_bytes: memory of a column of the files of two
    shards that are open. smaller_layout: another layout of the format with the same values and
    smaller files.
    """

    name: str
    holds_text: bool = True
    has_file_per_column: bool = False
    open_column_bytes: int = 0
    smaller_layout: str | None = None


@dataclass(frozen=True, kw_only=True)
class FormatTraits:
    """The facts of a format.

    extensions: of the files of a shard, with the point. magic: what these files begin with, where
    all do. to_table: the command that makes Parquet or CSV of the FILE of another writer. layouts:
    the first is the default.
    compressions: the names that `--compression` takes, the first is the default.

    same_bytes: whether the same rows give the same bytes each time, and not only the same values.
    stores_category_texts: whether a category is stored as its texts, with the bytes of a column of
    text, and counts as that where rows are cut into tables.
    holds_examples: whether records are `tf.train.Example`, which have a `Format.feature_spec`.
    arrow_name: what pyarrow.dataset calls the format, where it reads the files as tables.
    has_row_access: whether single rows can be read (`Format.open_rows`). is_mappable: whether the
    files are arrays that can be mapped into memory. page_rows: the most rows that are decoded
    together where a block (`Format.block_rows`) is read on from its start; None: all of a block.
    has_partitions: whether values may be in the names of folders, in place of columns.
    wraps_manifest: whether the manifest stands in a file of the format, which has no rows, so that
    libraries that take all files of a folder find no other kind among them. has_json_sidecars:
    whether `Format.sidecars` are files of JSON.

    candidates: compressions to compare when costs are predicted; what is larger and slower than
    another one is left out. smaller_compressions: to suggest where a dataset does not fit the disk,
    the quickest first. smallest: the layout and compression with the smallest files that hold all
    columns, None where another format is always better.

    encode_column_bytes: memory that the encoder takes for a column of each table, whatever its
    rows. kept_column_bytes: what is kept of it until the shard is complete. n_record_copies: how
    many copies of one long record are in memory at the same time.
    """

    name: str
    extensions: tuple[str, ...]
    layouts: tuple[LayoutTraits, ...]
    compressions: tuple[str, ...]
    magic: bytes | None = None
    to_table: str = ""
    same_bytes: bool = True
    stores_category_texts: bool = False
    holds_examples: bool = False
    arrow_name: str | None = None
    has_row_access: bool = False
    is_mappable: bool = False
    page_rows: int | None = None
    has_partitions: bool = False
    wraps_manifest: bool = False
    has_json_sidecars: bool = False
    candidates: tuple[str, ...] = ("none",)
    smaller_compressions: tuple[str, ...] = ()
    smallest: tuple[str, str] | None = None
    encode_column_bytes: int = 1_000
    kept_column_bytes: int = 0
    n_record_copies: int = 5

    @property
    def layout_names(self) -> tuple[str, ...]:
        """The names of the layouts; the first is the default."""
        return tuple(layout.name for layout in self.layouts)

    def layout(self, name: str) -> LayoutTraits:
        """The facts of one layout; KeyError where there is none of that name."""
        for layout in self.layouts:
            if layout.name == name:
                return layout
        raise KeyError(name)
