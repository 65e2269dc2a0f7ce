"""The rule that assigns rows to splits by a hash of their values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from bigdata_cli.native.library import address, lib
from bigdata_cli.splits.options import SplitOptions, fractions_of


@dataclass(frozen=True, kw_only=True)
class HashSplit:
    """A split by a hash of the values of each row.

    Attributes:
        names: Of the splits.
        cuts: The first hash of each split but the first one, as integers of 64 bits.
        seed: Mixed into the hash.
        by: The columns that count; None for all of the dataset.
    """

    names: tuple[str, ...]
    cuts: tuple[int, ...]
    seed: int = 0
    by: tuple[str, ...] | None = None

    @classmethod
    def of(cls, options: SplitOptions) -> HashSplit | None:
        """The rule that options ask for; None where they ask for none."""
        if options.split is None:
            return None
        shares = fractions_of(options.split)
        sums = [sum(shares[:end], Fraction(0)) for end in range(1, len(shares))]
        return cls(
            names=tuple(options.split),
            cuts=tuple(min(int(share * 2**64), 2**64 - 1) for share in sums),
            seed=_hash_of(str(options.seed)),
            by=options.split_by or None,
        )

    def salts(self, columns: Sequence[str]) -> np.ndarray:
        """What the values of each of these columns are hashed with, 0 where they do not count.

        Those of `by` have that of their place, so that two datasets with the same key under
        different names are split alike. Returns: uint64 (columns,).
        """
        if self.by is None:
            return np.array([_hash_of(name) for name in columns], np.uint64)
        places = {name: place for place, name in enumerate(self.by, 1)}
        return np.array([places.get(name, 0) for name in columns], np.uint64)

    def with_constants(self, constants: Mapping[str, str]) -> HashSplit:
        """The rule for rows that have these values, by column, beside those that are hashed."""
        texts = {n: t for n, t in constants.items() if self.by is None or n in self.by}
        if not texts:
            return self
        return replace(self, seed=_hash_of(repr((self.seed, sorted(texts.items())))))

    def assign(self, hashes: np.ndarray) -> np.ndarray:
        """The splits of rows, as places in `names`.

        Args:
            hashes: uint64 (rows,): the sums of the hashes of their values.

        Returns:
            uint8 (rows,).
        """
        splits = np.empty(len(hashes), np.uint8)
        cuts = np.array(self.cuts, np.uint64)
        lib.bd_assign_splits(
            len(hashes), address(hashes), self.seed, address(cuts), len(cuts), address(splits)
        )
        return splits


def _hash_of(text: str) -> int:
    """64 bits of a hash of a text, never 0."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "little") | 1
