"""What is installed: this package, what it needs, its extras, and what stands in its way."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING

from bigdata_cli import DISTRIBUTION, __version__
from bigdata_cli.diagnosis.report import Check

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_TOPIC, _EXTRAS = "Packages", "Extras"
_COMMAND, _PACKAGE = "bigdata", "bigdata_cli"
_DEVELOPMENT = ("dev", "bench", "all")
"""Extras that no user installs for what they do."""


def package_checks() -> Iterator[Check]:
    """This package, other ones that have its names, and its requirements."""
    yield Check(topic=_TOPIC, name=DISTRIBUTION, found=__version__)
    yield from _rivals()
    requirements = _requirements()
    for one in requirements.get("", ()):
        yield _required(one)
    for extra, needed in requirements.items():
        if extra and extra not in _DEVELOPMENT:
            yield _extra(extra, needed)


def library_check() -> Check:
    """The C library that this processor takes."""
    from bigdata_cli.errors import BigdataError

    try:
        from bigdata_cli.native.library import level
    except BigdataError as error:
        return Check(
            topic=_TOPIC, name="C library", found=error.message, status="failed", hint=error.hint
        )
    return Check(topic=_TOPIC, name="C library", found=f"loaded, for {level}")


def _rivals() -> Iterator[Check]:
    """Other distributions that install the same command or package."""
    for one in metadata.distributions():
        name = one.metadata["Name"]
        if name is None or name.lower().replace("_", "-") == DISTRIBUTION:
            continue
        commands = {point.name for point in one.entry_points if point.group == "console_scripts"}
        tops = {str(file).split("/")[0] for file in one.files or ()}
        if _COMMAND in commands or _PACKAGE in tops:
            yield Check(
                topic=_TOPIC,
                name=name,
                found=f"{one.version}: another product, which installs the same names as this one",
                status="failed",
                hint=f"pip uninstall {name}, then pip install --force-reinstall {DISTRIBUTION}",
            )


@cache
def _requirements() -> dict[str, list[Requirement]]:
    """What is required, by extra; "" for always. Nothing where it runs from its sources alone."""
    from packaging.requirements import Requirement

    found: dict[str, list[Requirement]] = defaultdict(list)
    try:
        words = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return {}
    for word in words:
        one = Requirement(word)
        if one.marker is None or one.marker.evaluate({"extra": ""}):
            found[""].append(one)
            continue
        for extra in metadata.metadata(DISTRIBUTION).get_all("Provides-Extra") or ():
            if one.marker.evaluate({"extra": extra}):
                found[extra].append(one)
    return dict(found)


def _problem(one: Requirement) -> str | None:
    """Why a requirement is not met."""
    version = _version(one.name)
    if version is None:
        return f"{one.name} is not installed"
    if not one.specifier.contains(version, prereleases=True):
        return f"{one.name} {version} is not {one.specifier}"
    return None


def _version(name: str) -> str | None:
    """The version of a distribution, or of another one that has its module (xgboost-cpu)."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        others = _distributions().get(name.replace("-", "_"), ())
        return metadata.version(others[0]) if others else None


@cache
def _distributions() -> Mapping[str, list[str]]:
    """The distributions that install each module."""
    return metadata.packages_distributions()


def _required(one: Requirement) -> Check:
    if problem := _problem(one):
        hint = f"pip install '{one.name}{one.specifier}'"
        return Check(topic=_TOPIC, name=one.name, found=problem, status="failed", hint=hint)
    return Check(topic=_TOPIC, name=one.name, found=_version(one.name) or "")


def _extra(extra: str, needed: list[Requirement]) -> Check:
    problems = [problem for one in needed if (problem := _problem(one))]
    if problems:
        hint = f"pip install '{DISTRIBUTION}[{extra}]'"
        found = "; ".join(problems)
        return Check(topic=_EXTRAS, name=extra, found=found, status="note", hint=hint)
    found = ", ".join(f"{one.name} {_version(one.name)}" for one in needed)
    return Check(topic=_EXTRAS, name=extra, found=found)
