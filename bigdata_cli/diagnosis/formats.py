"""A small dataset of each format, written, verified and read back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from bigdata_cli.diagnosis.report import Check
from bigdata_cli.errors import BigdataError
from bigdata_cli.formats.registry import FORMATS

_TOPIC = "Formats"
_ROWS = 2_000


def format_checks() -> Iterator[Check]:
    """Whether each format can be written and read here."""
    from bigdata_cli.io.scratch import scratch_folder
    from bigdata_cli.samples.options import SampleOptions
    from bigdata_cli.samples.write import run as make_sample

    with scratch_folder() as folder:
        source = folder / "sample.csv"
        make_sample(SampleOptions(kind="transactions", n_rows=_ROWS, output=source))
        for name in FORMATS:
            yield _format_check(name, source, folder / name)


def _format_check(name: str, source: Path, output: Path) -> Check:
    started = time.perf_counter()
    try:
        _round_trip(name, source, output)
    except Exception as error:  # whatever a library raises is what is asked for
        reason = error.message if isinstance(error, BigdataError) else repr(error)
        hint = "this is a bug, or a damaged package: please report it, with bigdata doctor --json"
        return Check(topic=_TOPIC, name=name, found=reason, status="failed", hint=hint)
    seconds = time.perf_counter() - started
    found = f"{_ROWS:,} rows written, verified and read in {seconds:.2f} s"
    return Check(topic=_TOPIC, name=name, found=found)


def _round_trip(name: str, source: Path, output: Path) -> None:
    from bigdata_cli.conversion.options import ConvertOptions
    from bigdata_cli.conversion.run import run as convert
    from bigdata_cli.dataset import open_dataset
    from bigdata_cli.verification.options import VerifyOptions
    from bigdata_cli.verification.run import run as verify

    convert([str(source)], ConvertOptions(to=name, output=output))
    report = verify(output, VerifyOptions(source=(str(source),)))
    if not report.passed:
        raise BigdataError(str(report.findings[0]))
    n_rows = sum(len(batch) for batch in open_dataset(output).iter_pandas())
    if n_rows != _ROWS:
        raise BigdataError(f"{n_rows:,} rows came back of {_ROWS:,}")
