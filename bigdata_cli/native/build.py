"""Machine code from Python functions, by numba."""

from __future__ import annotations

import ctypes
import re
from types import FunctionType
from typing import TYPE_CHECKING, Any

import numba
from llvmlite import ir
from numba.core import compiler
from numba.core.registry import cpu_target
from numba.core.types.containers import BaseTuple

from bigdata_cli.native.convention import RESULT_CODES, c_types, taken_apart
from bigdata_cli.native.store import MachineCode

if TYPE_CHECKING:
    from bigdata_cli.native.function import Compiled

_OF_THE_C_LIBRARY = {
    *("memcpy", "memmove", "memset", "memcmp"),
    *("pow", "exp", "log", "floor", "ceil", "trunc", "fmod", "ldexp"),
}


def build(function: Compiled, arguments: tuple[Any, ...]) -> MachineCode:
    """Compile the function for arguments like these.

    Raises TypeError where its machine code would need numba while it runs, or cannot be called as
    `convention` says.
    """
    flags = compiler.Flags()
    flags.no_cpython_wrapper = True
    flags.no_cfunc_wrapper = True
    flags.error_model = function.options["error_model"]
    made = compiler.compile_extra(
        cpu_target.typing_context,
        cpu_target.target_context,
        _with_numba_names(function),
        tuple(map(numba.typeof, arguments)),
        None,
        flags,
        {},
    )
    returned = made.signature.return_type
    is_tuple = isinstance(returned, BaseTuple)
    elements = [str(element) for element in (returned if is_tuple else [returned])]
    wrong = [element for element in elements if element not in RESULT_CODES]
    if wrong:
        raise TypeError(f"{function.name} returns {wrong[0]}")
    _check_arguments(function, made, arguments)
    _, _, (content, _) = made.library.serialize_using_object_code()
    _check_needs(function, made.library)
    return MachineCode(
        content=content,
        symbol=made.fndesc.llvm_func_name,
        result="".join(RESULT_CODES[element] for element in elements),
        is_tuple=is_tuple,
    )


def dispatcher(function: Compiled) -> Any:
    """The function as others that are compiled call it."""
    wrappers = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    return numba.njit(_nrt=False, **wrappers, **function.options)(_with_numba_names(function))


def _with_numba_names(function: Compiled) -> FunctionType:
    """The Python function, with what numba knows in the place of what this package defines."""
    python = function.function
    names = dict(python.__globals__)
    for name in python.__code__.co_names:
        if hasattr(names.get(name), "for_numba"):
            names[name] = names[name].for_numba
    renamed = FunctionType(
        python.__code__, names, python.__name__, python.__defaults__, python.__closure__
    )
    renamed.__qualname__ = python.__qualname__
    return renamed


def _check_arguments(function: Compiled, made: Any, arguments: tuple[Any, ...]) -> None:
    """Numba's flat arguments are those that `convention` passes."""
    native = made.target_context.call_conv.get_function_type(
        made.fndesc.restype, made.fndesc.argtypes
    )
    taken = [_llvm_type(argument) for argument in native.args[2:]]
    given = [_LLVM_TYPES[argument] for argument in c_types(taken_apart(arguments)[0])]
    if taken != given:
        raise TypeError(f"{function.name} takes {native}")


_LLVM_TYPES = {
    ctypes.c_void_p: "pointer",
    ctypes.c_uint8: "i8",
    ctypes.c_int64: "i64",
    ctypes.c_uint64: "i64",
    ctypes.c_double: "double",
}


def _llvm_type(argument: Any) -> str:
    return "pointer" if isinstance(argument, ir.PointerType) else str(argument)


def _check_needs(function: Compiled, library: Any) -> None:
    """The code refers to nothing outside of it but the C library."""
    declared = set(re.findall(r'^declare [^@]*@"?([^"(]+)', library.get_llvm_str(), re.MULTILINE))
    needed = {name for name in declared if not name.startswith("llvm.")} - _OF_THE_C_LIBRARY
    if needed:
        raise TypeError(f"{function.name} needs {', '.join(sorted(needed))}")
