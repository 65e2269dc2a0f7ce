"""Writes docs/api.md from the docstrings of the public names: `python -m docs.make_api`."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from importlib import import_module
from pathlib import Path
from typing import Any, get_args

import bigdata_cli
from bigdata_cli.argument_names import REQUESTS

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "api.md"

_INTRODUCTION = """# API

Generated from the docstrings by `make docs`: change those, not this page. It is what
`help(bigdata_cli.convert)` shows. The options of the functions, those of the command line too,
are in [python.md](python.md).

    from bigdata_cli import Dataset, convert, open_dataset
"""
_SECTION = re.compile(r"^(Args|Attributes|Returns|Yields|Raises|Examples?):$")
_ENTRY = re.compile(r"^(\*{0,2}[\w.`, ]+?)(?: \(.*?\))?: (.*)$")


def page() -> str:
    """The text of docs/api.md."""
    named = [(name, getattr(bigdata_cli, name)) for name in bigdata_cli.__all__]
    functions = [(name, value) for name, value in named if inspect.isroutine(value)]
    classes = [(name, value) for name, value in named if inspect.isclass(value)]
    errors = [(name, value) for name, value in classes if issubclass(value, Exception)]
    parts = [_INTRODUCTION, "\n## Functions\n"]
    parts += [_function(name, value) for name, value in functions]
    parts += ["\n## Datasets\n"]
    parts += [_class(name, value) for name, value in classes if (name, value) not in errors]
    parts += ["\n## Reports\n\nWhat the functions return.\n"]
    parts += [_class(name, value) for name, value in _reports().items()]
    parts += ["\n## Errors\n"]
    parts += [f"\n### `{name}`\n\n{_text(value)}" for name, value in errors]
    return "".join(parts)


def _reports() -> dict[str, type]:
    """The classes that functions return, by name: those that api.py imports for its signatures."""
    source = Path(inspect.getfile(import_module("bigdata_cli.api"))).read_text(encoding="utf-8")
    tree = ast.parse(source)
    where = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    found: dict[str, type] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name in bigdata_cli.__all__ and node.returns:
            for name in re.findall(r"\w+Report\b", ast.unparse(node.returns)):
                value = getattr(import_module(where[name]), name)
                found |= {one.__name__: one for one in get_args(value) or (value,)}
    return dict(sorted(found.items()))


def _function(name: str, function: Any) -> str:
    signature = inspect.signature(function)
    if name not in REQUESTS:
        return f"\n### `{name}`\n\n{_code(name, signature)}\n{_text(function)}"
    first = [one.name for one in signature.parameters.values() if one.kind is not one.KEYWORD_ONLY]
    link = f"[all options](python.md#{name}{'-'.join(first)}-)"
    text = _text(function, without=("Args",))
    return f"\n### `{name}({', '.join(first)}, …)`\n\n{text}\nArguments: {link}.\n"


def _class(name: str, value: type) -> str:
    parts = [f"\n### `{name}`\n\n{_text(value)}"]
    for member, found in sorted(_members(value).items()):
        if isinstance(found, property) or not callable(found):
            parts.append(f"\n#### `{name}.{member}`\n\n{_text(getattr(found, 'fget', found))}")
        else:
            code = _code(member, inspect.signature(found))
            parts.append(f"\n#### `{name}.{member}()`\n\n{code}\n{_text(found)}")
    return "".join(parts)


def _members(value: type) -> dict[str, Any]:
    """The public methods and properties that have a docstring, of the class and its bases here."""
    found: dict[str, Any] = {}
    for base in reversed(value.__mro__):
        if base.__module__.startswith("bigdata_cli"):
            for name, member in vars(base).items():
                plain = getattr(member, "__func__", getattr(member, "func", member))
                is_public = not name.startswith("_") and name not in getattr(
                    value, "__dataclass_fields__", {}
                )
                if is_public and getattr(plain, "__doc__", None) and not inspect.isclass(plain):
                    found[name] = property(plain) if hasattr(member, "func") else member
    return {name: getattr(one, "__func__", one) for name, one in found.items()}


def _code(name: str, signature: inspect.Signature) -> str:
    """A signature as a block of code, one argument on a line where it is long."""
    shown = [str(one).replace("'", "") for one in signature.parameters.values()]
    kinds = [one.kind for one in signature.parameters.values()]
    if inspect.Parameter.KEYWORD_ONLY in kinds and inspect.Parameter.VAR_POSITIONAL not in kinds:
        shown.insert(kinds.index(inspect.Parameter.KEYWORD_ONLY), "*")
    result = signature.return_annotation
    arrow = "" if result is signature.empty else f" -> {str(result).strip(chr(39))}"
    line = f"{name}({', '.join(shown)}){arrow}"
    if len(line) > 100:
        line = f"{name}(\n" + "".join(f"    {one},\n" for one in shown) + f"){arrow}"
    plain = re.sub(r"\b(pathlib(\._local)?|collections\.abc|typing)\.", "", line)
    return f"```text\n{plain}\n```\n"


def _text(value: Any, without: tuple[str, ...] = ()) -> str:
    """A docstring as Markdown: its sections as headings in bold, their entries as lists."""
    lines, out = inspect.cleandoc(value.__doc__ or "").splitlines(), []
    section: str | None = None
    block: list[str] = []

    def flush() -> None:
        if block and section not in without:
            out.append(_section(section, block) if section else _prose(block))
        block.clear()

    for line in lines:
        if found := _SECTION.match(line):
            flush()
            section = found[1]
        elif section and line and not line.startswith(" "):
            flush()
            section = None
            block.append(line)
        else:
            block.append(line)
    flush()
    return "\n".join(out)


def _prose(lines: list[str]) -> str:
    """Paragraphs; examples stay code."""
    parts = []
    for paragraph in re.split(r"\n\s*\n", "\n".join(lines).strip()):
        is_code = paragraph.startswith((">>>", "    "))
        text = paragraph.replace("  # doctest: +SKIP", "").rstrip()
        parts.append(f"```text\n{textwrap.dedent(text)}\n```" if is_code else _escaped(paragraph))
    return "\n\n".join(parts) + "\n"


def _section(name: str, lines: list[str]) -> str:
    entries: list[str] = []
    for line in textwrap.dedent("\n".join(lines)).strip().splitlines():
        if not line.startswith(" ") and (found := _ENTRY.match(line)) and name != "Returns":
            entries.append(f"- `{found[1]}`: {_escaped(found[2])}")
        elif entries:
            entries.append(f"  {_escaped(line.strip())}" if line.strip() else "")
        else:
            entries.append(_escaped(line))
    return f"**{name}**\n\n" + "\n".join(entries) + "\n"


def _escaped(text: str) -> str:
    """Text as Markdown shows it; what stands in backticks is itself."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(
        part if part.startswith("`") else re.sub(r"([<*\\])", r"\\\1", part) for part in parts
    )


def main() -> None:
    """Write docs/api.md."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
