"""Machine code: the C library (`library`), and functions that numba compiles, while there are any.

`compiled` marks a function for numba, `intrinsic` a building block that emits LLVM instructions.
They are imported when they are asked for: the build of the C library has none of what they need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bigdata_cli.native.function import compiled, intrinsic

__all__ = ["compiled", "intrinsic"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from bigdata_cli.native import function

    return getattr(function, name)
