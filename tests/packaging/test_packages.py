"""Wheels: the same bytes each time, installed and used in environments of their own."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from bigdata_cli.native.compile import TARGETS

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = ROOT / ".ci" / "check_packages.py"
WORKFLOW = ROOT / ".github" / "workflows" / "release.yml"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_packages", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_dependency_has_a_lower_bound(script: ModuleType) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lowest = script.lowest_requirements()
    names = {re.split("[<>=!; ]", text)[0] for text in project["dependencies"]}
    assert {text.partition("==")[0] for text in lowest} >= names - {"backports.zstd"}
    assert all(re.fullmatch(r"[\w.-]+==[\d.]+", text) for text in lowest)


def test_the_release_makes_tests_and_publishes_every_wheel() -> None:
    jobs = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]
    assert set(jobs["publish"]["needs"]) == {"test", "source"}
    assert jobs["publish"]["permissions"] == {"id-token": "write"}
    lines = jobs["test"]["steps"][-1]["run"]
    patterns = re.findall(r'tag="(.+?)"', lines)
    tags = [target.tag for target in TARGETS.values()]
    for pattern in patterns:
        assert sum(Path(tag).match(pattern) for tag in tags) == 1, pattern
    assert len(patterns) == len(tags) == len(jobs["test"]["strategy"]["matrix"]["os"])
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    platforms = re.search(r"PLATFORMS := (.*)", makefile)
    assert platforms is not None
    assert platforms[1].split() == list(TARGETS)


def build(folder: Path) -> Path:
    """A wheel of this checkout for this machine."""
    subprocess.run(
        [sys.executable, "-m", "build", "--quiet", "--no-isolation", "--wheel", "--outdir", folder],
        check=True, cwd=ROOT, env={**os.environ, "SOURCE_DATE_EPOCH": "1767225600"},
    )  # fmt: skip
    [wheel] = folder.glob("*.whl")
    return wheel


@pytest.mark.soak
def test_a_wheel_has_the_same_bytes_each_time_and_works(tmp_path: Path) -> None:
    wheels = [build(tmp_path / name) for name in ("first", "second")]
    first, second = (hashlib.sha256(wheel.read_bytes()).hexdigest() for wheel in wheels)
    assert first == second
    for options in ([], ["--lowest"]):
        subprocess.run([sys.executable, SCRIPT, wheels[0], *options], check=True)
