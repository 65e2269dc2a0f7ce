"""The last step of SplitMix64, a hash of integers.

Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
"""

from __future__ import annotations

import numpy as np

GAMMA = np.uint64(0x9E3779B97F4A7C15)
"""The step of the generator from one state to the next."""
FIRST_FACTOR, SECOND_FACTOR = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def mix(values: np.ndarray) -> np.ndarray:
    """A hash of each number, one-to-one: uint64 (n,)."""
    values = values ^ (values >> np.uint64(30))
    values *= FIRST_FACTOR
    values ^= values >> np.uint64(27)
    values *= SECOND_FACTOR
    values ^= values >> np.uint64(31)
    return values
