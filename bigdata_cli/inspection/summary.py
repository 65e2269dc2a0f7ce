"""Sentences that all outputs of a report share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from bigdata_cli.resources.sizes import format_duration, format_size

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
    return f"about {report.rows:,} (95 % confidence: {report.rows_low:,} to {report.rows_high:,})"


def ranked(costs: Sequence[Cost]) -> list[Cost]:
    """The costs in the order to show them: what fits and holds everything first, then by size."""
    return sorted(
        costs,
        key=lambda one: (
            not one.fits_disk,
            bool(one.dropped),
            bool(one.narrowed),
            not one.is_recommended,
            one.bytes,
        ),
    )


def verdict(costs: Sequence[Cost], room: Room) -> str | None:
    """Whether a dataset fits, and which is recommended, in one line; None without costs."""
    if not costs:
        return None
    disk, memory = _disk_text(room), _memory_text(room)
    best = next((cost for cost in costs if cost.is_recommended), None)
    if best is None:
        least = min(costs, key=lambda cost: cost.bytes)
        return f"nothing fits {disk}: the smallest is {_cost_text(least)}"
    if best.fits_memory:
        return f"fits {disk} and {memory}: {_cost_text(best)}"
    return f"fits {disk}; larger than {memory}, so read it in batches: {_cost_text(best)}"


def _cost_text(cost: Cost) -> str:
    size, time = format_size(cost.bytes), format_duration(cost.seconds)
    return f"{cost.format} {cost.layout}, {size}, {time}"


def _disk_text(room: Room) -> str:
    return f"{format_size(room.disk_bytes)} of disk ({'--disk' if room.has_disk_limit else 'free'})"


def _memory_text(room: Room) -> str:
    source = "--memory" if room.has_memory_limit else "free"
    return f"{format_size(room.memory_bytes)} of memory ({source})"


def cost_notes(costs: Sequence[Cost], room: Room) -> list[str]:
    """What the figures of the costs rest on."""
    dropped = next((cost.dropped for cost in costs if cost.dropped), ())
    notes = []
    if dropped:
        notes.append(f"¹ holds numbers only: without {', '.join(dropped)}")
    narrowed = next((cost.narrowed for cost in costs if cost.narrowed), ())
    if narrowed:
        notes.append(f"² has float32 only, which loses digits of {', '.join(narrowed)}")
    if not all(cost.fits_memory for cost in costs):
        notes.append(
            "Whether a dataset fits the memory is about all rows at once, as arrays; batches need "
            "a few MB."
        )
    if not any(cost.is_recommended for cost in costs):
        notes.append("Nothing fits the disk: --drop COLS, or a larger disk.")
    return notes


def number_text(value: Any) -> str | None:
    """A figure of a column in six digits; None where there is none.

    >>> number_text(76454.71), number_text(198320.4), number_text(743), number_text(1e-9)
    ('76,454.7', '198,320', '743', '1e-09')
    """
    if value is None or isinstance(value, str):
        return value
    if not isinstance(value, float):
        return f"{int(value):,}"
    if _LARGE <= abs(value) < _HUGE:
        return f"{value:,.0f}"
    return f"{value:,.6g}" if abs(value) < _HUGE else f"{value:.6g}"
