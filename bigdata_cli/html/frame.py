"""The frame of a page: no script, no network, nothing else needed.

Every name and value of a file goes through `markup.text`. The page forbids scripts and loading.
"""

from __future__ import annotations

import html
import os
from collections.abc import Sequence
from importlib.resources import files

from bigdata_cli.html.markup import named, text

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def header(path: str, facts: Sequence[str]) -> str:
    """What a page is about, with facts in a line."""
    shown = [fact for fact in facts if fact]
    name = os.path.basename(os.path.normpath(path)) or path
    where = "" if name == path else f'<p class="note path">{named(path)}</p>'
    return f'<h1>{named(name)}</h1>{where}<p class="soft">{text(" · ".join(shown))}</p>'


def embedded(whole: str) -> str:
    """A page within another, such as a notebook: neither can change the other's looks."""
    return (
        f'<iframe sandbox srcdoc="{html.escape(whole, quote=True)}" '
        'style="width:100%;height:640px;border:0"></iframe>'
    )


def page(title: str, sections: Sequence[str], *, command: str) -> str:
    """A whole page of sections, those that are empty left out; command: what made it."""
    from bigdata_cli import __version__

    style = files("bigdata_cli.html").joinpath("page.css").read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)} · bigdata {command}</title>\n<style>\n{style}</style>\n</head>\n"
        "<body>\n<main>\n"
        + "\n".join(section for section in sections if section)
        + f"\n<footer>bigdata {text(__version__)}</footer>\n</main>\n</body>\n</html>\n"
    )
