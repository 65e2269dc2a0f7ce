"""The rule that assigns rows to splits by a hash of their values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise

import msgspec
import numpy as np
from msgspec import structs

from bigdata_cli.native.library import address, lib
from bigdata_cli.splits.options import SplitOptions, fractions_of


class HashSplit(msgspec.Struct, frozen=True, kw_only=True):
    """A split by a hash of the values of each row.

    Attributes:
        names: Of the splits.
        cuts: The first hash of each split but the first one, as integers of 64 bits.
        keys: The columns that count, each with what its values are hashed with.
        seed: Mixed into the hash.
        n_steps: After how many steps of a source whose rows go through some the values count; None
            for all of them.
    """

    names: tuple[str, ...]
    cuts: tuple[int, ...]
    keys: tuple[tuple[str, int], ...]
    seed: int = 0
    n_steps: int | None = None

    @classmethod
    def of(
        cls,
        options: SplitOptions,
        columns: Sequence[str],
        *,
        seed: int,
        n_steps: int | None = None,
    ) -> HashSplit | None:
        """The rule that options ask for; None where they ask for none.

        Args:
            options: Names and shares, and the columns that count; all where it has none.
            columns: Of the dataset.
            seed: Of the draw.
            n_steps: See the attribute.
        """
        if options.split is None:
            return None
        shares = fractions_of(options.split)
        sums = [sum(shares[:end], Fraction(0)) for end in range(1, len(shares))]
        if options.split_by:
            # By their places, so that two datasets with the same key under different names are
            # split alike.
            keys = tuple((name, place) for place, name in enumerate(options.split_by, 1))
        else:
            keys = tuple((name, _hash_of(name)) for name in columns)
        return cls(
            names=tuple(options.split),
            cuts=tuple(min(int(share * 2**64), 2**64 - 1) for share in sums),
            keys=keys,
            seed=_hash_of(str(seed)),
            n_steps=n_steps,
        )

    @property
    def largest(self) -> int:
        """The place of the split with the largest share."""
        ends = [0, *self.cuts, 2**64]
        shares = [stop - start for start, stop in pairwise(ends)]
        return shares.index(max(shares))

    def salts(self, columns: Sequence[str]) -> np.ndarray:
        """What the values of each of these columns are hashed with, 0 where they do not count.

        Returns:
            uint64 (columns,).
        """
        known = dict(self.keys)
        return np.array([known.get(name, 0) for name in columns], np.uint64)

    def hash_of_constants(self, texts: Mapping[str, str]) -> np.uint64:
        """The hash of values that all of some rows have, by column, beside those of each row."""
        known = dict(self.keys)
        pairs = [(known[name], text) for name, text in texts.items() if name in known]
        return np.uint64(_hash_of(repr(sorted(pairs))) if pairs else 0)

    def of_columns(self, names: Mapping[str, str]) -> HashSplit:
        """The rule for columns under other names. names: by the name of each, that here."""
        known = dict(self.keys)
        keys = tuple((name, known[own]) for name, own in names.items() if own in known)
        return structs.replace(self, keys=keys)

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
