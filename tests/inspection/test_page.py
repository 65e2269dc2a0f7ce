"""The page of a report: whole, self-contained, and not to be broken by what is in a file."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

from bigdata_cli import convert, inspect
from bigdata_cli.cli import main

VOID = {"meta", "br", "link", "img", "hr", "input"}
HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert('2')>",
    "\u202eright to left",
    "\x1b[31mred\x07",
    "&amp; 'quoted'",
    "</style></title>",
)


class Outline(HTMLParser):
    """The elements of a page, each closed where it should be, and its text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data


def outline(page: str) -> Outline:
    parsed = Outline()
    parsed.feed(page)
    parsed.close()
    assert parsed.open == []
    return parsed


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Path:
    """A file with names and values that would be markup, controls or marks."""
    path = tmp_path_factory.mktemp("hostile") / "<b>&hostile.csv"
    quoted = ['"' + text.replace('"', '""') + '"' for text in HOSTILE]
    rows = [
        ",".join(f'"{text.replace(chr(34), chr(34) * 2)} {i % 7}"' for text in HOSTILE)
        for i in range(300)
    ]
    path.write_text("\n".join([",".join(quoted), *rows]) + "\n", encoding="utf-8")
    return path


def check(page: str) -> Outline:
    """A page that loads nothing and runs nothing."""
    parsed = outline(page)
    assert not {"script", "img", "link", "iframe", "object"} & set(parsed.tags)
    names = {name for name, _ in parsed.attributes}
    assert not {"src", "onerror", "onload", "onclick"} & names
    assert all(re.fullmatch(r"#c\d+", link) for name, link in parsed.attributes if name == "href")
    assert "default-src 'none'" in page
    assert re.search(r"url\(|@import|https?://", page) is None
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", page)
    return parsed


def test_hostile_names_and_values_are_text(hostile):
    report = inspect(hostile, label=HOSTILE[0])
    parsed = check(report.to_html())
    for text in (HOSTILE[0], HOSTILE[1], HOSTILE[4], HOSTILE[5], "<b>&hostile.csv"):
        assert text in parsed.text
    assert "\\u202eright to left" in parsed.text
    assert "\\x1b[31mred" in parsed.text
    embedded = report._repr_html_()
    frame = outline(embedded)
    assert frame.tags == ["iframe"]
    assert dict(frame.attributes)["srcdoc"] == report.to_html()


def test_hostile_names_and_values_do_not_reach_the_terminal(hostile):
    result = CliRunner().invoke(main, ["inspect", str(hostile), "--label", HOSTILE[0]])
    assert result.exit_code == 0, result.output
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f\u202a-\u202e]", result.stdout)
    assert "\\x1b[31mred" in result.stdout


def test_a_page_has_all_that_the_report_has(sample_data, tmp_path):
    target = tmp_path / "report.html"
    report = inspect(sample_data / "transactions.csv", label="isFraud", html=target)
    page = target.read_text(encoding="utf-8")
    assert page == report.to_html()
    parsed = check(page)
    headings = {"What a dataset would cost", "Memory, before and after", "Classes of isFraud"}
    assert all(heading in parsed.text for heading in headings)
    drawn = [c for c in report.columns if c.histogram and c.histogram.kind != "values"]
    assert parsed.tags.count("svg") == len(drawn) > 5
    assert parsed.tags.count("rect") == sum(
        sum(count > 0 for count in c.histogram.counts) for c in drawn
    )
    assert parsed.tags.count("tr") == 1 + len(report.costs)
    assert report.next_command in parsed.text
    for query in ("prefers-color-scheme: dark", "max-width: 640px", "width=device-width"):
        assert query in page


def test_the_page_of_a_dataset(hostile, tmp_path):
    convert(hostile, to="parquet", shards=2, output=tmp_path / "set")
    report = inspect(tmp_path / "set", html=tmp_path / "set.html")
    parsed = check((tmp_path / "set.html").read_text(encoding="utf-8"))
    for expected in ("Shards", "Load it", "iter_pandas", HOSTILE[0], "smaller than the source"):
        assert expected in parsed.text
    assert report.next_command in parsed.text


@pytest.mark.skipif(shutil.which("chromium") is None, reason="Chromium is not installed")
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_it_without_scrolling_sideways(hostile, tmp_path, width):
    """A page around it, which may run a script, measures it."""
    page = tmp_path / "page.html"
    page.write_text(inspect(hostile, label=HOSTILE[0]).to_html(), encoding="utf-8")
    (tmp_path / "frame.html").write_text(
        f'<iframe id=f src=page.html style="width:{width}px;height:900px;border:0"></iframe>'
        "<script>onload = () => { const d = f.contentDocument; document.body.append("
        "`wide=${d.documentElement.scrollWidth - d.documentElement.clientWidth} "
        "bars=${d.querySelectorAll('.bar').length}`) }"
        "</script>"
    )
    done = subprocess.run(
        [
            "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
            "--no-first-run", "--disable-background-networking", "--disable-component-update",
            "--disable-sync", "--allow-file-access-from-files", f"--user-data-dir={tmp_path}/user",
            "--dump-dom", "--virtual-time-budget=5000", (tmp_path / "frame.html").as_uri(),
        ],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    found = re.search(r"wide=(\d+) bars=(\d+)", done.stdout.rpartition("</script>")[2])
    assert found is not None, done.stderr[-500:]
    assert int(found[1]) == 0
    assert int(found[2]) > 0
