"""`bigdata doctor`: what it says of a machine that works, and of what is wrong."""

from __future__ import annotations

import json
import sys

import pytest
from click.testing import CliRunner
from packaging.requirements import Requirement

from bigdata_cli import DISTRIBUTION
from bigdata_cli.cli import main
from bigdata_cli.diagnosis import devices, packages
from bigdata_cli.diagnosis.formats import format_checks
from bigdata_cli.diagnosis.machine import machine_checks
from bigdata_cli.diagnosis.report import Check, DoctorReport
from bigdata_cli.errors import LibraryError
from bigdata_cli.formats.registry import FORMATS
from bigdata_cli.resources.memory import available_cpus


def test_every_format_is_written_and_read():
    checks = list(format_checks())
    assert [check.name for check in checks] == list(FORMATS)
    assert all(check.status == "ok" and "2,000 rows" in check.found for check in checks)


def test_a_format_whose_library_is_damaged_fails_alone(monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    for name in [name for name in sys.modules if name.startswith("bigdata_cli.formats.hdf5")]:
        monkeypatch.delitem(sys.modules, name)
    failed = [check for check in format_checks() if check.status == "failed"]
    assert [check.name for check in failed] == ["hdf5"]
    assert "h5py" in failed[0].found


def test_the_machine_is_the_one_that_the_process_has():
    found = {check.name: check for check in machine_checks()}
    assert found["processors"].found.split()[0] == str(available_cpus())
    assert all(check.status == "ok" for check in found.values())
    assert "--memory-limit" in found["memory"].found


def test_another_product_of_the_same_names_is_found(tmp_path, monkeypatch):
    information = tmp_path / "bigdata_cli-0.1.1.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: bigdata-cli\nVersion: 9\n")
    (information / "entry_points.txt").write_text("[console_scripts]\nbigdata = other:main\n")
    (information / "RECORD").write_text("bigdata_cli/__init__.py,,\n")
    monkeypatch.syspath_prepend(tmp_path)
    rival = next(one for one in packages.package_checks() if one.name == "bigdata-cli")
    assert rival.status == "failed"
    assert rival.hint.startswith("pip uninstall bigdata-cli")


def test_requirements_are_those_of_the_distribution():
    names = [check.name for check in packages.package_checks()]
    assert names[0] == DISTRIBUTION
    assert {"numpy", "pyarrow", "h5py", "train", "torch"} <= set(names)
    assert not {"dev", "bench", "all"} & set(names)


@pytest.mark.parametrize(
    ("word", "problem"),
    [
        ("no-such-package>=1", "no-such-package is not installed"),
        ("numpy<1", "is not <1"),
    ],
)
def test_a_requirement_that_is_not_met_has_its_command(word, problem):
    check = packages._required(Requirement(word))
    assert (check.status, check.hint) == ("failed", f"pip install '{word}'")
    assert problem in check.found
    extra = packages._extra("gpu", [Requirement(word)])
    assert (extra.status, extra.hint) == ("note", f"pip install '{DISTRIBUTION}[gpu]'")


def test_a_missing_library_is_a_failure(monkeypatch):
    class Missing:
        def __getattr__(self, name):
            raise LibraryError("the C library of bigdata is not built", hint="make native")

    monkeypatch.setitem(sys.modules, "bigdata_cli.native.library", Missing())
    check = packages.library_check()
    assert (check.status, check.hint) == ("failed", "make native")


def test_frameworks_are_asked_in_processes_of_their_own(monkeypatch):
    questions = {
        "json": "print('a notice'); print(2)",
        "csv": "raise SystemExit('no driver')",
        "no_such_module": "print(1)",
        "math": "import time; time.sleep(60)",
    }
    monkeypatch.setattr(devices, "_QUESTIONS", questions)
    monkeypatch.setattr(devices, "_MAX_SECONDS", 2)
    found = {check.name: check for check in devices.device_checks()}
    assert found.keys() == {"json", "csv", "math"}
    assert (found["json"].status, found["json"].found) == ("ok", "2 GPUs")
    assert (found["csv"].status, found["csv"].found) == ("failed", "no driver")
    assert (found["math"].status, found["math"].found) == ("failed", "no answer within 2 seconds")


@pytest.mark.parametrize("status", ["ok", "failed"])
def test_the_command_shows_all_checks_and_its_status(monkeypatch, status):
    checks = (
        Check(topic="Machine", name="processors", found="2"),
        Check(topic="Packages", name="numpy", found="it is broken", status=status, hint="mend it"),
    )
    monkeypatch.setattr("bigdata_cli.diagnosis.run._checks", lambda: iter(checks))
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == (1 if status == "failed" else 0)
    assert ("FAILED: it is broken; mend it" in result.stdout) == (status == "failed")
    as_json = json.loads(CliRunner().invoke(main, ["doctor", "--json"]).stdout)
    assert as_json == DoctorReport(checks=checks).to_json()
