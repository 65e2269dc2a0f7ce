"""A report as one HTML page: no script, no network, nothing else needed.

Every name and value of a file goes through `markup.text`. The page forbids scripts and loading.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from bigdata_cli.conversion.estimate.costs import Cost
from bigdata_cli.html.frame import header, page
from bigdata_cli.html.markup import bars, lines, named, table, text, tile
from bigdata_cli.inspection.alerts import alerts_of
from bigdata_cli.inspection.facts import (
    ClassBalance,
    CsvColumn,
    DatasetColumn,
    DatasetFacts,
    Made,
    SourceFacts,
)
from bigdata_cli.inspection.histograms import histogram
from bigdata_cli.inspection.summary import (
    cost_notes,
    number_text,
    ranked,
    rows_text,
    shard_balance,
    verdict,
)
from bigdata_cli.resources.sizes import format_duration, format_size

MAX_COLUMNS = 400
MAX_BARS = 30
MAX_SHARDS = 100
MAX_CLASSES = 10
MAX_ALERTS = 100
MAX_TIES = 20
_MIN_INDEXED_COLUMNS = 13


def source_page(report: SourceFacts) -> str:
    """The page of a source."""
    size = format_size(report.source_bytes) if report.source_bytes else "size not known"
    read = "all of it was read" if report.exact else f"{report.sample_rows:,} rows were read"
    tiles = [
        tile(*_rows_tile(report)),
        tile(f"{len(report.columns):,}", "columns"),
        tile(format_size(report.pandas_bytes), "in pandas"),
        tile(
            format_size(report.bytes),
            "in the smallest types" + (f", {report.ratio:.1f}× less" if report.ratio else ""),
        ),
    ]
    facts = [size, read, shlex.join(report.flags)]
    if report.balance is not None:
        facts.append(f"label {report.balance.column}")
    sections = [
        _header(report.path, facts, report.made),
        _verdict(report),
        f'<div class="tiles">{"".join(tiles)}</div>',
        "".join(f'<p class="warn">{text(note)}</p>' for note in report.notes),
        _alerts(report),
        _costs(report),
        _memory([(c.name, c.pandas_bytes, c.bytes) for c in report.columns]),
        _balance(report.balance) if report.balance is not None else "",
        _ties(report),
        _columns(report),
    ]
    return page(report.path, sections, command="inspect")


def _header(path: str, facts: list[str], made: Made) -> str:
    """What the page is about, when it was made and where."""
    machine = f"{made.processors} processors, {format_size(made.memory_bytes)} of memory"
    return header(path, [*facts, made.at.replace("T", " ")[:16], machine])


def _rows_tile(report: SourceFacts) -> tuple[str, str]:
    count, _, interval = rows_text(report).partition(" (")
    return count, "rows" + (f", {interval.rstrip(')')}" if interval else "")


def dataset_page(report: DatasetFacts) -> str:
    """The page of a dataset."""
    ratio = f"{report.ratio:.1f}× smaller than the source" if report.ratio else "on disk"
    shards = [
        (shard.files[0] if shard.files else "", (shard.rows,), f"{shard.rows:,} rows")
        for shard in report.shards[:MAX_SHARDS]
    ]
    shards_text = f"{len(report.shards):,}{text(shard_balance(report.shards))}"
    loaders = "".join(
        f"<h3>{text(library)}</h3>{lines(code)}" for library, code in (report.loaders or {}).items()
    )
    rows = [_dataset_row(column) for column in report.columns[:MAX_COLUMNS]]
    headers = ["column", "dtype", "nulls", "min", "max", "mean", "std", "in memory"]
    facts = [
        f"{report.format}, layout {report.layout}",
        "" if report.label is None else f"label {report.label}",
        f"made of {', '.join(report.sources)}",
    ]
    sections = [
        _header(report.path, facts, report.made),
        '<div class="tiles">'
        + tile(f"{report.rows:,}", "rows")
        + tile(f"{len(report.columns):,}", "columns")
        + tile(format_size(report.bytes), ratio)
        + tile(format_size(report.memory_bytes), "in memory")
        + "</div>",
        _splits(report),
        f"<h2>Shards</h2><p class=note>{shards_text}</p>",
        f'<div class="card bars">{bars(shards)}</div>',
        _memory([(c.name, c.pandas_bytes, c.bytes) for c in report.columns]),
        _balance(report.balance) if report.balance is not None else "",
        ""
        if report.shuffle_score is None
        else f"<h2>Shuffle score</h2><p>{text(report.shuffle_score.sentence())}</p>",
        "<h2>Columns</h2>" + table(headers, rows, numbers={2, 3, 4, 5, 6, 7}),
        f"<h2>Load it</h2>{loaders}",
        f"<h2>Next</h2>{lines(report.next_command)}",
    ]
    return page(report.path, sections, command="inspect")


def _verdict(report: SourceFacts) -> str:
    """Whether a dataset fits, and the command that makes it."""
    found = None if report.room is None else verdict(report.costs, report.room)
    if found is None:
        return ""
    return f"<p>{text(found[0].upper() + found[1:])}</p>{lines(report.next_command)}"


def _alerts(report: SourceFacts) -> str:
    """What deserves attention, each with a link to its column."""
    alerts = alerts_of(report)
    if not alerts:
        return ""
    places = {column.name: place for place, column in enumerate(report.columns[:MAX_COLUMNS])}
    rows = "".join(
        f"<li>{_link(alert.column, places)} {text(alert.text)}</li>"
        for alert in alerts[:MAX_ALERTS]
    )
    hidden = len(alerts) - MAX_ALERTS
    more = f"<li>and {hidden:,} more (--json has them)</li>" if hidden > 0 else ""
    items = f'<ul class="alerts">{rows}{more}</ul>'
    shown = f"<summary>{len(alerts):,} worth knowing</summary>"
    is_open = " open" if len(alerts) <= MAX_BARS else ""
    return f'<h2>Alerts</h2><details class="card"{is_open}>{shown}{items}</details>'


def _link(column: str, places: dict[str, int]) -> str:
    place = places.get(column)
    return f'<a href="#c{place}">{named(column)}</a>' if place is not None else named(column)


def _ties(report: SourceFacts) -> str:
    """How much each column alone says about the label."""
    if not report.label_ties or report.balance is None:
        return ""
    rows = [
        (tie.column, (tie.information,), f"{100 * tie.information:.2g} %")
        for tie in report.label_ties[:MAX_TIES]
    ]
    hidden = len(report.label_ties) - len(rows)
    more = f'<p class="note">and {hidden:,} columns that say less</p>' if hidden > 0 else ""
    return (
        f"<h2>What tells {named(report.balance.column)}</h2>"
        '<p class="note">The share of the label\'s entropy that each column explains by itself, in '
        "rows of the sample. 100 %: the column determines the label, which often means that it is "
        "known only afterwards.</p>"
        f'<div class="card bars">{bars(rows, whole=1.0)}{more}</div>'
    )


def _costs(report: SourceFacts) -> str:
    if not report.costs or report.room is None:
        return ""
    costs = ranked(report.costs)
    most = max(cost.bytes for cost in costs) or 1
    heads = ["", "on disk", "time", "in memory"]
    if not all(cost.fits_disk and cost.fits_memory for cost in costs):
        heads.append("exceeds")
    rows = "".join(_cost(cost, most, with_limits=len(heads) > 4) for cost in costs)
    head = "".join(f"<th{' class=n' if 1 <= i <= 3 else ''}>{h}</th>" for i, h in enumerate(heads))
    notes = "".join(f"<br>{text(note)}" for note in cost_notes(report.costs, report.room))
    return (
        "<h2>What a dataset would cost</h2>"
        f'<p class="note">Predicted from rows that were really encoded here.{notes}</p>'
        f'<div class="card scroll"><table class="costs"><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _cost(cost: Cost, max_bytes: int, *, with_limits: bool) -> str:
    marks = ("¹" if cost.dropped else "") + ("²" if cost.narrowed else "")
    name = f"{text(cost.format)} {text(cost.layout)} {marks}"
    best = ' <span class="pill">recommended</span>' if cost.is_recommended else ""
    fits = {"disk": cost.fits_disk, "memory": cost.fits_memory}
    exceeded = ", ".join(name for name, is_enough in fits.items() if not is_enough)
    limits = f'<td class="no" data-head="exceeds">{exceeded}</td>' if with_limits else ""
    width = f"{100 * cost.bytes / max_bytes:.2f}%"
    return (
        f"<tr{' class=best' if cost.is_recommended else ''}>"
        f'<td>{name} <span class="soft">{text(cost.compression)}</span>{best}</td>'
        f'<td class="n size" data-head="on disk">{text(format_size(cost.bytes))}'
        f'<span class="track"><i style="width:{width}"></i></span></td>'
        f'<td class="n" data-head="time">{text(format_duration(cost.seconds))}</td>'
        f'<td class="n" data-head="in memory">{text(format_size(cost.memory_bytes))}</td>'
        f"{limits}</tr>"
    )


def _memory(columns: list[tuple[str, int, int]]) -> str:
    """Bars of what each column takes in pandas and now, the largest first."""
    ranked = sorted(columns, key=lambda column: -column[1])[:MAX_BARS]
    whole = ("all columns", sum(c[1] for c in columns), sum(c[2] for c in columns))
    hidden = len(columns) - len(ranked)
    more = f'<p class="note">and {hidden:,} smaller columns</p>' if hidden else ""
    return (
        '<h2>Memory, before and after</h2><p class="note">All rows, '
        '<span class="key before"></span> as pandas.read_csv holds them, and '
        '<span class="key"></span> in the smallest types that lose nothing.</p>'
        f'<div class="card bars">{bars([_pair(*whole)])}</div>'
        f'<div class="card bars">{bars([_pair(*column) for column in ranked])}{more}</div>'
    )


def _pair(name: str, before: int, after: int) -> tuple[str, tuple[float, float], str]:
    return name, (before, after), f"{format_size(before)} → {format_size(after)}"


def _splits(report: DatasetFacts) -> str:
    """The splits, with the shares of the classes of the label in each."""
    if not report.splits:
        return ""
    classes = report.balance.values[:MAX_CLASSES] if report.balance is not None else ()
    headers = [
        "split",
        "rows",
        "share",
        "shards",
        "bytes",
        *(f"{report.label} = {one}" for one in classes),
    ]
    rows = []
    for split in report.splits:
        counts = {}
        if split.balance is not None:
            counts = dict(zip(split.balance.values, split.balance.counts, strict=True))
        share = 100 * split.rows / max(report.rows, 1)
        rows.append(
            [
                text(split.name),
                f"{split.rows:,}",
                f"{share:.3g} %",
                f"{split.shards:,}",
                format_size(split.bytes),
                *(f"{counts.get(value, 0):,}" for value in classes),
            ]
        )
    numbers = set(range(1, len(headers)))
    return "<h2>Splits</h2>" + table(headers, rows, numbers=numbers)


def _balance(balance: ClassBalance) -> str:
    total = max(balance.rows, 1)
    rows = [
        (value, (count,), f"{count:,} · {100 * count / total:.3g} %")
        for value, count in zip(balance.values, balance.counts, strict=True)
    ]
    for name, count in (("other values", balance.others), ("null", balance.nulls)):
        if count:
            rows.append((name, (count,), f"{count:,} · {100 * count / total:.3g} %"))
    return (
        f"<h2>Classes of {named(balance.column)}</h2>"
        f'<p class="note">In the {balance.rows:,} rows that were read.</p>'
        f'<div class="card bars">{bars(rows)}</div>'
    )


def _columns(report: SourceFacts) -> str:
    shown = report.columns[:MAX_COLUMNS]
    hidden = len(report.columns) - len(shown)
    more = f'<p class="note">and {hidden:,} more columns (--json has them)</p>' if hidden else ""
    whose = "" if report.exact else " Figures are of the rows that were read; ~ is an estimate."
    return (
        f'<h2>Columns</h2><p class="note">{text(whose.strip())}</p>{_index(shown)}'
        '<div class="columns">'
        + "".join(_column(column, place) for place, column in enumerate(shown))
        + f"</div>{more}"
    )


def _index(columns: Sequence[CsvColumn]) -> str:
    """Links to the columns by name, where there are many."""
    if len(columns) < _MIN_INDEXED_COLUMNS:
        return ""
    ranked = sorted(enumerate(columns), key=lambda pair: (pair[1].name.casefold(), pair[0]))
    links = " ".join(f'<a href="#c{place}">{named(column.name)}</a>' for place, column in ranked)
    return f'<details class="card index"><summary>By name</summary><p>{links}</p></details>'


def _column(column: CsvColumn, place: int) -> str:
    facts: list[tuple[str, Any]] = [
        ("nulls", f"{100 * column.nulls_share:.3g} %" if column.nulls_share else "none"),
        (
            "distinct",
            None
            if column.distinct is None
            else f"{'' if column.distinct_exact else '~'}{column.distinct:,}",
        ),
        ("min", number_text(column.minimum)),
        ("max", number_text(column.maximum)),
        ("mean", number_text(column.mean)),
        ("std", number_text(column.std)),
        ("examples", ", ".join(value[:60] for value in column.examples) or None),
    ]
    rows = "".join(f"<dt>{name}</dt><dd>{named(value)}</dd>" for name, value in facts if value)
    figure = histogram(column.histogram) if column.histogram is not None else ""
    warnings = "".join(f'<p class="warn">{text(warning)}</p>' for warning in column.warnings)
    return (
        f'<section class="card column" id="c{place}"><header><h3>{named(column.name)}</h3>'
        f'<span class="pill">{text(column.dtype)}</span></header>'
        f"{figure}<dl>{rows}</dl>{warnings}</section>"
    )


def _dataset_row(column: DatasetColumn) -> list[str]:
    categories = "" if column.n_categories is None else f" ({column.n_categories:,})"
    figures = (column.minimum, column.maximum, column.mean, column.std)
    return [
        named(column.name),
        text(column.dtype + categories),
        f"{column.nulls:,}" if column.nulls else "",
        *(text(number_text(figure) or "") for figure in figures),
        text(format_size(column.bytes)),
    ]
