"""What a function of expressions is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from bigdata_cli.transforms.expressions.nodes import Type
from bigdata_cli.transforms.rows_of_columns import Datum
from bigdata_cli.types.dtype import Kind


class Function(NamedTuple):
    """A function of expressions.

    Attributes:
        usage: How it is called, and what it gives.
        arguments: The kinds that each argument may have.
        result: The type of its values, from those of its arguments.
        compute: Its values.
        n_optional: How many of the last arguments may be left out.
        constants: The arguments that have to be constants: `compute` gets their values.
        may_fail: Whether `compute` may raise pa.ArrowInvalid.
        repeats: The last argument may be repeated.
    """

    usage: str
    arguments: tuple[tuple[Kind, ...], ...]
    result: Callable[[Sequence[Type]], Type]
    compute: Callable[..., Datum]
    n_optional: int = 0
    constants: tuple[int, ...] = ()
    may_fail: bool = False
    repeats: bool = False


def always(type_: Type) -> Callable[[Sequence[Type]], Type]:
    """The result of a function whose values have one type."""
    return lambda arguments: type_


def like_argument(index: int) -> Callable[[Sequence[Type]], Type]:
    """The result of a function whose values have the type of an argument."""
    return lambda arguments: arguments[index]
