"""How JSON lines are written, and how their records are read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bigdata_cli.sources.csv.dialect import Dialect

if TYPE_CHECKING:
    from bigdata_cli.sources.csv.transcript import Transcriber

RECORDS = "json"
"""What a manifest says of the records."""


@dataclass(frozen=True, kw_only=True)
class JsonDialect(Dialect):
    """Lines of JSON; a line is a record.

    names: all keys. nested: what an object or array in a line is: an error, or its JSON text.
    """

    delimiter: str | None = None
    quote: str | None = None
    header: bool = False
    null_tokens: tuple[str, ...] = ("",)
    nested: Literal["refuse", "text"] = "refuse"

    @property
    def is_text(self) -> bool:
        return False

    @property
    def transcriber(self) -> Transcriber:
        from bigdata_cli.sources.jsonl.transcribe import JsonTranscriber

        return JsonTranscriber(self, keeps_nested=self.nested == "text")

    def option_values(self) -> dict[str, Any]:
        return {
            "jsonl": True,
            "names": self.names,
            "nested": self.nested,
            "skip_rows": self.skip_rows,
            "comment": self.comment,
            "encoding": None if self.encoding == "utf-8" else self.encoding,
        }

    def to_json(self) -> dict[str, Any]:
        return {"records": RECORDS, **super().to_json()}
