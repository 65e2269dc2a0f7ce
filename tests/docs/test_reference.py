"""The reference is up to date, and has every option."""

from __future__ import annotations

import re
import subprocess
import sys

import click
import pytest

import bigdata_cli
from bigdata_cli.cli.options import RequestOption
from bigdata_cli.cli.reference import commands, reference
from docs.make_api import PAGE, page
from tests.docs.blocks import ROOT

COMMANDS = {name: (command, context) for name, command, context in commands()}


def test_the_reference_is_up_to_date():
    # In a process of its own: click keeps the help option of a command that was called alone.
    done = subprocess.run(
        [sys.executable, "-m", "bigdata_cli.cli.reference"],
        capture_output=True, encoding="utf-8", check=True,
    )  # fmt: skip
    written = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert written == done.stdout, "make docs writes it anew"


def test_the_page_on_the_api_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == page(), "make docs writes it anew"


def test_the_page_on_the_api_has_every_public_name_and_method():
    text = page()
    for name in bigdata_cli.__all__:
        assert re.search(rf"^### `{name}[`(]", text, re.M), name
    for name in ("batches", "to_tf", "to_torch", "to_pandas", "splits", "feature_spec"):
        assert f"#### `Dataset.{name}" in text
    for target in re.findall(r"python\.md#([\w-]+)", text):
        headings = re.findall(r"^## (.*)$", (ROOT / "docs" / "python.md").read_text(), re.M)
        anchors = {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}
        assert target in anchors


def test_the_page_on_input_names_every_option_of_a_source():
    names = ("input.md", "inspect.md", "shape.md", "splits.md", "shuffle.md", "order.md")
    pages = (ROOT / "docs" / name for name in names)
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    command, context = COMMANDS["bigdata inspect"]
    for parameter in command.get_params(context):
        if isinstance(parameter, RequestOption):
            assert all(flag in text for flag in parameter.flags), parameter.flags


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
