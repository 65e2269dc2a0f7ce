"""`verify --source`: silent of what was converted; every value that differs is found."""

from __future__ import annotations

import bz2
import gzip
import os
import random
import shutil
import threading
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from bigdata_cli import convert, verify
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.run import run
from bigdata_cli.errors import BigdataError, UsageError
from bigdata_cli.verification.report import VerifyReport
from tests.datasets import LAYOUTS, edited_manifest
from tests.manifest_files import read_document, rejects_path

N_ROWS = 6000
HEADER = "id,price,exact,day,at,flag,kind,word,big,label\n"
NO_TEXT = [("hdf5", "matrix"), ("npy", "matrix"), ("tfrecord", "packed")]


def line(i: int) -> str:
    numbers = random.Random(i)
    price = "" if i % 11 == 0 else f"{numbers.randint(0, 9999) / 4}"
    word = ["", "NA", '"NA"', '""', f'"a, {i}"', f"Zürich {i}", '"two\nlines"'][i % 7]
    return (
        f"{i % 120},{price},{numbers.random()!r},20{i % 90 + 10}-03-0{i % 9 + 1},"
        f"2024-01-01T00:00:{i % 60:02}.{i % 1000:03}Z,{'true' if i % 3 else 'false'},"
        f"{'abc'[i % 3] * 3},{word},{2**63 + i},{i % 2}\n"
    )


@pytest.fixture(scope="module")
def text() -> str:
    """Half a megabyte, so that its middle is in no fingerprint."""
    return HEADER + "".join(line(i) for i in range(N_ROWS))


