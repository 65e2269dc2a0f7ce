"""What `inspect` gives: the facts of a source or a dataset, as JSON and as a page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from os import PathLike, fspath
from typing import Any

from bigdata_cli.html.frame import embedded
from bigdata_cli.inspection.facts import DatasetFacts, SourceFacts
from bigdata_cli.inspection.page import dataset_page, source_page
from bigdata_cli.printable import ShortRepr

REPORT_VERSION = 1


@dataclass(frozen=True, kw_only=True, repr=False)
class CsvReport(ShortRepr, SourceFacts):
    """The report of a source."""

    shown = (
        "path",
        "source_bytes",
        "rows",
        "exact",
        "columns",
        "confidence",
        "next_command",
        "notes",
    )

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        totals = {"pandas_bytes": self.pandas_bytes, "bytes": self.bytes, "ratio": self.ratio}
        return {"report_version": REPORT_VERSION, "kind": "source", **_plain(self), **totals}

    def to_html(self) -> str:
        """The report as one HTML page that needs nothing else."""
        return source_page(self)

    def _repr_html_(self) -> str:
        return embedded(self.to_html())


@dataclass(frozen=True, kw_only=True, repr=False)
class DatasetReport(ShortRepr, DatasetFacts):
    """The report of a dataset."""

    shown = (
        "path",
        "format",
        "layout",
        "label",
        "rows",
        "bytes",
        "shards",
        "columns",
        "next_command",
        "notes",
    )

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        totals = {"ratio": self.ratio}
        return {"report_version": REPORT_VERSION, "kind": "dataset", **_plain(self), **totals}

    def to_html(self) -> str:
        """The report as one HTML page that needs nothing else."""
        return dataset_page(self)

    def _repr_html_(self) -> str:
        return embedded(self.to_html())


InspectReport = CsvReport | DatasetReport


def _plain(value: Any) -> Any:
    """A report as dicts, lists and JSON's own values."""
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return fspath(value) if isinstance(value, PathLike) else value
