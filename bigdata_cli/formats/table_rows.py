"""How many rows a table has that is stored as one piece: a row group, a record batch."""

from __future__ import annotations

from bigdata_cli.types.dtype import Kind, Schema, arrow_type

TEXT_BYTES = 20
"""What a text is taken to need, as its length is not known."""
_CODE_BYTES = 4


def rows_within(
    schema: Schema,
    n_bytes: int,
    *,
    smallest: int,
    largest: int,
    text_categories: bool,
    text_bytes: int = TEXT_BYTES,
) -> int:
    """Rows that take at most so many bytes of Arrow memory, from `smallest` to `largest`.

    text_categories: whether a category counts as its text, else as its code. text_bytes: of a text.

    They are 2 or 3 times a power of 2, so that a column which becomes wider seldom changes them:
    tables that are cut elsewhere would have to be encoded again.
    """
    row_bytes = 0
    for column in schema:
        if column.kind is Kind.TEXT or (column.kind is Kind.CATEGORY and text_categories):
            row_bytes += text_bytes
        elif column.kind is Kind.CATEGORY:
            row_bytes += _CODE_BYTES
        else:
            row_bytes += max(1, arrow_type(column.dtype).bit_width // 8)
    wanted = max(smallest, min(largest, n_bytes // max(1, row_bytes)))
    power = 1 << wanted.bit_length() - 1
    return power + power // 2 if power + power // 2 <= wanted else power
