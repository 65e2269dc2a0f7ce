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


class ArrowBatches:
    """Record batches as pointers to `struct bd_arrow_array`.

    addresses: uintp (batches,). They hold as long as this object lives.
    """

    def __init__(self, batches: Sequence[pa.RecordBatch]) -> None:
        self._capsules: list[Any] = [batch.__arrow_c_array__()[1] for batch in batches]
        pointers = [_pointer_of(capsule, b"arrow_array") for capsule in self._capsules]
        self.addresses = np.array(pointers, np.uintp)
