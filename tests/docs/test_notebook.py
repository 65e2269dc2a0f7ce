"""The notebook runs in a real kernel (the scripts run in `test_pages.py`)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT

EXAMPLES = ROOT / "examples"


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbclient
    import nbformat

    bin_folder = Path(sys.executable).parent
    monkeypatch.setenv("PATH", str(bin_folder), prepend=":")
    monkeypatch.setenv("SIZE", "2MB")
    notebook = nbformat.read(EXAMPLES / "kaggle.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=120, resources=resources).execute()
    shown = "".join(
        output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", ())
    )
    assert "all as the manifest says" in shown
    assert "AUC" in shown


def test_every_example_is_in_the_list() -> None:
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    for path in EXAMPLES.iterdir():
        assert path.name == "README.md" or f"[{path.name}]" in listed
