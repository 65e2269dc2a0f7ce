"""The documentation is true: its blocks run, the reference is up to date, links lead somewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from bigdata_cli.cli.reference import commands, reference

ROOT = Path(__file__).resolve().parent.parent
NOT_RUN = "<!-- not run by the tests -->"
BLOCK = re.compile(
    rf"^(?P<mark>{re.escape(NOT_RUN)}\n)?```(?P<language>\w+)\n(?P<code>.*?)^```$", re.M | re.S
)
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


@dataclass(frozen=True)
class Block:
    """A block of code in a page."""

    line: int
    language: str
    code: str
    is_run: bool


def blocks(page: Path) -> list[Block]:
    """The blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            line=text.count("\n", 0, match.start()) + 1,
            language=match["language"],
            code=match["code"],
            is_run=match["mark"] is None,
        )
        for match in BLOCK.finditer(text)
    ]


def run_block(block: Block, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a block as a user would, with the commands of this environment on the path."""
    bin_folder = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": bin_folder + os.pathsep + os.environ["PATH"]}
    command = (
        ["bash", "-euo", "pipefail", "-c", block.code]
        if block.language == "sh"
        else [sys.executable, "-c", block.code]
    )
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def run_blocks(page: Path, folder: Path) -> set[str]:
    """Run the blocks of a page in a folder with the sample data; returns their languages."""
    shutil.copytree(ROOT / "sample_data", folder / "sample_data")
    run = [block for block in blocks(page) if block.is_run and block.language in ("sh", "python")]
    for block in run:
        done = run_block(block, folder)
        assert done.returncode == 0, (
            f"{page.name} line {block.line}:\n{block.code}\n{done.stdout}\n{done.stderr}"
        )
    return {block.language for block in run}


def test_every_block_of_the_readme_runs(tmp_path):
    assert run_blocks(ROOT / "README.md", tmp_path) == {"sh", "python"}


def test_every_block_of_the_page_on_input_runs(tmp_path):
    assert run_blocks(ROOT / "docs" / "input.md", tmp_path) == {"sh"}


def test_every_block_of_the_page_on_reliability_runs(tmp_path):
    assert run_blocks(ROOT / "docs" / "reliability.md", tmp_path) == {"sh"}


def test_the_page_on_reliability_names_tests_that_exist():
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    tests = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    assert set(re.findall(r"test_\w+\.py", text)) <= tests


def test_every_block_of_the_page_on_inspect_runs(tmp_path):
    assert run_blocks(ROOT / "docs" / "inspect.md", tmp_path) == {"sh", "python"}


@pytest.mark.slow
def test_every_block_of_the_page_on_training_runs(tmp_path):
    assert run_blocks(ROOT / "docs" / "training.md", tmp_path) == {"sh", "python"}


def test_every_block_of_the_page_on_predict_runs(tmp_path):
    assert run_blocks(ROOT / "docs" / "predict.md", tmp_path) == {"sh", "python"}


def test_every_block_of_the_page_on_loaders_runs(tmp_path):
    pytest.importorskip("torch")
    assert run_blocks(ROOT / "docs" / "loaders.md", tmp_path) == {"sh", "python"}


def test_the_page_on_input_names_every_option_of_a_source():
    pages = (ROOT / "docs" / name for name in ("input.md", "inspect.md"))
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    command, context = COMMANDS["bigdata inspect"]
    for parameter in command.get_params(context):
        if isinstance(parameter, click.Option) and "--help" not in parameter.opts:
            assert all(flag in text for flag in parameter.opts), parameter.opts


def test_only_the_make_commands_are_not_run():
    skipped = [block for block in blocks(ROOT / "README.md") if not block.is_run]
    assert [re.findall(r"^(\w+ \w+)", block.code, re.M) for block in skipped] == [
        ["make demo", "make test"]
    ]


def test_the_make_commands_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("demo", "test"):
        assert re.search(rf"^{target}:", makefile, re.M)


def test_the_reference_is_up_to_date():
    # In a process of its own: click keeps the help option of a command that was called alone.
    done = subprocess.run(
        [sys.executable, "-m", "bigdata_cli.cli.reference"],
        capture_output=True, encoding="utf-8", check=True,
    )  # fmt: skip
    written = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert written == done.stdout, "make docs writes it anew"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"


COMMANDS = {name: (command, context) for name, command, context in commands()}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_has_help(name):
    command, context = COMMANDS[name]
    assert command.help, name
    for parameter in command.get_params(context):
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.opts}"
            assert parameter.help.rstrip()[-1] in ".]", f"{name} {parameter.opts}: a sentence"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_stands_in_the_reference(name):
    command, context = COMMANDS[name]
    section = reference().split(f"## `{name}`\n")[1].split("\n## ")[0]
    for parameter in command.get_params(context):
        if isinstance(parameter, click.Option) and not parameter.hidden:
            assert all(flag in section for flag in parameter.opts), f"{name} {parameter.opts}"
