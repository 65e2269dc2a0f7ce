"""The spool: text of a stream that can be read only once, which its shards do not keep.

A shard can give back a column of integers, dates, categories or text, whatever its final dtype;
but floats and timestamps cannot become text again. So the spool keeps only the fields of such
columns, unchanged.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from bigdata_cli.io.store import ByteSource, Store
from bigdata_cli.sources.csv.blocks import PADDING_BYTES, Block
from bigdata_cli.sources.csv.feed import FedBlock
from bigdata_cli.sources.csv.records import Chunk, ParsePlan
from bigdata_cli.sources.csv.rules import compile_rules
from bigdata_cli.sources.csv.select_fields import select_fields
from bigdata_cli.sources.csv.units import parse_whole
from bigdata_cli.types.state import ColumnState

_CODEC = "lz4"
"""It compresses twice as fast as zstd's lowest level."""


class Packed(NamedTuple):
    """The text of columns of a block's records, compressed. columns: their numbers, in order.

    splits: of the rows, uint8 (rows,), where there are splits.
    """

    rows: int
    columns: tuple[int, ...]
    data: bytes
    size: int
    splits: np.ndarray | None = None


class _Entry(NamedTuple):
    shard: int
    rows: int
    columns: tuple[int, ...]
    start: int
    compressed: int
    size: int
    splits: tuple[int, int] | None


def pack_block(
    fed: FedBlock, chunk: Chunk, fields: Sequence[int], plan: ParsePlan, columns: Collection[int]
) -> Packed:
    """The text of columns of a block that was parsed as `chunk`; pure, in any thread.

    fields: per field of a record the number of its column, -1 for none.
    """
    wanted = [column in columns for column in fields]
    if not chunk.rows or not any(wanted):
        return Packed(chunk.rows, (), b"", 0, chunk.splits)
    transcriber = plan.dialect.transcriber
    if transcriber is not None:
        text, order = transcriber.select_fields(fed.block, chunk.rejects, fields, columns)
    else:
        rules = compile_rules(plan.dialect)
        text = select_fields(fed.block, chunk.set_aside, rules, wanted, chunk.rows)
        order = tuple(column for column in fields if column in columns)
    packed = pa.Codec(_CODEC).compress(pa.py_buffer(text), asbytes=True)
    return Packed(chunk.rows, order, packed, len(text), chunk.splits)


class Spool:
    """A file of packed blocks, written once and read any number of times.

    `append` is called from one thread, and `texts` when all are appended. bytes: of the file.
    """

    def __init__(self, store: Store, name: str) -> None:
        self._store, self._name = store, name
        self._file = store.create(name)
        self._codec = pa.Codec(_CODEC)
        self._entries: list[_Entry] = []
        self.bytes = 0

    def append(self, shard: int, packed: Packed) -> None:
        """Keep what `pack_block` gave of the next block of a shard."""
        self._file.write(packed.data)
        start, self.bytes = self.bytes, self.bytes + len(packed.data)
        splits_at = None
        if packed.splits is not None:
            splits = self._codec.compress(pa.py_buffer(packed.splits), asbytes=True)
            self._file.write(splits)
            splits_at = self.bytes, len(splits)
            self.bytes += len(splits)
        self._entries.append(
            _Entry(
                shard, packed.rows, packed.columns, start, len(packed.data), packed.size, splits_at
            )
        )

    def texts(
        self,
        shard: int,
        columns: Sequence[ColumnState],
        wanted: Collection[int],
        plan: ParsePlan,
        *,
        split: int = 0,
    ) -> Iterator[tuple[int, dict[str, pa.Array]]]:
        """Of each block of a shard its rows, and those of the wanted columns that are kept of it.

        columns: all columns, with the dtypes in which they are to be. split: of which the rows are,
        where there are splits.
        """
        with self._store.open(self._name) as file:
            for entry in self._entries:
                if entry.shard != shard or not entry.rows:
                    continue
                chosen = [number for number in entry.columns if number in wanted]
                arrays: dict[str, pa.Array] = {}
                if chosen:
                    file.seek(entry.start)
                    arrays = self._parsed(file.read(entry.compressed), entry, columns, chosen, plan)
                rows = entry.rows
                if entry.splits is not None:
                    mask = self._read_splits(file, entry) == split
                    rows = int(np.count_nonzero(mask))
                    arrays = {name: a.filter(pa.array(mask)) for name, a in arrays.items()}
                if rows:
                    yield rows, arrays

    def _read_splits(self, file: ByteSource, entry: _Entry) -> np.ndarray:
        """The split of each row of a block: uint8 (rows,)."""
        assert entry.splits is not None
        start, size = entry.splits
        file.seek(start)
        data = self._codec.decompress(file.read(size), decompressed_size=entry.rows)
        return np.frombuffer(data, np.uint8)

    def _parsed(
        self,
        compressed: bytes,
        entry: _Entry,
        columns: Sequence[ColumnState],
        chosen: Sequence[int],
        plan: ParsePlan,
    ) -> dict[str, pa.Array]:
        data = np.full(entry.size + PADDING_BYTES, 10, np.uint8)
        text = self._codec.decompress(compressed, decompressed_size=entry.size)
        data[: entry.size] = np.frombuffer(text, np.uint8)
        states = tuple(columns[number] for number in chosen)
        fields = [-1, *(chosen.index(n) if n in chosen else -1 for n in entry.columns)]
        transcriber = plan.dialect.transcriber
        dialect = plan.dialect.mended() if transcriber is None else transcriber.dialect
        own = replace(plan, dialect=dialect, columns=states, skip_bad_rows=False, split=None)
        unit = parse_whole(Block(data, 0, entry.size, True), 0, 1, fields, own)
        if unit.error is not None or unit.chunk is None:
            raise AssertionError("what was kept of a pipe does not read as it did before")
        batch = unit.chunk.batch
        return {name: batch.column(name) for name in batch.schema.names}

    def close(self) -> None:
        """Remove it; safe to call twice."""
        self._file.close()
        self._store.remove([self._name])
