"""Hostile names and values change nothing outside of the output."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli import clean, convert, open_dataset, verify
from bigdata_cli.errors import BigdataError
from tests.examples import examples

PATHS = st.sampled_from(
    ["..", "../x", "/etc/passwd", "a/b", "a\\b", ".", "", "~", "$HOME", "%2e%2e%2f", "con", "a\0b",
     "\x1b[2J", "x" * 300, "_manifest.json", "_lock", "data-00000-of-00001.npy", "\u202ex", "\n"]
)  # fmt: skip
NAMES = st.one_of(PATHS, st.text(max_size=12))


def tree(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Everything below a folder: mode, time of change and content of each file."""
    found = {}
    for path in sorted(folder.rglob("*")):
        state = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[path.relative_to(folder).as_posix()] = (state.st_mode, state.st_mtime_ns, content)
    return found


@pytest.mark.parametrize(
    "options",
    [{"to": "npy"}, {"to": "hdf5"}, {"to": "tfrecord"}, {"to": "parquet", "partition_by": 0}],
    ids=str,
)
@examples(15)
@given(names=st.lists(NAMES, min_size=2, max_size=4, unique=True), values=st.lists(NAMES))
def test_names_and_values_stay_inside(
    options: dict[str, object], names: list[str], values: list[str]
) -> None:
    with tempfile.TemporaryDirectory() as place:
        outside = Path(place, "outside")
        output = outside / "in" / "out"
        output.parent.mkdir(parents=True)
        Path(outside, "x").write_text("do not touch")
        Path(outside, "in", "x").write_text("do not touch")
        source = Path(place, "source.csv")
        table = io.StringIO()
        writer = csv.writer(table)
        writer.writerow(names)
        for i, value in enumerate([*values, "last"]):
            writer.writerow([value, *([str(i)] * (len(names) - 1))])
        source.write_text(table.getvalue(), encoding="utf-8", errors="replace", newline="")
        before = tree(outside)
        asked = dict(options)
        if "partition_by" in asked:
            asked["partition_by"] = [names[0]]
        here = os.getcwd()
        try:
            convert(source, output=output, header=True, on_bad_row="skip", jobs=1, **asked)
            assert open_dataset(output).rows <= len(values) + 1
            assert verify(output).passed
        except BigdataError:
            pass
        finally:
            assert os.getcwd() == here
        after = tree(outside)
        changed = {
            name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
        }
        assert {name for name in changed if not name.startswith("in/out")} <= {"in"}
        if output.exists() and any(output.iterdir()):
            clean(output)
        assert Path(outside, "x").read_text() == "do not touch"
