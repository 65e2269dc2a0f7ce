"""The pages for developers are true: the picture is of the imports, and what they name exists."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from docs.make_architecture import PICTURE, picture
from tests.docs.blocks import ROOT

DEVELOPER_PAGES = [ROOT / "CONTRIBUTING.md", ROOT / "docs/architecture.md", ROOT / "docs/design.md"]
PAGES = [*DEVELOPER_PAGES, ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PACKAGE = ROOT / "bigdata_cli"
FILE = re.compile(r"(?<![\w/.*%-])((?:[\w.-]+/)*[\w-]+\.(?:py|c|h|css|sh))\b(?![/\w-])")
FOLDER = re.compile(r"`([a-z_]\w*(?:/\w+)*)/`")
NAME_IN_FILE = re.compile(r"`([\w/]+\.(?:py|c|h))` \(`([A-Za-z_]\w*)`[,)]")


def test_the_picture_is_up_to_date():
    assert PICTURE.read_text(encoding="utf-8") == picture(), "make docs draws it anew"


@cache
def sources() -> frozenset[str]:
    """The files of the project, as paths from its root."""
    folders = (PACKAGE, ROOT / "tests", ROOT / "benchmarks", ROOT / "docs", ROOT / ".ci")
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    found += [path for path in ROOT.iterdir() if path.is_file()]
    return frozenset(path.relative_to(ROOT).as_posix() for path in found)


def exists(name: str) -> bool:
    """Whether it is a path from the root or the package, or the end of the path of some file."""
    if {name, f"bigdata_cli/{name}"} & sources():
        return True
    return "/" not in name and any(path.endswith(f"/{name}") for path in sources())


def files_in(text: str) -> set[str]:
    """The source files that a page names; those with NAME in them are to be made."""
    return {name for name in FILE.findall(text) if "NAME" not in name and "PACKAGE" not in name}


def test_names_of_files_are_found_in_text():
    text = "`types/lattice.py` (`resolve`), scan.c; formats/NAME/traits.py, a.npy, tables/own.py,"
    assert files_in(text) == {"types/lattice.py", "scan.c", "tables/own.py"}
    assert exists("types/lattice.py")
    assert exists("scan.c")
    assert not exists("tables/own.py")


@pytest.mark.parametrize("page", dict.fromkeys(PAGES), ids=lambda page: page.name)
def test_every_source_file_that_a_page_names_exists(page: Path):
    missing = [name for name in files_in(page.read_text(encoding="utf-8")) if not exists(name)]
    assert missing == []


@pytest.mark.parametrize("page", DEVELOPER_PAGES, ids=lambda page: page.name)
def test_every_folder_that_a_page_for_developers_names_exists(page: Path):
    names = FOLDER.findall(page.read_text(encoding="utf-8"))
    assert [n for n in names if not (ROOT / n).is_dir() and not (PACKAGE / n).is_dir()] == []


@pytest.mark.parametrize("page", DEVELOPER_PAGES, ids=lambda page: page.name)
def test_every_name_is_in_the_file_that_a_page_says(page: Path):
    found = NAME_IN_FILE.findall(page.read_text(encoding="utf-8"))
    for file, name in found:
        path = ROOT / file if (ROOT / file).exists() else PACKAGE / file
        assert re.search(rf"\b{name}\b", path.read_text(encoding="utf-8")), f"{file}: {name}"
