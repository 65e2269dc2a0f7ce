"""The random key of a row, from which its place in a shuffled dataset follows.

Rows sorted by independent keys are in a uniformly random order: each permutation is as likely as
any other. The first bits of a key are its bucket, so that the buckets one after the other, each
sorted, are all rows sorted. (Rao, "Generation of random permutations of given number of elements
using random sampling numbers", 1961; Sandelius, "A simple randomization procedure", 1962.)

Keys are numbers of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number
generators", OOPSLA 2014), which are numbered: that of any row follows from its number alone, and no
two numbers have the same key.
"""

from __future__ import annotations

import numpy as np

from bigdata_cli.arrays.splitmix import GAMMA, mix

_ROW_BITS = 40
"""Bits for the number of a row in its part; a part is below a few hundred megabytes of source."""
KEY_BITS = 64


def row_keys(seed: int, part: int, rows: np.ndarray) -> np.ndarray:
    """The keys of rows: uint64 (n,).

    Args:
        seed: Of the shuffle, 0 or more.
        part: The number of the part of the source.
        rows: Their numbers in the part, from 0: uint64 (n,).
    """
    start = np.random.SeedSequence(seed).generate_state(1, np.uint64)[0]
    keys = rows + np.uint64((part << _ROW_BITS) + 1)
    keys *= GAMMA
    keys += start
    return mix(keys)


def buckets_of(keys: np.ndarray, bits: int) -> np.ndarray:
    """The buckets of keys, of 2**bits: uint16 (n,), or uint32 where these are many."""
    dtype = np.uint16 if bits <= 16 else np.uint32
    if not bits:
        return np.zeros(len(keys), dtype)
    return (keys >> np.uint64(KEY_BITS - bits)).astype(dtype)
