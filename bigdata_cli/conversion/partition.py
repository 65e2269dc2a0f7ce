"""Which part of a source belongs to which shard, whatever the way in which it is read.

Files that can be read anywhere have ranges of bytes; a stream is cut while it is read.

A shard holds the records that start in its part. Positions are those of the data bytes (as UTF-8,
without headers) of all files, one after the other; of tables they are rows.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate

import msgspec

from bigdata_cli.errors import UsageError
from bigdata_cli.sources.base import ShardLocator
from bigdata_cli.sources.csv.blocks import ByteRange

MAX_SHARDS = 99_999
MAX_DEALT_SHARDS = 512
_FIRST_DEALT_BYTES = 8 << 20
_MAX_DEALT_BYTES = 4 << 20
_GROWTH = 1.25


class FileRanges(msgspec.Struct, frozen=True):
    """The ranges of files that each shard holds; where records start is seen when they are read."""

    ranges: tuple[tuple[ByteRange, ...], ...]

    @property
    def n_shards(self) -> int:
        return len(self.ranges)


class Evenly(msgspec.Struct, frozen=True):
    """A known number of data bytes or rows in equal parts, as `split_source` cuts a file."""

    total: int
    n_shards: int

    def locator(self) -> ShardLocator:
        cuts = [self.total * i // self.n_shards for i in range(1, self.n_shards)]

        def locate(position: int) -> tuple[int, int | None]:
            shard = bisect_right(cuts, position)
            return shard, cuts[shard] if shard < len(cuts) else None

        return locate


class BySize(msgspec.Struct, frozen=True):
    """Shards of `shard_bytes` data bytes, as many as there are."""

    shard_bytes: int

    @property
    def n_shards(self) -> None:
        """Not known before the stream ends."""

    def locator(self) -> ShardLocator:
        shard, stop = -1, 0

        def locate(position: int) -> tuple[int, int | None]:
            nonlocal shard, stop
            if position >= stop:
                shard, stop = shard + 1, (position // self.shard_bytes + 1) * self.shard_bytes
            if shard >= MAX_SHARDS:
                raise UsageError(
                    f"the stream has more than {MAX_SHARDS:,} shards of this size",
                    hint="a larger --shard-size",
                )
            return shard, stop

        return locate


class Dealt(msgspec.Struct, frozen=True):
    """Pieces dealt to the shards in turn, for a stream whose size is not known.

    The pieces are small at first and grow, so that the shards are nearly equal, however long the
    stream is.
    """

    n_shards: int

    def locator(self) -> ShardLocator:
        size, shard, stop = float(_FIRST_DEALT_BYTES // self.n_shards), -1, 0
        size /= 2 * _GROWTH

        def locate(position: int) -> tuple[int, int | None]:
            nonlocal size, shard, stop
            while position >= stop:
                shard = (shard + 1) % self.n_shards
                if shard == 0:
                    size = min(size * _GROWTH, _MAX_DEALT_BYTES)
                stop += int(size)
            return shard, stop

        return locate


class ByRows(msgspec.Struct, frozen=True):
    """Shards of so many rows each, of a stream whose rows are known."""

    rows: tuple[int, ...]

    @property
    def n_shards(self) -> int:
        return len(self.rows)

    def locator(self) -> ShardLocator:
        stops = list(accumulate(self.rows))

        def locate(position: int) -> tuple[int, int | None]:
            shard = bisect_right(stops, position)
            return shard, stops[shard] if shard < len(stops) - 1 else None

        return locate


StreamCuts = Evenly | BySize | Dealt | ByRows
Partition = FileRanges | StreamCuts
