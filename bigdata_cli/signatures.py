"""Writes what follows from the options: `python -m bigdata_cli.signatures` (`make docs`).

- api.py: the keyword arguments of the public functions, in their signatures and docstrings. All
  else in that file is written by hand and stays.
- docs/python.md: the same as tables.

Signatures stand in api.py as text, and do not come about at run time, so that everything that reads
Python sees them: `help()`, editors, mypy, pyright.
"""

from __future__ import annotations

import ast
import re
import textwrap
from dataclasses import MISSING
from importlib import import_module
from pathlib import Path

from bigdata_cli.argument_names import REQUESTS, in_python
from bigdata_cli.options import Option, options_of, python_type

API = Path(__file__).with_name("api.py")
PAGE = Path(__file__).parent.parent / "docs" / "python.md"
_WIDTH = 100
_BY_HAND = ("progress",)
"""Keyword arguments that are no options."""
_SECTION = re.compile(r"(?<=\n    Args:\n)(?:        .*\n)+")
_ENTRY = re.compile(r"        (\w+): .*\n(?:            .*\n)*")
_INTRODUCTION = """# Python

Generated from the options by `make docs`: change their definitions, not this page.

    from bigdata_cli import convert, inspect, open_dataset, predict, train, verify

Each function is a command of the [command line](cli.md) and takes the same options, under these
names. All but the first are keyword arguments. `help(bigdata_cli.convert)` shows the same. The
words of other tools that the command line understands are understood here too, with `_` for `-`:
`sep=";"`.

`progress=True` shows a bar for each phase with the time left, in a terminal or a notebook; a
function is called with what is done instead.
"""


def options_of_function(name: str) -> list[Option]:
    """The options of a public function, in the order of its signature."""
    module, _, request = REQUESTS[name].partition(":")
    return list(options_of(getattr(import_module(module), request)))


def with_signatures(source: str) -> str:
    """The text of api.py, with the arguments of its functions as the options have them."""
    lines = source.splitlines(keepends=True)
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    for node in reversed(functions):
        if node.name in REQUESTS:
            end = node.body[0].end_lineno or 0
            lines[node.lineno - 1 : end] = [_signature(node, source), _docstring(node)]
    return "".join(lines)


def _signature(node: ast.FunctionDef, source: str) -> str:
    def segment(part: ast.AST) -> str:
        return ast.get_source_segment(source, part) or ""

    by_hand = [
        f"{segment(part)} = {segment(default)}"
        for part, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
        if part.arg in _BY_HAND and default is not None
    ]
    arguments = [
        *map(segment, node.args.args),
        "*",
        *(_argument(one) for one in options_of_function(node.name)),
        *by_hand,
    ]
    listed = "".join(f"    {argument},\n" for argument in arguments)
    return f"def {node.name}(\n{listed}) -> {segment(node.returns) if node.returns else None}:\n"


def _argument(one: Option) -> str:
    type_ = python_type(one)
    default = _default(one)
    if default == "None" and not type_.endswith("| None"):
        type_ += " | None"
    if "Dataset" in type_:  # is not imported when the function is defined
        type_ = f'"{type_}"'
    return f"{one.argument}: {type_}" + ("" if default is None else f" = {default}")


def _default(one: Option) -> str | None:
    if one.default is MISSING:
        return None
    if isinstance(one.default, str):
        return f'"{one.default}"'
    if isinstance(one.default, int) and not isinstance(one.default, bool):
        return f"{one.default:_}"
    return "None" if isinstance(one.default, dict) else repr(one.default)


def _docstring(node: ast.FunctionDef) -> str:
    """The docstring, where each option has an entry among the arguments."""
    text = ast.get_docstring(node, clean=False) or ""
    found = _SECTION.search(text)
    assert found is not None, f"{node.name} has no Args"
    entries = {entry[1]: entry[0] for entry in _ENTRY.finditer(found[0])}
    first = [entries[part.arg] for part in node.args.args]
    last = [entries[name] for name in _BY_HAND if name in entries]
    options = [
        textwrap.fill(
            f"{one.argument}: {_description(one, node.name)}",
            width=_WIDTH,
            initial_indent=" " * 8,
            subsequent_indent=" " * 12,
            break_long_words=False,
            break_on_hyphens=False,
        )
        + "\n"
        for one in options_of_function(node.name)
    ]
    listed = "".join([*first, *options, *last])
    text = text[: found.start()] + listed + text[found.end() :]
    prefix = "r" if "\\" in text else ""
    return f'    {prefix}"""{text}"""\n'


def _description(one: Option, function: str) -> str:
    text = in_python(one.help, function)
    if one.default_text:
        text += f" Default: {in_python(one.default_text, function)}."
    return text


def python_page(source: str) -> str:
    """docs/python.md; `source` is api.py."""
    parts = [_INTRODUCTION]
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef) and node.name in REQUESTS:
            first = ", ".join(part.arg for part in node.args.args)
            summary = (ast.get_docstring(node) or "").partition("\n")[0]
            parts.append(f"\n## `{node.name}({first}, …)`\n\n{summary}\n\n{_table(node.name)}")
    return "".join(parts)


def _table(function: str) -> str:
    rows = ["| argument | flag | type | default | |\n|---|---|---|---|---|\n"]
    group = ""
    for one in options_of_function(function):
        if one.group != group:
            group = one.group
            rows.append(f"| **{group}** | | | | |\n")
        default = one.default_text or (f"`{_default(one)}`" if _default(one) else "required")
        cells = (
            f"`{one.argument}`",
            f"`{one.flag}`",
            f"`{python_type(one)}`",
            _plain(in_python(default, function)),
            _plain(in_python(one.help, function)),
        )
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
    return "".join(rows)


def _plain(text: str) -> str:
    """A text as Markdown shows it: backslashes and angle brackets are themselves."""
    return text if text.startswith("`") else text.replace("\\", "\\\\").replace("<", "\\<")


def main() -> None:
    """Write api.py and docs/python.md anew."""
    source = with_signatures(API.read_text(encoding="utf-8"))
    API.write_text(source, encoding="utf-8")
    PAGE.write_text(python_page(source), encoding="utf-8")


if __name__ == "__main__":
    main()
