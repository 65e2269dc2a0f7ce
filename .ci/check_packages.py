"""Installs a built wheel in environments of its own, and uses it there as a user would.

    python .ci/check_packages.py dist/*.whl                      this Python, the newest libraries
    python .ci/check_packages.py dist/*.whl --lowest             the oldest that are allowed
    python .ci/check_packages.py dist/*.whl --python python3.13  another one; may be repeated

Nothing but the package and what it depends on is in them: no extra, no test, no checkout.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
FORMATS = ("parquet", "arrow", "hdf5", "npy", "tfrecord")
CHECK = """
import pathlib, sys
import bigdata_cli
from bigdata_cli import convert, inspect, open_dataset, verify

assert "site-packages" in bigdata_cli.__file__, bigdata_cli.__file__
folder = pathlib.Path(sys.argv[1])
source = folder / "a.csv"
rows = [f"{i},{'xyz'[i % 3]},{i / 8},2024-01-{i % 28 + 1:02d}" for i in range(10_000)]
source.write_text("\\n".join(["id,kind,price,day", *rows]) + "\\n")
for to in sys.argv[2:]:
    report = convert(source, to=to, output=folder / to, shards=2, jobs=2)
    assert report.rows == 10_000
    assert verify(folder / to, source=source).passed
    frame = open_dataset(folder / to).to_pandas()
    assert frame["id"].tolist() == list(range(10_000)), to
    assert float(frame["price"].sum()) == sum(range(10_000)) / 8, to
assert inspect(source).rows
print("used:", ", ".join(sys.argv[2:]))
"""


def lowest_requirements() -> list[str]:
    """The dependencies at the versions after `>=`, those of this Python only."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = []
    for text in project["dependencies"]:
        one = Requirement(text)
        if one.marker is not None and not one.marker.evaluate():
            continue
        [bound] = [part.version for part in one.specifier if part.operator == ">="]
        found.append(f"{one.name}=={bound}")
    return found


def run(*words: object) -> None:
    subprocess.run([str(word) for word in words], check=True)  # noqa: S603 - fixed commands


def check(python: str, wheel: Path, *, lowest: bool) -> None:
    """Install the wheel for a Python, and use it; raises CalledProcessError where it fails."""
    with tempfile.TemporaryDirectory() as place:
        environment = Path(place, "environment")
        run(python, "-m", "venv", environment)
        inside = environment / "bin" / "python"
        pip = (inside, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        run(*pip, wheel, *(lowest_requirements() if lowest else ()))
        run(inside, "-m", "pip", "check")
        run(environment / "bin" / "bigdata", "--version")
        # not in the checkout, whose folder would be found first
        script = Path(place, "check.py")
        script.write_text(CHECK, encoding="utf-8")
        words = [str(inside), str(script), place, *FORMATS]
        subprocess.run(words, check=True, cwd=place)  # noqa: S603 - a fixed command


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--python", action="append", help="a Python; default: the one that runs it")
    parser.add_argument("--lowest", action="store_true", help="with the oldest libraries allowed")
    given = parser.parse_args()
    failed = []
    for python in given.python or [sys.executable]:
        print(f"{python}{', the oldest libraries' if given.lowest else ''}:", flush=True)
        try:
            check(python, given.wheel.resolve(), lowest=given.lowest)
        except subprocess.CalledProcessError as error:
            print(f"  failed: {error}", flush=True)
            failed.append(python)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
