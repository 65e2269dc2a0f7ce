"""Memory beside the heap."""

from __future__ import annotations

import numpy as np
import pytest

from bigdata_cli.resources.pages import Slabs, pages


@pytest.mark.parametrize("n_bytes", [0, 1, 4_096, (2 << 20) - 1, (2 << 20) + 1])
def test_pages_are_zeros_of_the_size_asked_for(n_bytes: int) -> None:
    found = pages(n_bytes)
    assert found.shape == (n_bytes,)
    assert not found.any()
    found[:] = 1


def test_arrays_of_a_slab_share_no_memory() -> None:
    slabs = Slabs(1_000)
    arrays = [slabs.zeros(n, np.dtype(np.uint32)) for n in (3, 0, 100, 1_000, 150, 5)]
    for number, array in enumerate(arrays):
        assert not array.any()
        assert array.ctypes.data % 64 == 0
        array[:] = number
    assert [set(array.tolist()) for array in arrays] == [{0}, set(), {2}, {3}, {4}, {5}]
