"""The parts of a conversion: a source shard has one for each split, or is one where there are none.

They are numbered shard after shard, and within a shard split after split.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec

from bigdata_cli.formats.hive import folder_of_split


class Parts(msgspec.Struct, frozen=True):
    """How parts are numbered. names: of the splits; empty where a shard is one part.

    folders: of the files of each shard; empty where they are in that of the dataset.
    """

    names: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()

    @property
    def per_shard(self) -> int:
        return max(1, len(self.names))

    def of_shard(self, shard: int) -> range:
        """The parts of a shard."""
        return range(shard * self.per_shard, (shard + 1) * self.per_shard)

    def shard(self, part: int) -> int:
        return part // self.per_shard

    def split(self, part: int) -> int:
        """The place of the part's split in `names`; 0 where there are none."""
        return part % self.per_shard

    def by_shard(self, parts: Iterable[int]) -> dict[int, tuple[int, ...]]:
        """The splits of each shard that these parts are, shards ascending."""
        found: dict[int, list[int]] = {}
        for part in sorted(parts):
            found.setdefault(self.shard(part), []).append(self.split(part))
        return {shard: tuple(splits) for shard, splits in found.items()}

    def places(self, rows: Mapping[int, int]) -> dict[int, Place]:
        """Which file each part becomes, in the order of the dataset: split after split.

        Parts of a split without rows become none, but for the first one of a split that has no
        rows at all: a dataset has all of its splits.

        Args:
            rows: Of each part, by its number.
        """
        if not self.names:
            folders = self.folders or ("",) * len(rows)
            return {
                part: Place("", index, len(rows), folder)
                for (index, part), folder in zip(enumerate(sorted(rows)), folders, strict=True)
            }
        places: dict[int, Place] = {}
        for split, name in enumerate(self.names):
            own = [part for part in sorted(rows) if self.split(part) == split]
            kept = [part for part in own if rows[part]] or self._empty(name, own)
            places |= {
                part: Place(name, index, len(kept), self._folder(part))
                for index, part in enumerate(kept)
            }
        return places

    def _folder(self, part: int) -> str:
        return self.folders[self.shard(part)] if self.folders else ""

    def _empty(self, name: str, parts: list[int]) -> list[int]:
        """The part that becomes the file of a split without rows."""
        above = folder_of_split(name) if self.folders else ""
        return [part for part in parts if self._folder(part).startswith(above)][:1]


ONE_PART = Parts()
"""Where there are no splits."""


class Place(msgspec.Struct, frozen=True):
    """A shard of the dataset: its split, "" for none, its place in that, and how many it has.

    folder: in which its files are, with a slash at the end; "" for that of the dataset.
    """

    split: str
    index: int
    count: int
    folder: str = ""

    def file_name(self, stem: str) -> tuple[str, str]:
        """What a file name begins with, and what stands before its extension."""
        before = self.folder + (self.split or stem)
        return before, f"-{self.index:05d}-of-{self.count:05d}."


def kept_whole(parts: Parts, known: Collection[int]) -> int:
    """How many parts, counted from the first one, are those of whole shards.

    known: the numbers of the parts that there are, without a gap.
    """
    return len(known) // parts.per_shard * parts.per_shard
