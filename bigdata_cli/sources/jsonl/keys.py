"""Which keys the objects have, as far as a sample shows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from bigdata_cli.native import json_lines as native
from bigdata_cli.native.json_lines import JsonKeys, transcribe_lines
from bigdata_cli.sources.csv.blocks import (
    LOOKAHEAD_BYTES,
    Block,
    BlockReader,
    guess_record_start,
)
from bigdata_cli.sources.csv.feed import read_head
from bigdata_cli.sources.csv.files import TextFiles
from bigdata_cli.sources.csv.sample import SAMPLE_BYTES, sample_pieces
from bigdata_cli.sources.jsonl.problems import UNKNOWN_KEY, read_key

_MAX_BAD_LINES = 1000


def find_keys(source: TextFiles) -> tuple[str, ...]:
    """The keys in a sample of the source, in the order in which they appear.

    Lines that are wrong show none: the conversion tells what is wrong with them.
    """
    names: dict[str, None] = {}
    for block, stop in _blocks(source):
        _add_keys(block, stop, names, source.dialect.comment)
    return tuple(names)


def _blocks(source: TextFiles) -> Iterator[tuple[Block, int]]:
    """Blocks that begin with a line, and before which byte of each the lines of it begin."""
    if source.is_stream:
        for fed in read_head(source, SAMPLE_BYTES).blocks:
            yield fed.block, fed.block.size
        return
    pieces, _ = sample_pieces(source, SAMPLE_BYTES)
    with BlockReader(source) as reader:
        for piece in pieces:
            start = guess_record_start(reader, piece, source)
            stop = max(start, piece.stop)
            yield reader.read(piece.file, start, stop + LOOKAHEAD_BYTES), stop - start


def _add_keys(block: Block, stop: int, names: dict[str, None], comment: str | None) -> None:
    start, n_bad = 0, 0
    keys = JsonKeys(tuple(names))
    while start < stop and n_bad < _MAX_BAD_LINES:
        found = transcribe_lines(
            block.data,
            (start, stop, block.size),
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
        begin, end, status, at, _ = found.bad[-1].tolist()
        known = len(names)
        if status == UNKNOWN_KEY:
            line = block.data[begin:end].tobytes()
            names.update(dict.fromkeys(_keys_of_line(line, at - begin)))
        if len(names) == known:
            n_bad += 1
            continue
        keys, start = JsonKeys(tuple(names)), begin


def _keys_of_line(line: bytes, at: int) -> Sequence[str]:
    """The keys of an object, one of which stands at byte `at`; none where it is not well formed."""
    try:
        return list(json.loads(line))
    except RecursionError:
        return [read_key(line[at:])]
    except ValueError:
        return ()
