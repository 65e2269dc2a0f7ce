"""Charts of lines as SVG, in the style of the page around them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bigdata_cli.html.markup import text

_WIDTH, _HEIGHT = 560, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 14, 12, 40
_MAX_TICKS = 5
_MAX_MARKS = 30


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of a chart.

    Attributes:
        name: In the key below the chart.
        points: (x, y); those that are not finite are left out.
        kind: "first", "second" or "faint", which is dashed.
    """

    name: str
    points: Sequence[tuple[float, float]]
    kind: str = "first"


def line_chart(
    title: str,
    lines: Sequence[Line],
    *,
    x: str,
    y: str,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    mark: tuple[float, str] | None = None,
) -> str:
    """A chart with a title, the names of its axes, and a key; empty where there is nothing.

    mark: a place of x, with what is there.
    """
    lines = [
        Line(name=one.name, kind=one.kind, points=_finite(one.points))
        for one in lines
        if _finite(one.points)
    ]
    if not lines:
        return ""
    every = [point for one in lines for point in one.points]
    across = _Scale.of([p[0] for p in every], x_range, start=_LEFT, stop=_WIDTH - _RIGHT)
    up = _Scale.of([p[1] for p in every], y_range, start=_HEIGHT - _BOTTOM, stop=_TOP)
    drawn = "".join(_line(one, across, up) for one in lines)
    marked = "" if mark is None else _mark(mark[0], across)
    key = "".join(f'<span><i class="{one.kind}"></i>{text(one.name)}</span>' for one in lines)
    if mark is not None:
        key += f'<span><i class="mark"></i>{text(mark[1])}</span>'
    return (
        f'<figure class="card chart"><h3>{text(title)}</h3>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{text(title)}">'
        f"{_axes(across, up, x, y)}{marked}{drawn}</svg>"
        f'<figcaption class="chart-key">{key}</figcaption></figure>'
    )


@dataclass(frozen=True, kw_only=True)
class _Scale:
    """Where values of an axis are, between two places of the picture, and its ticks."""

    low: float
    high: float
    start: float
    stop: float
    step: float

    @classmethod
    def of(
        cls, values: Sequence[float], ends: tuple[float, float] | None, *, start: float, stop: float
    ) -> _Scale:
        low, high = ends or (min(values), max(values))
        if not high > low:
            low, high = low - 0.5, high + 0.5
        step = tick_step(low, high)
        if ends is None:  # from tick to tick
            low, high = math.floor(low / step) * step, math.ceil(high / step) * step
        return cls(low=low, high=high, start=start, stop=stop, step=step)

    def place(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.stop - self.start)

    def ticks(self) -> list[float]:
        first = math.ceil(self.low / self.step - 1e-9)
        last = math.floor(self.high / self.step + 1e-9)
        return [number * self.step for number in range(first, last + 1)]


def tick_step(low: float, high: float) -> float:
    """Return the distance of ticks: 1, 2 or 5 times a power of ten, so that there are a few.

    >>> tick_step(0, 1), tick_step(0, 93), tick_step(0.31, 0.34)
    (0.2, 20.0, 0.01)
    """
    raw = (high - low) / _MAX_TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next((n for n in (1, 2, 5) if n * power >= raw * (1 - 1e-9)), 10)
    return float(f"{step * power:.6g}")


def _finite(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(a, b) for a, b in points if math.isfinite(a) and math.isfinite(b)]


def _line(one: Line, across: _Scale, up: _Scale) -> str:
    places = [(across.place(a), up.place(b)) for a, b in one.points]
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    dots = ""
    if (one.kind == "second" and len(places) <= _MAX_MARKS) or len(places) == 1:
        dots = "".join(
            f'<circle class="{one.kind}" cx="{a:.1f}" cy="{b:.1f}" r="3"/>' for a, b in places
        )
    return f'<polyline class="{one.kind}" points="{path}"/>{dots}'


def _mark(value: float, across: _Scale) -> str:
    place = across.place(value)
    return f'<line class="mark" x1="{place:.1f}" x2="{place:.1f}" y1="{_TOP}" y2="{_end()}"/>'


def _end() -> int:
    return _HEIGHT - _BOTTOM


def _axes(across: _Scale, up: _Scale, x: str, y: str) -> str:
    """The lines and numbers of both axes, and what they are."""
    parts = []
    for value in up.ticks():
        place = up.place(value)
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{place:.1f}" '
            f'y2="{place:.1f}"/><text x="{_LEFT - 7}" y="{place + 4:.1f}" '
            f'text-anchor="end">{text(_number(value, up.step))}</text>'
        )
    for value in across.ticks():
        place = across.place(value)
        parts.append(
            f'<text x="{place:.1f}" y="{_end() + 17}" text-anchor="middle">'
            f"{text(_number(value, across.step))}</text>"
        )
    middle = (_TOP + _end()) / 2
    parts.append(
        f'<text class="axis" x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 5}" '
        f'text-anchor="middle">{text(x)}</text><text class="axis" x="12" y="{middle}" '
        f'text-anchor="middle" transform="rotate(-90 12 {middle})">{text(y)}</text>'
    )
    return "".join(parts)


def _number(value: float, step: float) -> str:
    """A number of an axis, with as many decimals as its ticks need.

    >>> _number(0.30000000000000004, 0.1), _number(20_000, 5_000), _number(3e7, 1e7)
    ('0.3', '20,000', '3e+07')
    """
    if abs(value) >= 1e6:
        return f"{value:.3g}"
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value:,.{decimals}f}" if decimals <= 6 else f"{value:.3g}"
