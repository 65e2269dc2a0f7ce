"""The README, the pages of the documentation and the examples are true: they run, links lead on.

They are in one file, so that one process of the tests has the libraries in memory for them all.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from bigdata_cli.transforms.expressions.functions import GROUPS
from tests.docs.blocks import ROOT, SLOW, blocks, run_blocks
from tests.docs.warm import clients

PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])


def test_every_block_of_the_readme_runs(tmp_path):
    assert run_blocks(ROOT / "README.md", tmp_path) == {"sh", "python"}


def test_only_the_make_commands_are_not_run():
    skipped = [block for block in blocks(ROOT / "README.md") if not block.is_run]
    assert [re.findall(r"^(\w+ \w+)", block.code, re.M) for block in skipped] == [
        ["make demo", "make test"]
    ]


def test_the_make_commands_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("demo", "test"):
        assert re.search(rf"^{target}:", makefile, re.M)


@pytest.mark.parametrize(
    "path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.stem
)
def test_an_example_runs(path: Path, tmp_path: Path) -> None:
    script = f"import runpy; runpy.run_path({str(path)!r}, run_name='__main__')"
    done = subprocess.run(
        [str(clients() / "python-block"), script],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_every_block_of_the_page_on_shaping_runs(tmp_path):
    assert run_blocks(ROOT / "docs" / "shape.md", tmp_path) == {"sh", "python"}


def test_the_page_on_shaping_lists_all_functions():
    text = (ROOT / "docs" / "shape.md").read_text(encoding="utf-8")
    for group, functions in GROUPS.items():
        listed = re.search(rf"^- {group}: ((?:`\w+`\s*)+)", text, re.M)
        assert listed is not None
        assert re.findall(r"`(\w+)`", listed[1]) == list(functions)


def test_every_block_of_the_page_on_input_runs(tmp_path):
    assert run_blocks(ROOT / "docs" / "input.md", tmp_path) == {"sh"}


def test_every_block_of_the_page_on_reliability_runs(tmp_path):
    assert run_blocks(ROOT / "docs" / "reliability.md", tmp_path) == {"sh"}


def test_the_page_on_reliability_names_tests_that_exist():
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    tests = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    assert set(re.findall(r"test_\w+\.py", text)) <= tests


def test_every_block_of_the_page_on_the_terminal_runs(tmp_path):
    assert run_blocks(ROOT / "docs" / "terminal.md", tmp_path) == {"sh"}


def test_every_block_of_the_page_on_inspect_runs(tmp_path):
    assert run_blocks(ROOT / "docs" / "inspect.md", tmp_path) == {"sh", "python"}


@pytest.mark.slow
def test_every_block_of_the_page_on_training_runs(tmp_path):
    assert run_blocks(ROOT / "docs" / "training.md", tmp_path) == {"sh", "python"}


@pytest.mark.slow
def test_every_recipe_runs(tmp_path):
    assert run_blocks(ROOT / "docs" / "recipes.md", tmp_path) == {"sh", "python"}


def test_every_block_of_the_page_on_predict_runs(tmp_path):
    assert run_blocks(ROOT / "docs" / "predict.md", tmp_path) == {"sh", "python"}


def test_every_block_of_the_page_on_loaders_runs(tmp_path):
    pytest.importorskip("torch")
    assert run_blocks(ROOT / "docs" / "loaders.md", tmp_path) == {"sh", "python"}


def test_every_block_of_the_page_on_trees_runs(tmp_path):
    assert run_blocks(ROOT / "docs" / "trees.md", tmp_path) == {"sh", "python"}


def test_every_block_of_the_page_on_shuffles_runs(tmp_path):
    assert run_blocks(ROOT / "docs" / "shuffle.md", tmp_path) == {"sh"}


def test_every_block_of_the_page_on_order_runs(tmp_path):
    assert run_blocks(ROOT / "docs" / "order.md", tmp_path) == {"sh", "python"}


def test_every_block_of_the_page_on_scale_runs(tmp_path):
    pytest.importorskip("distributed")
    assert run_blocks(ROOT / "docs" / "scale.md", tmp_path) == {"sh", "python"}


def test_every_block_of_the_page_on_splits_runs(tmp_path):
    assert run_blocks(ROOT / "docs" / "splits.md", tmp_path) == {"sh", "python"}


def test_every_block_of_the_page_on_rows_out_again_runs(tmp_path):
    assert run_blocks(ROOT / "docs" / "out.md", tmp_path) == {"sh", "python"}


def test_every_block_of_the_page_on_addresses_runs(tmp_path):
    assert run_blocks(ROOT / "docs" / "urls.md", tmp_path) == {"sh", "python"}


def test_every_block_of_the_page_on_the_format_runs(tmp_path):
    assert run_blocks(ROOT / "docs" / "format.md", tmp_path) == {"sh", "python"}


def test_every_block_of_the_page_on_other_tools_runs(tmp_path):
    pytest.importorskip("torch")
    assert run_blocks(ROOT / "docs" / "coming-from.md", tmp_path) == {"sh", "python"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if SLOW in page.read_text()], ids=lambda page: page.name
)
def test_slow_blocks_of_a_page_run_too(page, tmp_path):
    assert run_blocks(page, tmp_path, with_slow=True)


def test_a_block_for_a_library_runs_where_it_is_installed(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "<!-- needs json -->\n```python\n1\n```\n\n"
        "<!-- needs no_such_library -->\n```sh\nfalse\n```\n\n"
        "<!-- not run by the tests -->\n```sh\nfalse\n```\n\n```sh\ntrue\n```\n"
    )
    assert [block.is_run for block in blocks(page)] == [True, False, False, True]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name}: {target}"
