"""Functions that are compiled to machine code once per machine, and then loaded without a compiler.

`compiled` marks a function for numba, `intrinsic` a building block that emits LLVM instructions.
Importing a module of such functions imports no compiler. The first call with arguments of some
types loads the machine code of an earlier process; only where there is none is numba imported to
make it. numba's own cache would need numba, and that is most of the start of a short command.

Such a function takes and returns no more than it must, so that its machine code needs nothing of
numba while it runs: it is called with arrays, numbers and tuples of them, by position; it returns
numbers or a tuple of numbers; it allocates nothing; and it does not raise.
"""

from bigdata_cli.native.function import compiled, intrinsic

__all__ = ["compiled", "intrinsic"]
