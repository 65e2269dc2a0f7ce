"""What is loaded when, and what the public names are."""

from __future__ import annotations

import inspect as stdlib_inspect
import json
import subprocess
import sys

import pytest

import bigdata_cli

HEAVY = (
    "numpy", "pandas", "pyarrow", "polars", "h5py", "tensorflow", "keras", "rich", "tqdm",
    "psutil",
)  # fmt: skip
REPORT = "; import json, sys; print(json.dumps(sorted(m for m in sys.modules if '.' not in m)))"


def loaded_after(code: str) -> set[str]:
    """The top-level modules that are loaded after `code` has run in a new interpreter."""
    done = subprocess.run(
        [sys.executable, "-c", code + REPORT], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["-h"], ["--version"], [], ["convret"]]
    + [[name, "--help"] for name in ("convert", "inspect", "train", "verify", "sample")]
    + [["convert", "a.csv", "--to", "npz"], ["convert", "a.csv", "--shards", "0"]],
    ids=" ".join,
)
def test_help_and_usage_errors_load_nothing_heavy(arguments):
    code = (
        "import sys\n"
        "from bigdata_cli.cli import main\n"
        f"try: main({arguments!r})\n"
        "except SystemExit: pass\n"
        "0"
    )
    assert loaded_after(code).isdisjoint(HEAVY)


def test_importing_the_package_loads_only_itself():
    assert loaded_after("import bigdata_cli").isdisjoint({*HEAVY, "click"})


def test_every_public_name_is_there():
    for name in bigdata_cli.__all__:
        assert callable(getattr(bigdata_cli, name)), name
        assert name in dir(bigdata_cli)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'covnert'"):
        bigdata_cli.covnert  # noqa: B018


FUNCTIONS = {
    "convert": "bigdata_cli.convert.run",
    "inspect": "bigdata_cli.inspect.run",
    "verify": "bigdata_cli.verify",
}


@pytest.mark.parametrize(("name", "module"), FUNCTIONS.items())
@pytest.mark.parametrize(
    "first",
    ["", "import {module}; ", "from bigdata_cli import {name}; ", "import bigdata_cli.{name}; "],
    ids=["nothing", "the module", "the name", "the package"],
)
def test_function_and_package_of_one_name(name, module, first):
    """The public name can be called, whatever was imported before, and the package stays usable."""
    code = (
        first
        + "import bigdata_cli; from bigdata_cli import {name}; "
        + "from inspect import signature; import {module} as run; "
        + "assert {name} is bigdata_cli.{name}; "
        + "assert signature({name}) == signature(run.{name}); "
        + "import {module} as again; assert again is run; "
        + "from bigdata_cli import {name} as last; assert callable(last)"
    ).format(name=name, module=module)
    subprocess.run([sys.executable, "-c", code], check=True)


def test_calling_the_package_calls_the_function(tmp_path):
    with pytest.raises(bigdata_cli.UsageError, match="missing"):
        bigdata_cli.convert(tmp_path / "missing.csv", to="parquet", output=tmp_path / "out")
    assert stdlib_inspect.signature(bigdata_cli.convert).parameters["to"].default is not None
