"""Modules, functions and lists of parameters are short; those that are not have their reason."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "bigdata_cli"
C_SOURCES = PACKAGE / "native" / "src"
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60
MAX_PARAMETERS = 8
MAX_C_FILE_LINES = 500
MAX_C_FUNCTION_LINES = 80

PUBLIC = "public: each keyword is one that users write, and that an editor completes"
LONG_MODULES = {"api.py": "its signatures and docstrings are generated from the options"}
LONG_FUNCTIONS = {
    "sources/csv/records.py:_parse_block": "what was set aside is put together where it is known",
    "transforms/shape.py:shaped": "a third of it is the description of its arguments",
}
MANY_PARAMETERS = {
    "dataset/batches.py:to_numpy_batches": PUBLIC,
    "dataset/batches.py:to_tf": PUBLIC,
    "dataset/batches.py:to_torch": PUBLIC,
    "dataset/batches.py:generator": "the parameters of `to_tf`, which calls it",
    "dataset/mixture.py:to_numpy_batches": PUBLIC,
    "dataset/mixture.py:to_tf": PUBLIC,
    "dataset/mixture.py:to_torch": PUBLIC,
    "transforms/column_steps.py:__init__": "what `shaped` was given",
    "transforms/first_pass.py:of": "what `shaped` was given, and two texts for an error",
    "transforms/shape.py:shaped": "the door of the transforms: what a conversion knows by then",
}
LONG_C_FILES = {"bigdata.h": "the list of all that the library offers, and nothing else"}
GENERATED = {"api.py"}


def modules() -> Iterator[tuple[str, str]]:
    """The modules of the package: path and text."""
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path.relative_to(PACKAGE).as_posix(), path.read_text(encoding="utf-8")


@cache
def functions() -> list[tuple[str, int, int]]:
    """The functions and methods that nobody generated: path:name, lines and parameters."""
    return [
        (f"{name}:{node.name}", n_lines(node), n_parameters(node))
        for name, text in modules()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and name not in GENERATED
    ]


def n_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1


def n_parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The parameters of a call: without `self`."""
    given = function.args
    positional = [one.arg for one in (*given.posonlyargs, *given.args)]
    count = len(positional) + len(given.kwonlyargs) + bool(given.vararg) + bool(given.kwarg)
    return count - (positional[:1] in (["self"], ["cls"]))


def c_functions(text: str) -> Iterator[tuple[str, int]]:
    """The functions of a C file, as clang-format writes them: name, and lines with its head."""
    for found in re.finditer(r"^(?:.+\n)+?\{\n(?:.*\n)*?\}$", text, re.MULTILINE):
        head, _, _ = found[0].partition("\n{\n")
        name = re.search(r"(\w+)\((?!\()", head.replace("__attribute__((", ""))
        if name is not None:
            yield name[1], found[0].count("\n") + 1


def test_modules_are_short():
    long = {name for name, text in modules() if text.count("\n") > MAX_MODULE_LINES}
    assert long == set(LONG_MODULES)


def test_functions_fit_a_screen():
    long = {name for name, lines, _ in functions() if lines > MAX_FUNCTION_LINES}
    assert long == set(LONG_FUNCTIONS)


def test_functions_have_few_parameters():
    many = {name for name, _, count in functions() if count > MAX_PARAMETERS}
    assert many == set(MANY_PARAMETERS)


def test_c_files_and_functions_are_short():
    files = {path.name: path.read_text() for path in C_SOURCES.glob("*.[ch]")}
    assert {n for n, text in files.items() if text.count("\n") > MAX_C_FILE_LINES} == set(
        LONG_C_FILES
    )
    found = [(name, *one) for name, text in files.items() for one in c_functions(text)]
    assert len(found) > 400
    assert [one for one in found if one[2] > MAX_C_FUNCTION_LINES] == []


def test_parameters_and_lines_are_counted():
    source = "class A:\n    def f(self, a, /, b, *c, d=1, **e):\n        pass\n"
    (function,) = (n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef))
    assert (n_lines(function), n_parameters(function)) == (2, 5)
    text = (
        "int f(int a)\n{\n    return a;\n}\n\nstatic void g(const char *b,\n       int c)\n{\n}\n"
    )
    assert list(c_functions(text)) == [("f", 4), ("g", 4)]


@pytest.mark.parametrize(
    "exceptions", [LONG_MODULES, LONG_FUNCTIONS, MANY_PARAMETERS, LONG_C_FILES]
)
def test_each_exception_has_its_reason(exceptions):
    assert all(exceptions.values())
