"""The Python with tfx-bsl: an environment of its own, since it pins versions.

`pip install tfx-bsl` brings Apache Beam with a cloud's client libraries. The encoder needs none of
them, so that it is installed without its dependencies and beside those that it does import.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TFXBSL = "tfx-bsl==1.21.*"
TFXBSL_NEEDS = (
    "absl-py", "numpy", "pandas", "protobuf>=6,<7", "pyarrow", "tensorflow==2.21.*",
    "tensorflow-metadata>=1.21,<1.22",
)  # fmt: skip
_PROBE = "import tensorflow; from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder"


class NoEnvironmentError(Exception):
    """tfx-bsl cannot be had here; the message says why."""


def tfxbsl_python(folder: Path) -> Path:
    """The Python of the environment in a folder, which is made where it is not there already.

    Raises NoEnvironmentError where pip finds no wheel for this Python, or no network.
    """
    python = folder / "bin" / "python"
    stamp = folder / ".installed"
    if stamp.exists():
        return python
    pip = [str(python), "-m", "pip", "install", "--quiet", "--only-binary", ":all:"]
    _run([sys.executable, "-m", "venv", "--clear", str(folder)])
    _run([*pip, "--no-deps", TFXBSL])
    _run([*pip, *TFXBSL_NEEDS])
    _run([str(python), "-c", _PROBE])
    stamp.touch()
    return python


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        said = errors or done.stderr.splitlines()[-1:]
        raise NoEnvironmentError(" ".join(said)[:300] or "no reason given")


def tfxbsl_versions(python: Path) -> dict[str, str]:
    """Versions of what matters in that environment."""
    code = (
        "import importlib.metadata as m\n"
        "for n in ('tfx-bsl', 'pyarrow', 'tensorflow'): print(n, m.version(n))"
    )
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True)
    return dict(line.split() for line in done.stdout.splitlines())
