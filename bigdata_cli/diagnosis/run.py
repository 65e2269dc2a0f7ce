"""All checks of an installation and its machine."""

from __future__ import annotations

from collections.abc import Iterator

from bigdata_cli.diagnosis.devices import device_checks
from bigdata_cli.diagnosis.formats import format_checks
from bigdata_cli.diagnosis.machine import machine_checks
from bigdata_cli.diagnosis.packages import library_check, package_checks
from bigdata_cli.diagnosis.report import Check, DoctorReport


def run() -> DoctorReport:
    """Look at everything; a check that fails does not end the others."""
    return DoctorReport(checks=tuple(_checks()))


def _checks() -> Iterator[Check]:
    yield from machine_checks()
    library = library_check()
    yield library
    yield from package_checks()
    if library.status == "ok":
        yield from format_checks()
    yield from device_checks()
