"""Which library files there are: one for each instruction set of a processor family.

All of them are made of the same sources and give the same results, bit for bit.
"""

from __future__ import annotations

import os
import sys

LEVELS = {"x86_64": ("sse2", "avx2", "avx512"), "aarch64": ("neon",)}
"""Per processor family the instruction sets, lowest first: as `bd_instruction_sets` counts them."""


def family(machine: str | None = None) -> str:
    """The processor family, as `LEVELS` names it.

    >>> family("AMD64"), family("arm64"), family("riscv64")
    ('x86_64', 'aarch64', 'riscv64')
    """
    machine = (machine or os.uname().machine).lower()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)


def platform_name() -> str:
    """The system and the processor family of this Python, such as `linux-x86_64`."""
    bits = "" if sys.maxsize > 2**32 else "-32bit"
    return f"{sys.platform}-{family()}{bits}"


def library_name(level: str) -> str:
    """The file name of the library for an instruction set."""
    return f"libbigdata_{level}.so"
