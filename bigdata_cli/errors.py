"""The errors a user can cause, and the exit status of each.

    BigdataError
    ├── UsageError              2   a wrong option, a missing file, a contradiction
    ├── DataError               3   the data is not what it was said to be
    │   └── SourceLostError     3   the source cannot be read to its end, at present
    ├── BudgetError             4   memory or disk does not suffice
    ├── VerificationError       5   a dataset is not what its manifest says
    ├── MissingDependencyError  6   an extra is not installed
    ├── LibraryError            6   the C library of the package is missing or damaged
    ├── EngineError             7   workers are gone, or tasks not done: the command goes on
    ├── SmokeTestError          1   a model did not learn from the data
    └── WorkerLostError         1   another of the processes that train together has ended

Every message says where, what and why; the hint is a fix that can be pasted.
An interrupt (Ctrl-C) exits with 130. Any other exception is a bug: traceback, exit status 1.
"""

from __future__ import annotations

import difflib
import errno
import os
from collections.abc import Iterable

from bigdata_cli import DISTRIBUTION


class BigdataError(Exception):
    """Base of all errors that are meant for the user."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\nHint: {self.hint}"

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback, which is of no use to a user."""
        return f"{type(self).__name__}: {self}".split("\n")


class UsageError(BigdataError):
    """An option, a path or a combination of them cannot work."""

    exit_code = 2


class DataError(BigdataError):
    """The source holds something that cannot be kept as asked."""

    exit_code = 3


class SourceLostError(DataError):
    """The source was there when reading began, and is gone or cannot be read; it may come back."""


def lost(name: str, error: BaseException) -> SourceLostError | None:
    """The error for a read of a source that the system refused; None where its content is wrong.

    Libraries say of damage too that it is an OSError, without a number, or as a position that is
    none.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno not in (None, errno.EINVAL, errno.EOVERFLOW):
            problem = cause.strerror or os.strerror(cause.errno or 0)
            return SourceLostError(f"{name} cannot be read at present: {problem}")
        cause = cause.__cause__
    return None


class BudgetError(BigdataError):
    """Memory or disk does not suffice."""

    exit_code = 4


class VerificationError(BigdataError):
    """A dataset differs from its manifest."""

    exit_code = 5


class MissingDependencyError(BigdataError):
    """An optional package is needed and not installed."""

    exit_code = 6

    @classmethod
    def for_extra(cls, package: str, extra: str, *, purpose: str) -> MissingDependencyError:
        """The error for a package that the extra `extra` installs."""
        return cls(
            f"{purpose} needs {package}, which is not installed",
            hint=f"pip install '{DISTRIBUTION}[{extra}]'",
        )


class LibraryError(BigdataError):
    """The package's own machine code is missing, damaged, or not that of its Python modules."""

    exit_code = 6


class EngineError(BigdataError):
    """Workers are not there, are gone or have another version, or tasks of others are not done."""

    exit_code = 7


class SmokeTestError(BigdataError):
    """Training ran, but the loss was not finite or did not fall."""


class WorkerLostError(BigdataError):
    """Of the processes that train a model together, another one has ended."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint for a name that is not among the known ones.

    >>> did_you_mean("isfraud", ["step", "isFraud"])
    'Did you mean "isFraud"?'
    >>> did_you_mean("x", ["step", "isFraud"])
    'It has: step, isFraud'
    """
    names = list(known)
    close = closest(name, names)
    if close is not None:
        return f'Did you mean "{close}"?'
    shown = ", ".join(names[:12])
    return f"It has: {shown}" + (f", … ({len(names)} in all)" if len(names) > 12 else "")


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like this one, None where none is close."""
    by_lower = {other.lower(): other for other in known}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return by_lower[found[0]] if found else None
