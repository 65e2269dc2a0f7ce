"""What a module sees of a compiled function: a decorator, and the call."""

from __future__ import annotations

import functools
import hashlib
import logging
import threading
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from bigdata_cli.native.convention import Kinds, callable_at, taken_apart

_loading = threading.RLock()
_logger = logging.getLogger("bigdata_cli.native")


class Intrinsic:
    """A building block of compiled functions: a definition as `numba.extending.intrinsic` takes."""

    def __init__(self, define: FunctionType) -> None:
        self.function = define

    @functools.cached_property
    def for_numba(self) -> Any:
        """What numba puts in the place of the name."""
        from numba.extending import intrinsic

        return intrinsic(self.function)


class Compiled:
    """A function whose machine code is loaded, or made, when it is first called."""

    def __init__(self, function: FunctionType, options: dict[str, Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.options = options
        self._codes: dict[Kinds, Callable[..., Any]] = {}

    def __call__(self, *arguments: Any) -> Any:
        kinds, values = taken_apart(arguments)
        code = self._codes.get(kinds)
        if code is None:
            code = self._load(kinds, arguments)
        return code(values)

    def _load(self, kinds: Kinds, arguments: tuple[Any, ...]) -> Callable[..., Any]:
        """The code for arguments of these kinds: that of an earlier process, or made now."""
        from bigdata_cli.native import link, store

        with _loading:
            if kinds in self._codes:
                return self._codes[kinds]
            place = store.place(self.name, kinds, fingerprint(self))
            made = store.read(place)
            if made is None:
                from bigdata_cli.native import build

                _logger.info("compiling %s", self.name)
                made = build.build(self, arguments)
                store.write(place, made)
            address = link.address(made)
            code = callable_at(address, self.name, kinds, made.result, is_tuple=made.is_tuple)
            self._codes[kinds] = code
            return code

    @property
    def name(self) -> str:
        """Its module and name."""
        return f"{self.function.__module__}.{self.function.__qualname__}"

    @functools.cached_property
    def for_numba(self) -> Any:
        """What numba puts in the place of the name: its own kind of function."""
        from bigdata_cli.native import build

        return build.dispatcher(self)


def compiled(function: Any = None, *, error_model: str = "python", inline: str = "never") -> Any:
    """Compile the function for the types that it is called with; see the package.

    error_model: "numpy" divides by zero as floats do, and without a test. inline: "always" puts
    the body where it is called. Both as `numba.njit` has them.
    """
    options = {"error_model": error_model, "inline": inline}
    if function is None:
        return functools.partial(compiled, **options)
    return Compiled(function, options)


def intrinsic(define: Any) -> Any:
    """A building block for compiled functions, as `numba.extending.intrinsic` defines it.

    The definition imports numba when it runs, not before.
    """
    return Intrinsic(define)


def fingerprint(function: Compiled) -> str:
    """A digest of all that the machine code is made of: the code, that of all functions that it
    calls, and the constants that it refers to."""
    digest = hashlib.sha256()
    for part in _parts(function, set()):
        digest.update(part)
        digest.update(b"\0")
    return digest.hexdigest()


def _parts(function: Compiled | Intrinsic, seen: set[int]) -> Iterator[bytes]:
    if id(function) in seen:
        return
    seen.add(id(function))
    python = function.function
    yield python.__qualname__.encode()
    yield repr(sorted(getattr(function, "options", {}).items())).encode()
    yield from _code_parts(python.__code__)
    for cell in python.__closure__ or ():
        yield from _value_parts(cell.cell_contents, seen)
    for name in sorted(set(python.__code__.co_names)):
        if name in python.__globals__:
            yield name.encode()
            yield from _value_parts(python.__globals__[name], seen)


def _code_parts(code: CodeType) -> Iterator[bytes]:
    yield code.co_code
    yield repr((code.co_names, code.co_varnames, code.co_freevars)).encode()
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _code_parts(constant)
        else:
            yield repr(constant).encode()


def _value_parts(value: Any, seen: set[int]) -> Iterator[bytes]:
    if isinstance(value, Compiled | Intrinsic):
        yield from _parts(value, seen)
    elif isinstance(value, np.ndarray):
        yield repr((value.dtype.str, value.shape)).encode()
        yield value.tobytes()
    elif isinstance(value, int | float | str | tuple | np.generic):
        yield repr(value).encode()
