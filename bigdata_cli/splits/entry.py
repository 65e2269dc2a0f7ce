"""The cuts between splits as a manifest has them."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from bigdata_cli.splits.cuts import CLASS, CutSplit
from bigdata_cli.strict_json import Count, JsonError


class CutsEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What a `CutSplit` goes by; cuts: of each class, or of all rows under None."""

    by: Literal["place", "value", "class"]
    column: str | None
    seed: Count
    cuts: tuple[tuple[str | None, tuple[int | float, ...]], ...]


def cuts_entry(rule: CutSplit) -> dict[str, Any]:
    """The rule as JSON."""
    cuts = [[value, list(own)] for value, own in rule.cuts.items()]
    return {"by": rule.by, "column": rule.column, "seed": rule.seed, "cuts": cuts}


def rule_of(entry: CutsEntry, names: tuple[str, ...]) -> CutSplit:
    """The rule of an entry; raises JsonError where it cannot be one. names: Of the splits."""
    cuts = dict(entry.cuts)
    if len(cuts) != len(entry.cuts) or (entry.by != CLASS and len(cuts) != 1):
        raise JsonError("options: split_cuts has other classes than it should")
    if any(len(own) != len(names) - 1 or list(own) != sorted(own) for own in cuts.values()):
        raise JsonError("options: split_cuts has other cuts than splits")
    if entry.by == CLASS and not all(
        isinstance(cut, int) and 0 <= cut < 2**64 for own in cuts.values() for cut in own
    ):
        raise JsonError("options: split_cuts has cuts that are no keys")
    if (entry.column is None) != (entry.by == "place"):
        raise JsonError("options: split_cuts has no column")
    return CutSplit(names=names, by=entry.by, column=entry.column, cuts=cuts, seed=entry.seed)
