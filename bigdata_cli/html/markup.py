"""HTML that a page is made of: escaped text, bars, tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bigdata_cli.printable import html_text as text


def named(value: object) -> str:
    """A name or a value of a file, which may be in a script that runs the other way."""
    return f"<bdi>{text(value)}</bdi>"


def lines(value: str) -> str:
    """Text of several lines, in a block to be copied."""
    return "<pre>" + "\n".join(text(line) for line in value.splitlines()) + "</pre>"


def tile(figure: str, what: str) -> str:
    return f'<div class="card tile"><b>{text(figure)}</b><span>{text(what)}</span></div>'


def bars(rows: Sequence[tuple[str, Sequence[float], str]], *, whole: float = 0.0) -> str:
    """Horizontal bars, all to one scale: (name, length, or before and after, caption).

    whole: the length of the full track; 0 for that of the longest bar.
    """
    most = whole or max((length for _, lengths, _ in rows for length in lengths), default=0) or 1
    kinds = {1: ("",), 2: (" class=before", "")}
    return "".join(
        f'<div class="bar"><span>{named(name)}</span><span class="tracks">'
        + "".join(
            f'<span class="track"><i{kind} style="width:{100 * length / most:.2f}%"></i></span>'
            for kind, length in zip(kinds[len(lengths)], lengths, strict=True)
        )
        + f"</span><span>{text(caption)}</span></div>"
        for name, lengths, caption in rows
    )


def table(headers: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: set[int]) -> str:
    """A table of cells that are HTML already; numbers: the columns that align right."""
    head = "".join(
        f"<th{' class=n' if place in numbers else ''}>{text(header)}</th>"
        for place, header in enumerate(headers)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{' class=n' if place in numbers else ''}>{cell}</td>"
            for place, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="card scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
