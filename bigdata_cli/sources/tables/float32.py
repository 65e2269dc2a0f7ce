"""Whether float32 keeps float64 values, by the rule for the numbers of a CSV."""

from __future__ import annotations

import numpy as np

from bigdata_cli.native.library import address, lib


def loses_float32(values: np.ndarray, flags: np.ndarray) -> bool:
    """Whether float32 loses one of the values: float64 (n,), flags uint8 (n,).

    A value survives where float32 equals it, or where its shortest decimal is the shortest one of
    the float32: written as text and read again it would be this float32. Values whose flag is
    NO_VALUE do not count.
    """
    return bool(lib.bd_loses_float32(address(values), address(flags), len(values)))
