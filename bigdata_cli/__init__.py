"""Turn CSV and text files that do not fit in memory into training-ready datasets.

    from bigdata_cli import convert, inspect, open_dataset, train, verify

    convert("transactions.csv", to="tfrecord", shards=3)

Everything is imported when it is first used: importing this package loads no other library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_EXPORTS = {
    "convert": "bigdata_cli.conversion.run:convert",
    "inspect": "bigdata_cli.inspection.run:inspect",
    "verify": "bigdata_cli.verification.run:verify",
    "open_dataset": "bigdata_cli.dataset:open_dataset",
    "predict": "bigdata_cli.training.predict:predict",
    "train": "bigdata_cli.training.run:train",
    "BigdataError": "bigdata_cli.errors:BigdataError",
    "BudgetError": "bigdata_cli.errors:BudgetError",
    "DataError": "bigdata_cli.errors:DataError",
    "MissingDependencyError": "bigdata_cli.errors:MissingDependencyError",
    "SmokeTestError": "bigdata_cli.errors:SmokeTestError",
    "UsageError": "bigdata_cli.errors:UsageError",
    "VerificationError": "bigdata_cli.errors:VerificationError",
}

__all__ = [
    "BigdataError",
    "BudgetError",
    "DataError",
    "MissingDependencyError",
    "SmokeTestError",
    "UsageError",
    "VerificationError",
    "convert",
    "inspect",
    "open_dataset",
    "predict",
    "train",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _EXPORTS[name].partition(":")
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


if TYPE_CHECKING:
    from bigdata_cli.conversion.run import convert
    from bigdata_cli.dataset import open_dataset
    from bigdata_cli.errors import (
        BigdataError,
        BudgetError,
        DataError,
        MissingDependencyError,
        SmokeTestError,
        UsageError,
        VerificationError,
    )
    from bigdata_cli.inspection.run import inspect
    from bigdata_cli.training.predict import predict
    from bigdata_cli.training.run import train
    from bigdata_cli.verification.run import verify
