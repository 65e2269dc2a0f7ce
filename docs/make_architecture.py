"""Draws docs/architecture.svg from the imports of the package: `python -m docs.make_architecture`.

Boxes are the packages and modules directly in `bigdata_cli`. An arrow says that one imports the
other; arrows that follow from two others are left out, as are imports for type checkers alone. The
layout is Sugiyama's: a box lies below all that import it, and boxes of a row are ordered by the
mean position of their neighbours. ("Methods for Visual Understanding of Hierarchical System
Structures", IEEE Transactions on Systems, Man, and Cybernetics, 1981.)
"""

from __future__ import annotations

import ast
import itertools
import statistics
import textwrap
from dataclasses import dataclass
from html import escape
from pathlib import Path

PACKAGE = "bigdata_cli"
ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "architecture.svg"

Edge = tuple[str, str]
"""Who imports, and what is imported."""

_BOX_WIDTH, _BOX_HEIGHT, _ROW_HEIGHT, _GAP = 178, 62, 100, 14
_MARGIN = 12
_N_ORDER_SWEEPS, _N_PLACE_SWEEPS = 12, 60
_CROSSING_WEIGHT = 4.0
_INK, _FOLDER, _MODULE = "#808080", "#3b82c4", "#9a9a9a"


def package_imports() -> frozenset[Edge]:
    """The imports between the packages and modules that lie directly in the package."""
    import grimp

    graph = grimp.build_graph(PACKAGE, exclude_type_checking_imports=True, cache_dir=None)
    edges = set()
    for module in graph.modules:
        if module.endswith(".__main__"):  # a command, which may import the command line
            continue
        for imported in graph.find_modules_directly_imported_by(module):
            edge = _part_of(module), _part_of(imported)
            if all(edge) and edge[0] != edge[1]:
                edges.add(edge)
    return frozenset(edges)


def _part_of(module: str) -> str:
    return ".".join(module.split(".")[1:2])


def reduced(edges: frozenset[Edge]) -> list[Edge]:
    """The edges that do not follow from others (the transitive reduction).

    >>> reduced(frozenset({("a", "b"), ("b", "c"), ("a", "c")}))
    [('a', 'b'), ('b', 'c')]
    """
    return sorted(edge for edge in edges if not _is_path(edges - {edge}, *edge))


def _is_path(edges: frozenset[Edge], start: str, stop: str) -> bool:
    reached, waiting = {start}, [start]
    while waiting:
        here = waiting.pop()
        new = {target for source, target in edges if source == here} - reached
        reached |= new
        waiting += new
    return stop in reached


def rows_of(edges: list[Edge]) -> dict[str, int]:
    """The row of each box: one below the lowest of those that import it.

    >>> rows_of([("a", "b"), ("b", "c"), ("a", "d")])
    {'a': 0, 'b': 1, 'c': 2, 'd': 1}

    Raises:
        ValueError: Packages import each other.
    """
    names = sorted({name for edge in edges for name in edge})
    rows = dict.fromkeys(names, 0)
    for _ in names:
        before = dict(rows)
        for source, target in edges:
            rows[target] = max(rows[target], rows[source] + 1)
        if rows == before:
            return rows
    raise ValueError("packages import each other")


@dataclass(frozen=True)
class Place:
    """A box, or where an arrow crosses a row on its way (`name` is None)."""

    row: int
    name: str | None
    edge: Edge | None = None


def paths_of(edges: list[Edge], rows: dict[str, int]) -> list[list[Place]]:
    """The places along each edge: its two boxes, and a crossing in each row between them."""
    paths = []
    for source, target in edges:
        between = range(rows[source] + 1, rows[target])
        crossings = [Place(row, None, (source, target)) for row in between]
        paths.append([Place(rows[source], source), *crossings, Place(rows[target], target)])
    return paths


def arrange(paths: list[list[Place]]) -> dict[Place, float]:
    """The middle of each place in pixels from the left."""
    neighbours: dict[Place, list[Place]] = {}
    for path in paths:
        for upper, lower in itertools.pairwise(path):
            neighbours.setdefault(upper, []).append(lower)
            neighbours.setdefault(lower, []).append(upper)
    order = [[place for place in neighbours if place.row == row] for row in range(_n_rows(paths))]
    x = {place: float(index) for row in order for index, place in enumerate(row)}

    def mean(place: Place) -> float:
        return statistics.fmean(x[neighbour] for neighbour in neighbours[place])

    for sweep in range(_N_ORDER_SWEEPS):
        for row in order if sweep % 2 else reversed(order):
            row.sort(key=mean)
            x |= {place: float(index) for index, place in enumerate(row)}
    x |= {place: (_BOX_WIDTH + _GAP) * position for place, position in x.items()}
    for sweep in range(_N_PLACE_SWEEPS):
        for row in order if sweep % 2 else reversed(order):
            x |= dict(zip(row, _spread(row, [mean(place) for place in row]), strict=True))
    left = min(x[place] - _width(place) / 2 for place in x)
    return {place: position - left + _MARGIN for place, position in x.items()}


