"""What a notebook and an interpreter show of datasets and reports."""

from __future__ import annotations

from pathlib import Path

import pytest

import bigdata_cli
from bigdata_cli import printable
from bigdata_cli.comparison.report import DiffReport
from bigdata_cli.conversion.report import ConvertReport
from bigdata_cli.diagnosis.report import DoctorReport
from bigdata_cli.export.cat import CatReport
from bigdata_cli.inspection.report import CsvReport, DatasetReport
from bigdata_cli.training.predict import PredictReport
from bigdata_cli.training.report import TrainReport
from bigdata_cli.verification.report import VerifyReport

MAX_CHARACTERS = 500
REPORTS = [
    ConvertReport, CsvReport, DatasetReport, CatReport, DiffReport, TrainReport, PredictReport,
    VerifyReport, DoctorReport,
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shown")
    names = [f"c{i}" for i in range(60)]
    rows = "".join(",".join(str(row * i) for i in range(60)) + "\n" for row in range(50))
    (folder / "rows.csv").write_text(",".join(names) + "\n" + rows)
    return folder


def test_reports_of_a_wide_table_are_short(folder: Path) -> None:
    source = folder / "rows.csv"
    reports = [
        bigdata_cli.convert(source, to="npy", output=folder / "d"),
        bigdata_cli.inspect(source),
        bigdata_cli.inspect(folder / "d"),
        bigdata_cli.verify(folder / "d"),
        bigdata_cli.diff(source, folder / "d"),
    ]
    for report in reports:
        text = repr(report)
        assert text.startswith(f"{type(report).__name__}(")
        assert len(text) < MAX_CHARACTERS, text
        assert "\n" not in text
        assert "<table>" in report._repr_html_() or "<iframe" in report._repr_html_()
    assert "rows=50" in repr(reports[0])
    assert "columns=60 items" in repr(reports[0])
    assert "passed=True" in repr(reports[3])


@pytest.mark.parametrize("report", REPORTS)
def test_every_attribute_that_is_shown_exists(report: type[printable.ShortRepr]) -> None:
    names = {*report.__dataclass_fields__, *vars(report)}  # type: ignore[attr-defined]
    for base in report.__mro__:
        names |= vars(base).keys()
    assert set(report.shown) <= names
    assert report.shown
    assert report.__repr__ is printable.ShortRepr.__repr__


def test_names_of_files_cannot_forge_what_is_shown() -> None:
    report = CatReport(rows=1, rejected_rows=0, lost_values=0)
    assert repr(report) == "CatReport(rows=1, rejected_rows=0, lost_values=0)"
    page = printable.html_table("<script>", ("a",), [("\x1b[31m<b>",)])
    assert "<script>" not in page
    assert "<b>" not in page
    assert "\x1b" not in page
