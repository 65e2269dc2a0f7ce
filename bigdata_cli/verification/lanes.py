"""Where the rows of a source are in a dataset: in order, or in one order for each split."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from msgspec import UNSET

from bigdata_cli.conversion.partition import MAX_DEALT_SHARDS
from bigdata_cli.conversion.split_keys import splits_of
from bigdata_cli.dataset.manifest import Manifest, ShardEntry
from bigdata_cli.sources.csv.records import Chunk
from bigdata_cli.splits.cuts import CutSplit
from bigdata_cli.splits.rule import HashSplit


class Rows(NamedTuple):
    """Rows of a block. numbers: which rows of it they are, int64 (rows,)."""

    batch: pa.RecordBatch
    numbers: np.ndarray

    def slice(self, first: int, n_rows: int) -> Rows:
        return Rows(self.batch.slice(first, n_rows), self.numbers[first : first + n_rows])


def rows_by_split(
    chunk: Chunk, file: int, rule: HashSplit | CutSplit | None
) -> Iterator[tuple[int, Rows]]:
    """The rows of a chunk by the place of their split; by 0 where there are no splits.

    file: The index of its file.
    """
    if rule is None:
        yield 0, Rows(chunk.batch, np.arange(chunk.rows))
        return
    splits = splits_of(chunk, file, rule)
    for split in range(len(rule.names)):
        numbers = np.flatnonzero(splits == split)
        if len(numbers):
            yield split, Rows(chunk.batch.take(pa.array(numbers)), numbers)


def lanes_of(manifest: Manifest) -> list[range]:
    """The shards of each split; those of all of the dataset where it has none."""
    if not manifest.splits:
        return [range(len(manifest.shards))]
    return [manifest.shards_of(split.name) for split in manifest.splits]


def shards_by_source(manifest: Manifest) -> dict[tuple[int, int], int]:
    """The shard of a dataset by the shard of the source that it was made of, and its split."""
    return {
        (source_shard(manifest.shards[shard], shard), split): shard
        for split, lane in enumerate(lanes_of(manifest))
        for shard in lane
    }


def source_shard(entry: ShardEntry, index: int) -> int:
    """The shard of the source that a shard was made of. index: of the shard itself."""
    return index if entry.source_shard is UNSET else entry.source_shard


def n_source_shards(manifest: Manifest) -> int:
    """How many shards the source was cut into; with splits, each is several of the dataset."""
    least = 1 + max(source_shard(entry, i) for i, entry in enumerate(manifest.shards))
    asked = manifest.options.get("shards")  # those that take turns were asked for
    if not manifest.splits or type(asked) is not int:
        return least
    return max(least, min(asked, MAX_DEALT_SHARDS))
