"""A source whose rows are made of those of another one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from bigdata_cli.url import Place

if TYPE_CHECKING:
    from bigdata_cli.sources.base import HowWritten, RowSource


@dataclass(frozen=True, kw_only=True)
class WrappedSource:
    """What a `RowSource` that wraps another one takes over from it: how that is written and named.

    inner: the other one.
    """

    inner: RowSource

    @property
    def dialect(self) -> HowWritten:
        return self.inner.dialect

    @property
    def confidence(self) -> float:
        return self.inner.confidence

    @property
    def reasons(self) -> tuple[str, ...]:
        return self.inner.reasons

    @property
    def notes(self) -> tuple[str, ...]:
        return self.inner.notes

    @property
    def flags(self) -> tuple[str, ...]:
        return self.inner.flags

    @property
    def stem(self) -> str:
        return self.inner.stem

    def until(self, file: int, end: int) -> Self:
        return replace(self, inner=self.inner.until(file, end))

    def check_output(self, output: Place) -> None:
        self.inner.check_output(output)
