"""Known vulnerabilities of the packages that are installed beside this interpreter.

    .venv/bin/python .ci/audit.py            # says what is known; never fails
    .venv/bin/python .ci/audit.py --strict   # fails where something is

It asks PyPI, at the most once a day. Without a network, or without pip-audit, it says so and skips:
what is known of a package changes by itself, and must not make a build fail that passed before.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

INDEX = "pypi.org"
CONNECT_SECONDS = 2
MAX_SECONDS = 90
DAY_SECONDS = 86_400
STAMP = Path(sys.prefix) / ".audited"


def audit() -> tuple[list[str], str]:
    """The vulnerabilities that are known, one line each; and why it was skipped, if it was."""
    if find_spec("pip_audit") is None:
        return [], "pip-audit is not installed (pip install '.[dev]')"
    try:
        socket.create_connection((INDEX, 443), CONNECT_SECONDS).close()
    except OSError:
        return [], "no network"
    command = [sys.executable, "-m", "pip_audit", "--local", "--progress-spinner", "off"]
    command += ["--timeout", "5", "--format", "json"]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command
            command, capture_output=True, text=True, timeout=MAX_SECONDS, check=False
        )
        packages = json.loads(done.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        return [], f"{INDEX} took longer than {MAX_SECONDS} s"
    except (ValueError, KeyError):
        return [], f"{INDEX} did not answer"
    known = [package for package in packages if "vulns" in package]
    if not known:
        return [], f"{INDEX} knows none of the packages"
    found = [
        f"{package['name']} {package['version']}: {entry['id']}"
        + (f", mended in {', '.join(entry['fix_versions'])}" if entry["fix_versions"] else "")
        for package in known
        for entry in package["vulns"]
    ]
    return found, ""


def main(arguments: list[str]) -> int:
    strict = "--strict" in arguments
    if not strict and STAMP.exists() and time.time() - STAMP.stat().st_mtime < DAY_SECONDS:
        print("audit: nothing was known within the last day")
        return 0
    found, skipped = audit()
    if skipped:
        print(f"audit: skipped: {skipped}")
        return 0
    for line in found:
        print(f"audit: {line}")
    if not found:
        STAMP.touch()
        print("audit: nothing is known")
    return int(strict and bool(found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
