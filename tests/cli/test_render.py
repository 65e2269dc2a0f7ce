"""Tables and JSON, and that nothing in the data can disturb the terminal."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click import unstyle as strip_ansi
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli.cli.render import display_width, emit_json, print_pairs, print_table, sanitize
from bigdata_cli.cli.table_layout import lay_out


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@given(st.text())
def test_sanitized_text_is_printable_on_one_line(text):
    clean = sanitize(text)
    assert len(clean.splitlines()) <= 1
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u202e\u2066" for c in clean)
    clean.encode()


def test_plain_tables_are_aligned(capsys):
    print_table(
        "Columns",
        ["name", "bytes"],
        [["fare", "1.20 MB"], ["日本", None], ["a\x1b[2J", "12 B"]],
        more="… and 2 more",
    )
    assert capsys.readouterr().out.splitlines() == [
        "Columns",
        "name        bytes",
        "--------  -------",
        "fare      1.20 MB",
        "日本",
        "a\\x1b[2J     12 B",
        "… and 2 more",
    ]


def test_terminal_tables_hold_the_same_cells(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    print_table("Columns", ["name", "bytes"], [["[red]fare[/red]", "1.20 MB"], ["x\x1b[2J", None]])
    shown = stream.getvalue()
    assert "[red]fare[/red]" in shown
    assert "x\\x1b[2J" in shown
    assert "\x1b[2J" not in shown
    assert "\x1b[3" not in shown


@given(
    st.lists(st.tuples(st.integers(1, 60), st.booleans()), min_size=1, max_size=12),
    st.integers(20, 200),
)
def test_a_layout_fits_where_it_can(columns, max_width):
    widths = [width for width, _ in columns]
    is_text = [one for _, one in columns]
    headers = [min(width, 4) for width in widths]
    hide_first = list(range(1, len(columns)))
    found = lay_out(widths, headers, is_text=is_text, hide_first=hide_first, max_width=max_width)
    assert sorted((*found.shown, *found.hidden)) == list(range(len(columns)))
    assert all(
        headers[i] <= width <= widths[i] and (is_text[i] or width == widths[i])
        for i, width in zip(found.shown, found.widths, strict=True)
    )
    total = sum(found.widths) + 2 * (len(found.widths) - 1)
    if not is_text[0] and widths[0] > max_width:
        assert found.shown == (0,)
    else:
        assert total <= max_width
    if found.hidden and max_width >= sum(widths) + 2 * (len(widths) - 1):
        raise AssertionError("a column is hidden although all of them fit")


def test_a_narrow_terminal_shortens_texts_then_leaves_columns_out(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setenv("COLUMNS", "24")
    print_table("T", ["name", "mean", "size"], [["x" * 30, "1.5", "12 kB"]], hide_first=("mean",))
    lines = stream.getvalue().splitlines()
    assert lines[2].startswith("xxxxxxxxxxxx")
    assert "…" in lines[2]
    assert all(display_width(strip_ansi(line)) <= 24 for line in lines[:3])


def test_a_table_without_rows(capsys):
    print_table(None, ["name"], [])
    assert capsys.readouterr().out == "name\n----\n"


def test_pairs_leave_out_what_is_not_known(capsys):
    print_pairs({"rows": "1,000", "rejected": None, "time": "2 s"})
    assert capsys.readouterr().out == "rows  1,000\ntime  2 s\n"


def test_json_of_what_reports_hold(capsys):
    value = {
        "path": Path("a/b"),
        "loss": float("nan"),
        "count": np.int64(3),
        "means": np.array([0.5, np.inf], np.float32),
        "name": "größe\x9b",
        "broken": "\udce9",
    }
    emit_json(value)
    assert json.loads(capsys.readouterr().out) == {
        "path": "a/b",
        "loss": None,
        "count": 3,
        "means": [0.5, None],
        "name": "größe\x9b",
        "broken": "\udce9",
    }


def test_json_has_no_controls_that_a_terminal_obeys(capsys):
    emit_json({"a": "\x9b2J\x1b[2J\x7f"})
    out = capsys.readouterr().out
    assert not any(0x7F <= ord(c) < 0xA0 or c == "\x1b" for c in out)
    assert json.loads(out) == {"a": "\x9b2J\x1b[2J\x7f"}


def test_what_has_no_json_form_is_refused():
    with pytest.raises(TypeError, match="object has no JSON form"):
        emit_json({"x": object()})


@given(st.text(alphabet=st.characters(codec="ascii", exclude_categories=["Cc"])))
def test_plain_text_is_as_wide_as_it_is_long(text):
    assert display_width(text) == len(text)
