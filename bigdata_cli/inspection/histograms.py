"""Histograms as HTML."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bigdata_cli.html.markup import bars, text
from bigdata_cli.inspection.facts import Histogram
from bigdata_cli.inspection.summary import number_text

_HEIGHT, _WIDTH, _GAP = 64, 288, 0.15
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_SECONDS = 86_400


def histogram(shown: Histogram) -> str:
    """How a column's values are spread: bars over its range, or one for each value."""
    if shown.kind == "values":
        rows = [(value, (count,), f"{count:,}") for value, count in _pairs(shown)]
        return f'<div class="bars">{bars(rows)}</div>'
    most = max(shown.counts, default=0) or 1
    step = _WIDTH / max(1, len(shown.counts))
    rects = "".join(
        f'<rect x="{place * step:.2f}" y="{_HEIGHT - height:.2f}" '
        f'width="{step * (1 - _GAP):.2f}" height="{height:.2f}" rx="1"/>'
        for place, count in enumerate(shown.counts)
        if (height := _bar_height(count, most))
    )
    label = f"{sum(shown.counts):,} values from {_end(shown, 0)} to {_end(shown, -1)}"
    beyond = "".join(
        f"<span>{text(f'{count:,} {where}')}</span>"
        for count, where in ((shown.below, "below"), (shown.above, "above"))
        if count
    )
    if shown.is_log:
        beyond = f"<span>log scale from {text(_end(shown, 1))}</span>{beyond}"
    ends = f"<span>{text(_end(shown, 0))}</span>{beyond}<span>{text(_end(shown, -1))}</span>"
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{text(label)}" fill="currentColor">{rects}</svg>'
        f'<div class="ends">{ends}</div>'
    )


def _bar_height(count: int, most: int) -> float:
    """Few values are still to be seen."""
    return max(1.0, _HEIGHT * count / most) if count else 0.0


def _pairs(shown: Histogram) -> list[tuple[str, int]]:
    pairs = list(zip(shown.values, shown.counts, strict=True))
    return [*pairs, ("…", shown.others)] if shown.others else pairs


def _end(shown: Histogram, place: int) -> str:
    edge = shown.edges[place]
    if shown.kind == "times":
        return _time(edge)
    if shown.kind == "lengths":
        return f"{edge - (1 if place else 0):,.0f} characters"
    return number_text(edge) or ""


def _time(seconds: float) -> str:
    try:
        moment = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return f"{seconds:.3g} s since 1970"
    day = moment.date().isoformat()
    return day if not seconds % _DAY_SECONDS else f"{day} {moment:%H:%M}"