def _n_rows(paths: list[list[Place]]) -> int:
    return 1 + max(place.row for path in paths for place in path)


def _spread(row: list[Place], wanted: list[float]) -> list[float]:
    """The positions nearest to the wanted ones, by least squares, at which nothing overlaps.

    This is isotonic regression by pooling neighbours that are too close. Crossings weigh more than
    boxes, so that long arrows are straight.
    """
    offsets = [0.0]
    for before, place in itertools.pairwise(row):
        offsets.append(offsets[-1] + (_width(before) + _width(place)) / 2 + _GAP)
    pools: list[tuple[float, float, int]] = []  # mean position, weight, number of places
    for place, position, offset in zip(row, wanted, offsets, strict=True):
        weight = _CROSSING_WEIGHT if place.name is None else 1.0
        pool = (position - offset, weight, 1)
        while pools and pools[-1][0] > pool[0]:
            position, weight, n_places = pools.pop()
            total = weight + pool[1]
            mean = (position * weight + pool[0] * pool[1]) / total
            pool = (mean, total, n_places + pool[2])
        pools.append(pool)
    starts = [position for position, _, n_places in pools for _ in range(n_places)]
    return [start + offset for start, offset in zip(starts, offsets, strict=True)]


def _width(place: Place) -> int:
    return _GAP if place.name is None else _BOX_WIDTH


def picture() -> str:
    """The picture as SVG, in colours for light and dark pages."""
    edges = reduced(package_imports())
    paths = paths_of(edges, rows_of(edges))
    x = arrange(paths)
    width = max(x[place] + _width(place) / 2 for place in x) + _MARGIN
    height = _n_rows(paths) * _ROW_HEIGHT - (_ROW_HEIGHT - _BOX_HEIGHT) + 2 * _MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height}" role="img">',
        "<style>text { font-family: sans-serif; text-anchor: middle }</style>",
        "<title>The packages of bigdata_cli and their imports</title>",
        '<marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" orient="auto">',
        f'<path d="M0 0L8 4L0 8z" fill="{_INK}"/></marker>',
    ]
    lines += [_arrow(path, x) for path in paths]
    lines += [_box(place, x[place]) for place in x if place.name is not None]
    return "\n".join([*lines, "</svg>", ""])


def _arrow(path: list[Place], x: dict[Place, float]) -> str:
    """A curve from the lower edge of the first box, straight through rows, to the last box."""
    top = _MARGIN + path[0].row * _ROW_HEIGHT + _BOX_HEIGHT
    steps = [f"M{x[path[0]]:.0f} {top}"]
    for before, place in itertools.pairwise(path):
        above = _MARGIN + before.row * _ROW_HEIGHT + _BOX_HEIGHT
        below = _MARGIN + place.row * _ROW_HEIGHT
        middle = (above + below) / 2
        steps.append(
            f"C{x[before]:.0f} {middle:.0f} {x[place]:.0f} {middle:.0f} {x[place]:.0f} {below}"
        )
        if place.name is None:
            steps.append(f"V{below + _BOX_HEIGHT}")
    return (
        f'<path d="{"".join(steps)}" fill="none" stroke="{_INK}" stroke-width="1.2" '
        'marker-end="url(#head)"/>'
    )


def _box(place: Place, middle: float) -> str:
    assert place.name is not None
    left, top = middle - _BOX_WIDTH / 2, _MARGIN + place.row * _ROW_HEIGHT
    is_folder = (ROOT / PACKAGE / place.name).is_dir()
    colour = _FOLDER if is_folder else _MODULE
    title = f"{place.name}/" if is_folder else f"{place.name}.py"
    lines = [
        f'<rect x="{left:.0f}" y="{top}" width="{_BOX_WIDTH}" height="{_BOX_HEIGHT}" rx="5"',
        f'fill="{colour}" fill-opacity="0.14" stroke="{colour}"/>',
        _text(title, middle, top + 17, 'font-size="13" font-weight="bold"'),
    ]
    summary = textwrap.wrap(_summary(place.name), 29, max_lines=3, placeholder=" …")
    for number, line in enumerate(summary):
        lines.append(_text(line, middle, top + 31 + 12 * number, 'font-size="10.5"'))
    return "\n".join(lines)


def _text(text: str, x: float, y: int, style: str) -> str:
    return f'<text x="{x:.0f}" y="{y}" {style} fill="{_INK}">{escape(text)}</text>'


def _summary(name: str) -> str:
    """The first line of the docstring of a package or module."""
    folder = ROOT / PACKAGE / name
    file = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    return (docstring or "").partition("\n")[0]


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