@pytest.fixture
def source(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "all.csv"
    path.write_text(text, encoding="utf-8")
    return path


def converted(source: object, output: Path, layout: tuple[str, str], **options) -> Path:
    drop = ["word", "big"] if layout in NO_TEXT else []
    convert(
        source, to=layout[0], layout=layout[1], output=output, label="label",
        **{"shards": 3, "drop": drop, **options},
    )  # fmt: skip
    return output


def told(report: VerifyReport) -> list[str]:
    return [str(finding) for finding in report.findings]


@pytest.mark.parametrize("layout", LAYOUTS, ids="-".join)
def test_every_layout(source: Path, tmp_path: Path, layout: tuple[str, str]) -> None:
    for options in ({}, {"float": "32", "type": {"id": "int64", "kind": "category"}}):
        folder = converted(source, tmp_path / "out", layout, force=True, **options)
        report = verify(folder, source=source, jobs=2)
        assert told(report) == []
        assert report.compared_rows == N_ROWS


@pytest.mark.parametrize("layout", LAYOUTS, ids="-".join)
def test_a_changed_value_is_found_with_its_place(
    source: Path, tmp_path: Path, text: str, layout: tuple[str, str]
) -> None:
    folder = converted(source, tmp_path / "out", layout)
    at = 3001
    before = HEADER + "".join(line(i) for i in range(at))
    changed = line(at).replace(f"{at % 120},", f"{at % 120 + 1},", 1)
    after = "".join(line(i) for i in range(at + 1, N_ROWS))
    source.write_text(before + changed + after, encoding="utf-8")
    (finding,) = verify(folder, source=source).findings
    shard_rows = [s["rows"] for s in read_document(folder)["shards"]]
    row = at + 1 - shard_rows[0]
    line_number = before.count("\n") + 1
    assert finding.what == f'row {row:,}, column "id" ({source} line {line_number:,})'
    assert (finding.expected, finding.found) == (str(at % 120 + 1), str(at % 120))
    assert "-00001-of-00003" in finding.file
    assert str(finding).endswith(f"is {at % 120}, the source says {at % 120 + 1}")


@pytest.mark.parametrize(
    ("column", "old", "new"),
    [
        (1, "7.25", "7.50"),
        (1, "", "1.25"),
        (2, None, None),
        (3, "2010-03-01", "2011-03-01"),
        (4, "2024-01-01T00:00:00.000Z", "2024-01-01T00:00:00.001Z"),
        (5, "true", "NULL"),
        (6, "aaa", "bbb"),
        (7, "plain text", "plain Text"),
        (7, '""', "NA"),
        (8, str(2**63 + 5), str(2**63 + 6)),
    ],
)
def test_a_value_of_each_type(
    tmp_path: Path, column: int, old: str | None, new: str | None
) -> None:
    source = tmp_path / "a.csv"
    rows = [line(i).replace('"two\nlines"', "x").rstrip("\n") for i in range(N_ROWS)]
    at = next(i for i in range(2000, 4000) if '"' not in rows[i] and i % 11)

    def write(value: str | None, fill: str) -> None:
        fields = rows[at].split(",")
        if value is None:
            value = fields[2][:-1] + fill
        fields[column] = value
        text = HEADER + "\n".join([*rows[:at], ",".join(fields), *rows[at + 1 :]]) + "\n"
        source.write_text(text.ljust(1_000_000, "\n"), encoding="utf-8")

    write(old, "1")
    folder = converted(source, tmp_path / "out", ("parquet", "rows"))
    assert verify(folder, source=source).passed
    write(new, "2")
    name = HEADER.strip().split(",")[column]
    (finding,) = verify(folder, source=source).findings
    assert f'column "{name}" ({source} line {at + 2:,})' in finding.what


def test_rows_that_are_missing_or_too_many(source: Path, tmp_path: Path, text: str) -> None:
    folder = converted(source, tmp_path / "out", ("parquet", "rows"))
    lines = [line(i) for i in range(N_ROWS)]
    lines[3000] = "#" * (len(lines[3000].encode()) - 1) + "\n"
    source.write_text(HEADER + "".join(lines), encoding="utf-8")
    found = told(verify(folder, source=source))
    assert any("the record has 1 field, 10 were expected" in one for one in found)
    lines[3000] = "\n" * len(line(3000).encode())
    source.write_text(HEADER + "".join(lines), encoding="utf-8")
    found = told(verify(folder, source=source))
    assert any("number of rows is 6000, the source says 5999" in one for one in found)
    assert any("values that are not those of the source" in one for one in found)


def test_another_dtype_than_the_values_ask_for(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    numbers = [str(i % 100) for i in range(100_000)]
    for most, asked in (("300", "100"), ("100", "300")):
        numbers[50_000] = most
        source.write_text("n\n" + "\n".join(numbers) + "\n")
        convert(source, to="parquet", output=tmp_path / asked, shards=2)
        numbers[50_000] = asked
        source.write_text("n\n" + "\n".join(numbers) + "\n")
        value, dtype = verify(tmp_path / asked, source=source).findings
        assert str(value).endswith(f"line 50,002) is {most}, the source says {asked}")
        dtypes = {"100": "int8", "300": "int16"}
        assert (dtype.expected, dtype.found) == (dtypes[asked], dtypes[most])


def test_every_kind_of_source(source: Path, tmp_path: Path, text: str) -> None:
    data = text.encode()
    (tmp_path / "a.gz").write_bytes(gzip.compress(data))
    (tmp_path / "a.bz2").write_bytes(bz2.compress(data))
    (tmp_path / "utf16.csv").write_bytes(text.encode("utf-16"))
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("in/a.csv", data)
        archive.writestr("b.csv", "x\n1\n")
    parquet = converted(source, tmp_path / "parquet", ("parquet", "rows"), shards=2)
    kinds = {
        "gzip": tmp_path / "a.gz",
        "bzip2": tmp_path / "a.bz2",
        "utf16": tmp_path / "utf16.csv",
        "zip": f"{tmp_path}/a.zip::in/a.csv",
        "several": [source, tmp_path / "a.gz"],
        "pattern": str(tmp_path / "al*.csv"),
        "parquet": sorted(parquet.glob("[!_]*.parquet")),
        "dataset": parquet,
    }
    for name, given in kinds.items():
        folder = converted(given, tmp_path / f"out-{name}", ("tfrecord", "block"))
        report = verify(folder, source=given)
        assert told(report) == [], name
        assert report.compared_rows == N_ROWS * (2 if name == "several" else 1)


@pytest.mark.parametrize("n_shards", [3, 20])
def test_shards_that_take_turns(tmp_path: Path, text: str, n_shards: int) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(text.encode() + b"bad\n" + text.encode()[len(HEADER) :]))
    options = ConvertOptions(to="npy", output=tmp_path / "out", shards=n_shards, on_bad_row="skip")
    report = run([path], options, sample_bytes=20_000)
    assert report.manifest.order == "within shards"
    verified = verify(tmp_path / "out", source=path)
    assert told(verified) == []
    assert verified.compared_rows == 2 * N_ROWS


def pipe(path: Path, data: bytes) -> Path:
    os.mkfifo(path)
    threading.Thread(target=lambda: path.write_bytes(data), daemon=True).start()
    return path


def test_a_pipe_and_a_file_of_the_same(source: Path, tmp_path: Path, text: str) -> None:
    data = text.encode()
    folder = converted(pipe(tmp_path / "1", data), tmp_path / "out", ("parquet", "rows"))
    assert told(verify(folder, source=pipe(tmp_path / "2", data))) == []
    assert told(verify(folder, source=source)) == []
    other = data[:-2] + b"0\n" if data[-2:] == b"1\n" else data[:-2] + b"1\n"
    value, digest = verify(folder, source=pipe(tmp_path / "3", other)).findings
    assert "is not what the dataset was made of" in value.what + digest.what


def test_rejected_rows_are_accounted_for(tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text('a,b\n1,x\n2\n3,"y\n\n4,z\nfive,"1\n2"\n6,w"\n7,"q"r\n8,v\n9,u\n10,t\n')
    options = {"on_bad_row": "skip", "type": {"a": "int8"}}
    convert(source, to="npy", output=tmp_path / "out", **options)
    assert told(verify(tmp_path / "out", source=source)) == []
    rejects = rejects_path(tmp_path / "out")
    whole = rejects.read_text()
    rejects.write_text(whole.replace("five", "fixe"))
    found = told(verify(tmp_path / "out", source=source))
    assert any("_rejects: it lacks the rejected record of" in one for one in found)
    assert any("_rejects: checksum (XXH3)" in one for one in found)
    rejects.write_text(whole)
    with edited_manifest(tmp_path / "out") as manifest:
        manifest["rejected_rows"] += 1
    found = told(verify(tmp_path / "out", source=source))
    assert any("the number of rejected rows is" in one for one in found)


def test_a_reject_of_a_table(tmp_path: Path) -> None:
    import pyarrow as pa

    pq.write_table(pa.table({"a": ["1", "x", "3", "y", "5"]}), tmp_path / "a.parquet")
    options = {"on_bad_row": "skip", "type": {"a": "int8"}, "shards": 2}
    convert(tmp_path / "a.parquet", to="hdf5", output=tmp_path / "out", **options)
    report = verify(tmp_path / "out", source=tmp_path / "a.parquet")
    assert (told(report), report.compared_rows) == ([], 3)


def test_what_cannot_be_the_source(source: Path, tmp_path: Path, text: str) -> None:
    folder = converted(source, tmp_path / "out", ("parquet", "rows"))
    other = tmp_path / "other.csv"
    other.write_text("a,b\n1,2\n")
    with pytest.raises(UsageError, match='has no column "id"'):
        verify(folder, source=other)
    again = tmp_path / "again.csv"
    again.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="was made of 1 file, not of 2"):
        verify(folder, source=[source, again])
    with pytest.raises(UsageError, match="does not exist"):
        verify(folder, source=tmp_path / "none.csv")
    other.write_text(text + line(1), encoding="utf-8")
    report = verify(folder, source=other)
    assert report.compared_rows is None
    assert [finding.file for finding in report.findings] == [str(other)]
    assert "is not what the dataset was made of, and was not compared: its size" in told(report)[0]


def test_a_damaged_shard_does_not_end_the_comparison(source: Path, tmp_path: Path) -> None:
    folder = converted(source, tmp_path / "out", ("parquet", "rows"))
    first = min(folder.glob("[!_]*.parquet"))
    whole = shutil.copy(first, tmp_path / "whole.parquet")
    data = first.read_bytes()
    for damage in (data[:-10], data[:500] + bytes([data[500] ^ 1]) + data[501:]):
        first.write_bytes(damage)
        report = verify(folder, source=source)
        assert {finding.file for finding in report.findings} == {first.name}
        assert report.compared_rows == N_ROWS - pq.read_metadata(whole).num_rows


def test_a_dialect_that_says_nothing(source: Path, tmp_path: Path) -> None:
    folder = converted(source, tmp_path / "out", ("parquet", "rows"))
    with edited_manifest(folder) as manifest:
        manifest["dialect"]["trim"] = "yes"
    with pytest.raises(BigdataError, match=r"how its source was read: dialect\.trim"):
        verify(folder, source=source)
