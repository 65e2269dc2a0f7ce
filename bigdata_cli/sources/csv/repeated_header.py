"""Records that are the header again, as in files that were put together of several."""

from __future__ import annotations

from bigdata_cli.sources.csv.blocks import Block
from bigdata_cli.sources.csv.dialect import Dialect


def find_repeated(block: Block, start: int, limit: int, dialect: Dialect) -> list[tuple[int, int]]:
    """(start, stop) in the block of the lines that are the header, among those in [start, limit).

    start, limit: offsets in the file. A line within a quoted field is none.
    """
    if dialect.repeated_header != "drop" or not dialect.header_line:
        return []
    line = dialect.header_line.encode()
    begin, end = start - block.offset, min(limit - block.offset, block.size)
    data = block.data[: block.size].tobytes()
    quote = (dialect.quote or "").encode()
    found = []
    n_quotes, counted = 0, begin
    place = data.find(line, begin)
    while 0 <= place < end:
        stop = _line_end(data, place + len(line))
        is_line = stop > 0 and (place == begin or data[place - 1 : place] in (b"\n", b"\r"))
        if is_line and quote:
            n_quotes += data.count(quote, counted, place)
            counted = place
        if is_line and n_quotes % 2 == 0:
            found.append((place, stop))
        place = data.find(line, max(stop, place + 1))
    return found


def _line_end(data: bytes, place: int) -> int:
    """The position after the line end at a place; 0 where there is none."""
    if place == len(data):
        return place
    if data[place : place + 1] == b"\n":
        return place + 1
    return place + 1 + (data[place + 1 : place + 2] == b"\n") if data[place] == 13 else 0
