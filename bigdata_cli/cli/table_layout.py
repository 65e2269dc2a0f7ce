"""Which columns of a table a terminal shows, and how wide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

GAP = "  "
_MIN_TEXT_WIDTH = 12
_TIGHT_TEXT_WIDTH = 6


class TableLayout(NamedTuple):
    """shown: indices of the columns that are shown; widths: of each of them, in terminal cells.

    hidden: indices of the others.
    """

    shown: tuple[int, ...]
    widths: tuple[int, ...]
    hidden: tuple[int, ...]


def lay_out(
    widths: Sequence[int],
    header_widths: Sequence[int],
    *,
    is_text: Sequence[bool],
    hide_first: Sequence[int],
    max_width: int,
) -> TableLayout:
    """Fit a table into a terminal: shorten columns of text, then hide whole columns.

    Args:
        widths: Of the widest cell of each column, its header among them, in terminal cells.
        header_widths: Of the headers; no column gets narrower.
        is_text: The columns whose cells may be cut.
        hide_first: Indices of columns that may be hidden, the least important first.
        max_width: Of the terminal.

    Returns:
        The layout that hides the fewest columns. It may be wider than the terminal where no column
        may be hidden any more.

    >>> lay_out([30, 8, 20], [4, 4, 8], is_text=[True, False, True], hide_first=[2], max_width=50)
    TableLayout(shown=(0, 1, 2), widths=(19, 8, 19), hidden=())
    >>> lay_out([30, 8, 20], [4, 4, 8], is_text=[True, False, True], hide_first=[2], max_width=30)
    TableLayout(shown=(0, 1), widths=(20, 8), hidden=(2,))
    """
    for floor in (_MIN_TEXT_WIDTH, _TIGHT_TEXT_WIDTH):
        for n_hidden in range(len(hide_first) + 1):
            hidden = set(hide_first[:n_hidden])
            shown = [i for i in range(len(widths)) if i not in hidden]
            room = max_width - len(GAP) * (len(shown) - 1)
            fitted = _shorten(
                [widths[i] for i in shown],
                [max(floor, header_widths[i]) if is_text[i] else widths[i] for i in shown],
                room,
            )
            if sum(fitted) <= room:
                break
        else:
            continue
        break
    return TableLayout(tuple(shown), tuple(fitted), tuple(sorted(hidden)))


def _shorten(widths: list[int], floors: list[int], room: int) -> list[int]:
    """The widths, the widest cut again and again until they fit, none below its floor."""
    fitted = list(widths)
    while (excess := sum(fitted) - room) > 0:
        widest = max(
            (i for i in range(len(fitted)) if fitted[i] > floors[i]),
            key=lambda i: fitted[i],
            default=None,
        )
        if widest is None:
            break
        others = [w for i, w in enumerate(fitted) if i != widest and w > floors[i]]
        next_width = max([*others, floors[widest]])
        step = max(1, fitted[widest] - max(next_width, floors[widest]))
        fitted[widest] -= min(excess, step)
    return fitted
