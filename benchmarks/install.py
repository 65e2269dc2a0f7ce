"""What an installation takes on the disk: the package and all that it requires, without extras."""

from __future__ import annotations

import importlib.metadata as metadata
import re
from pathlib import Path

from packaging.requirements import Requirement

PACKAGE = "bigdata-shards"
_NAME = re.compile(r"[-_.]+")


def requirements(package: str = PACKAGE) -> dict[str, metadata.Distribution]:
    """The distributions that a package requires without extras, itself included, by name."""
    found: dict[str, metadata.Distribution] = {}
    wanted = [package]
    while wanted:
        name = _NAME.sub("-", wanted.pop()).lower()
        if name in found:
            continue
        found[name] = distribution = metadata.distribution(name)
        for line in distribution.requires or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                wanted.append(requirement.name)
    return found


def installed_bytes(distribution: metadata.Distribution) -> int:
    """Bytes of its files; of an editable installation of the project, of the package's folder."""
    if _NAME.sub("-", distribution.name).lower() == PACKAGE:
        import bigdata_cli

        files = [path for path in Path(bigdata_cli.__path__[0]).rglob("*") if path.is_file()]
        return sum(path.stat().st_size for path in files)
    files = [Path(str(distribution.locate_file(file))) for file in distribution.files or ()]
    return sum(path.stat().st_size for path in files if path.is_file())


def sizes() -> dict[str, int]:
    """Bytes by distribution, the largest first."""
    found = {name: installed_bytes(item) for name, item in requirements().items()}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


if __name__ == "__main__":
    for name, n_bytes in (found := sizes()).items():
        print(f"{n_bytes / 1e6:8.1f} MB  {name}")
    print(f"{sum(found.values()) / 1e6:8.1f} MB  in all")
