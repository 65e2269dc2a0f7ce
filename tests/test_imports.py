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


def test_calling_a_public_function(tmp_path):
    with pytest.raises(bigdata_cli.UsageError, match="missing"):
        bigdata_cli.convert(tmp_path / "missing.csv", to="parquet", output=tmp_path / "out")
    assert stdlib_inspect.signature(bigdata_cli.convert).parameters["shards"].default is None


def test_a_conversion_to_parquet_loads_nothing_slow(tmp_path):
    """`pyarrow.compute` takes 30 ms and pandas 200: as long as all of the conversion."""
    (tmp_path / "a.csv").write_text("id,when,name\n1,soon,Ann Lee\n2,2 June 24,\n3,later,Bob\n")
    code = (
        "import sys; from bigdata_cli import convert; "
        f"convert({str(tmp_path / 'a.csv')!r}, to='parquet', output={str(tmp_path / 'out')!r}); "
        "print(sorted({'pandas', 'pyarrow.compute', 'statistics'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
