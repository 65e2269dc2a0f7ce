"""Turn CSV and text files that do not fit in memory into training-ready datasets.

    from bigdata_cli import convert, inspect, open_dataset, train, verify

    convert("transactions.csv", to="tfrecord", shards=3)

Everything is imported when it is first used: importing this package loads no other library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"
DISTRIBUTION = "bigdata-shards"
"""What pip calls it: `bigdata-cli` is another package, of others."""

_EXPORTS = {
    "bigdata_cli.api": (
        "cat", "clean", "commit", "convert", "diff", "doctor", "head", "inspect", "open_dataset",
        "predict", "push", "sample", "train", "verify",
    ),
    "bigdata_cli.dataset": ("Dataset", "mix"),
    "bigdata_cli.errors": (
        "BigdataError", "BudgetError", "DataError", "EngineError", "MissingDependencyError",
        "SmokeTestError", "UsageError", "VerificationError",
    ),
}  # fmt: skip
"""Where the public names are; each module is imported when one of its names is first used."""

__all__ = [
    "BigdataError",
    "BudgetError",
    "DataError",
    "Dataset",
    "EngineError",
    "MissingDependencyError",
    "SmokeTestError",
    "UsageError",
    "VerificationError",
    "cat",
    "clean",
    "commit",
    "convert",
    "diff",
    "doctor",
    "head",
    "inspect",
    "mix",
    "open_dataset",
    "predict",
    "push",
    "sample",
    "train",
    "verify",
]


def __getattr__(name: str) -> Any:
    for module, names in _EXPORTS.items():
        if name in names:
            value = globals()[name] = getattr(import_module(module), name)
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


if TYPE_CHECKING:
    from bigdata_cli.api import (
        cat,
        clean,
        commit,
        convert,
        diff,
        doctor,
        head,
        inspect,
        open_dataset,
        predict,
        push,
        sample,
        train,
        verify,
    )
    from bigdata_cli.dataset import Dataset, mix
    from bigdata_cli.errors import (
        BigdataError,
        BudgetError,
        DataError,
        EngineError,
        MissingDependencyError,
        SmokeTestError,
        UsageError,
        VerificationError,
    )
