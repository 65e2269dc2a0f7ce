"""For which processor machine code is made: this one, or what numba's variables say."""

from __future__ import annotations

import os
from functools import cache

import llvmlite.binding as llvm


@cache
def name() -> str:
    """LLVM's name of the processor, or that of NUMBA_CPU_NAME."""
    return os.environ.get("NUMBA_CPU_NAME") or str(llvm.get_host_cpu_name())


@cache
def features() -> frozenset[str]:
    """What the processor has and has not, as LLVM says it: "+sse4.2", "-avx512f"."""
    told = os.environ.get("NUMBA_CPU_FEATURES")
    if told is None:
        if name().lower() == "generic":
            return frozenset()
        try:
            told = llvm.get_host_cpu_features().flatten()
        except RuntimeError:  # not known for this kind of processor
            return frozenset()
    return frozenset(filter(None, told.split(",")))
