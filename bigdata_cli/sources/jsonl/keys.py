"""Which keys the objects have, as far as a sample shows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from bigdata_cli.native import json_lines as native
from bigdata_cli.native.json_lines import JsonKeys, transcribe_lines
from bigdata_cli.sources.csv.blocks import BlockReader, guess_record_start
from bigdata_cli.sources.csv.feed import read_head
from bigdata_cli.sources.csv.files import TextFiles
from bigdata_cli.sources.csv.sample import SAMPLE_BYTES, sample_pieces
from bigdata_cli.sources.csv.blocks import LOOKAHEAD_BYTES, Block
from bigdata_cli.sources.jsonl.problems import UNKNOWN_KEY

_MOST_BAD_LINES = 1000


def find_keys(source: TextFiles) -> tuple[str, ...]:
    """The keys in a sample of the source, in the order in which they appear.

    Lines that are wrong show none: the conversion tells what is wrong with them.
    """
    names: dict[str, None] = {}
    for block in _blocks(source):
        _add_keys(block, names, source.dialect.comment)
    return tuple(names)


def _blocks(source: TextFiles) -> Iterator[Block]:
    """Blocks that begin with a line; the last line of one may be cut."""
    if source.is_stream:
        yield from (fed.block for fed in read_head(source, SAMPLE_BYTES).blocks)
        return
    pieces, _ = sample_pieces(source, SAMPLE_BYTES)
    with BlockReader(source) as reader:
        for piece in pieces:
            start = guess_record_start(reader, piece, source)
            yield reader.read(piece.file, start, max(start, piece.stop) + LOOKAHEAD_BYTES)


def _add_keys(block: Block, names: dict[str, None], comment: str | None) -> None:
    start, n_bad = 0, 0
    keys = JsonKeys(tuple(names))
    while start < block.size and n_bad < _MOST_BAD_LINES:
        found = transcribe_lines(
            block.data,
            (start, block.size, block.size),
            keys,
            (),
            at_eof=block.at_eof,
            comment=-1 if comment is None else ord(comment),
            keeps_nested=True,
            collects=False,
        )
        start = found.position
        if found.status in (native.DONE, native.MORE):
            return
        begin, stop, status, _, _ = found.bad[-1].tolist()
        known = len(names)
        if status == UNKNOWN_KEY:
            names.update(dict.fromkeys(_keys_of_line(block.data[begin:stop].tobytes())))
            keys = JsonKeys(tuple(names))
        n_bad += len(names) == known


def _keys_of_line(line: bytes) -> Iterable[str]:
    """The keys of an object; none where it is not well formed."""
    try:
        pairs = json.loads(line, object_pairs_hook=lambda pairs: [name for name, _ in pairs])
        for name in pairs:
            name.encode()
    except (ValueError, RecursionError):
        return ()
    return pairs if isinstance(pairs, list) else ()
