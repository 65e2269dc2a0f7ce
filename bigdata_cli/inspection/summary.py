"""Sentences that all outputs of a report share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bigdata_cli.conversion.estimate.costs import Cost, Room
    from bigdata_cli.inspection.facts import DatasetShard, SourceFacts

_LARGE, _HUGE = 1e5, 1e15


def shard_balance(shards: Sequence[DatasetShard]) -> str:
    """How far the rows of shards are from equal; empty for a single one.

    >>> from bigdata_cli.inspection.facts import DatasetShard
    >>> shard_balance([DatasetShard(files=(), rows=rows, bytes=1) for rows in (90, 100)])
    ', 90 to 100 rows each'
    """
    if len(shards) < 2:
        return ""
    rows = [shard.rows for shard in shards]
    return f", {min(rows):,} to {max(rows):,} rows each"


def rows_text(report: SourceFacts) -> str:
    """How many rows a source has, and how sure that is."""
    if report.exact or report.rows_low == report.rows_high == report.rows:
        return f"{report.rows:,}"
    if not report.size_known:
        return f"at least {report.rows:,}"
    if report.rows_low is None or report.rows_high is None:
        return f"about {report.rows:,}"
    return f"about {report.rows:,} (19 times in 20 {report.rows_low:,} to {report.rows_high:,})"


def cost_notes(costs: tuple[Cost, ...], room: Room) -> list[str]:
    """What the figures of the costs rest on."""
    dropped = next((cost.dropped for cost in costs if cost.dropped), ())
    notes = []
    if dropped:
        notes.append(f"¹ holds numbers only: without {', '.join(dropped)}")
    narrowed = next((cost.narrowed for cost in costs if cost.narrowed), ())
    if narrowed:
        notes.append(f"² has float32 only, which loses digits of {', '.join(narrowed)}")
    notes.append(
        f"Disk: {room.disk_bytes:,} bytes{' (told)' if room.disk_told else ' free'}. "
        f"Memory: {room.memory_bytes:,} bytes{' (told)' if room.memory_told else ' free'}: "
        "whether all rows fit as arrays; batches need no more than a few MB."
    )
    if not any(cost.is_recommended for cost in costs):
        notes.append("Nothing fits the disk: --drop COLS, or a larger disk.")
    return notes


def number_text(value: Any) -> str | None:
    """A figure of a column in a few digits; None where there is none."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:,.0f}" if _LARGE <= abs(value) < _HUGE else f"{value:.6g}"
    return str(int(value))
