"""Machine code into this process."""

from __future__ import annotations

import contextlib
from functools import cache
from typing import Any

import llvmlite.binding as llvm

from bigdata_cli.native.store import MachineCode

_engines: list[Any] = []
"""They own the memory that the code is in, until the process ends."""


def address(code: MachineCode) -> int:
    """Where in memory the function is, once it is linked."""
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target_machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code.content))
    engine.finalize_object()
    _engines.append(engine)
    found = int(engine.get_function_address(code.symbol))
    if not found:
        raise RuntimeError(f"no {code.symbol} in the machine code")
    return found


@cache
def _target_machine() -> Any:
    with contextlib.suppress(RuntimeError):  # needless from llvmlite 0.45 on, which says so
        llvm.initialize()
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine()
