"""Arrow batches as the C library reads them: by the Arrow C data interface, without copying."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

_pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_of.restype = ctypes.c_void_p
_pointer_of.argtypes = [ctypes.py_object, ctypes.c_char_p]


def exported(batch: pa.RecordBatch) -> tuple[int, Any]:
    """The address of the `struct bd_arrow_array` of a batch, and what keeps it there."""
    _, capsule = batch.__arrow_c_array__()
    return _pointer_of(capsule, b"arrow_array"), capsule


class ArrowBatches:
    """Record batches as pointers to `struct bd_arrow_array`.

    addresses: uintp (batches,). They hold as long as this object lives.
    """

    def __init__(self, batches: Sequence[pa.RecordBatch]) -> None:
        self._held = [exported(batch) for batch in batches]
        self.addresses = np.array([place for place, _ in self._held], np.uintp)
