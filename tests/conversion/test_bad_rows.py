"""--on-bad-row skip: what cannot be kept is set aside, and nothing else is lost or moved."""

from __future__ import annotations

import csv
import gzip
import io
import random

import pyarrow.parquet as pq
import pytest

from bigdata_cli import open_dataset, verify
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.run import run
from bigdata_cli.errors import DataError, UsageError
from tests.manifest_files import rejected_csv

BAD = {
    "short": b"1\n",
    "long": b'1,"a,b",3,4\n',
    "after quote": b'1,"x"y,2\n',
    "not UTF-8": b"1,\xff\xfe,2\n",
    "not a number": b"one,x,2\n",
}


def write(path, n_rows: int, seed: int) -> tuple[list[dict], list[tuple[int, int, bytes]]]:
    """A file of good rows with bad ones among them: the rows, and (line, byte, raw) of the bad."""
    shuffled = random.Random(seed)
    good, bad = [], []
    data, line = b"a,b,c\r\n", 2
    for i in range(n_rows):
        if shuffled.random() < 0.05:
            raw = shuffled.choice(list(BAD.values()))
            bad.append((line, len(data), raw.rstrip(b"\n")))
            data += raw
            line += 1
            continue
        text = shuffled.choice(["x", "multi\nline", 'quo"te', "é", ""])
        good.append({"a": i, "b": text or None, "c": i * 2})
        quoted = '"' + text.replace('"', '""') + '"' if text else ""
        data += f"{i},{quoted},{i * 2}\r\n".encode()
        line += 1 + text.count("\n")
        if shuffled.random() < 0.02:
            data += b"\r\n"
            line += 1
    path.write_bytes(data)
    return good, bad


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("shards", "jobs", "unit_bytes"), [(1, 1, 1 << 22), (5, 2, 700)])
def test_rows_in_are_rows_out_and_rejected_rows(tmp_path, seed, shards, jobs, unit_bytes):
    source = tmp_path / "data.csv"
    good, bad = write(source, 1500, seed)
    out = tmp_path / "out"
    options = ConvertOptions(
        to="parquet", output=out, shards=shards, jobs=jobs, on_bad_row="skip", types={"a": "int64"}
    )
    report = run([source], options, unit_bytes=unit_bytes, sample_bytes=4_000)
    dataset = open_dataset(out)
    assert [row for batch in dataset.read() for row in batch.to_pylist()] == good
    assert report.rejected_rows == dataset.manifest.rejected_rows == len(bad)
    text = rejected_csv(out).decode("utf-8", "surrogateescape")
    rejects = list(csv.DictReader(io.StringIO(text, newline="")))
    found = [
        (int(row["line"]), int(row["byte"]), row["raw"].encode("utf-8", "surrogateescape"))
        for row in rejects
    ]
    assert found == bad
    assert {row["source"] for row in rejects} == {str(source)}
    # A bad record leaves no trace in the types.
    assert [column.dtype for column in dataset.schema] == ["int64", "category", "int16"]
    assert verify(out).passed
    assert not list(out.glob("*.partial"))


def test_no_rejects_no_file(tmp_path):
    source = tmp_path / "data.csv"
    source.write_text("a,b\n1,2\n")
    run([source], ConvertOptions(to="npy", output=tmp_path / "out", on_bad_row="skip"))
    assert not list((tmp_path / "out").glob("*rejects*"))


@pytest.mark.parametrize("most", [0, 2, 3])
def test_too_many_bad_rows_stop_the_run(tmp_path, most):
    source = tmp_path / "data.csv"
    source.write_text("a,b\n" + "1,2\n" * 3 + "1\n" * 3)
    out = tmp_path / "out"
    options = ConvertOptions(to="npy", output=out, on_bad_row="skip", max_bad_rows=most)
    if most < 3:
        with pytest.raises(DataError, match="3 records cannot be kept"):
            run([source], options)
        assert not out.exists()
    else:
        assert run([source], options).rejected_rows == 3


def test_max_bad_rows_goes_with_skip(tmp_path):
    source = tmp_path / "data.csv"
    source.write_text("a,b\n1,2\n")
    with pytest.raises(UsageError, match="--on-bad-row skip"):
        run([source], ConvertOptions(to="npy", output=tmp_path / "out", max_bad_rows=3))


@pytest.mark.parametrize("on_bad_row", ["error", "skip"])
def test_a_quote_that_is_never_closed_does_not_grow_without_bound(tmp_path, on_bad_row):
    source = tmp_path / "data.csv"
    source.write_bytes(b"a,b\n1,2\n" * 5 + b'3,"x\n' + b"4,5\n" * 400_000)
    options = ConvertOptions(
        to="parquet", output=tmp_path / "out", on_bad_row=on_bad_row, max_line_bytes=200_000
    )
    with pytest.raises(
        DataError, match=r"line 11 .*(longer than 200,000 bytes|no closing one)"
    ) as caught:
        run([source], options)
    assert "--quote none" in str(caught.value)


STRAY = {
    "closed_later": ('3,"c,6', ["4,d,8", '5,"e, f",10', "6,g,12"]),
    "opened_last": ('3,c,"', ["4,d,8", '5,"e, f",10']),
    "closed_at_no_place": ('3,"c,6', ["4,d,8", "5,e,10"]),
}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", ["ended", "open"])
@pytest.mark.parametrize("name", STRAY)
def test_a_stray_quote_costs_its_own_row(tmp_path, name, last, end):
    bad, after = STRAY[name]
    source, out = tmp_path / "data.csv", tmp_path / "out"
    text = end.join(["id,name,n", "1,a,2", "2,b,4", bad, *after])
    source.write_bytes((text + (end if last == "ended" else "")).encode())
    report = run([source], ConvertOptions(to="parquet", output=out, on_bad_row="skip"))
    assert report.rejected_rows == 1
    (row,) = csv.DictReader(io.StringIO(rejected_csv(out).decode(), newline=""))
    assert row["raw"] == bad
    assert row["line"] == "4"
    table = pq.read_table(sorted(out.glob("[!_]*.parquet")))
    assert table["n"].to_pylist() == [2, 4, *(8, 10, 12)[: len(after)]]


@pytest.mark.parametrize(
    "bad",
    [
        '3,"first\nsecond, third\n"fourth" fifth",6',  # a line after it is no row
        '3,"first\n4,d,8\n5,"e" f,10',  # the last line has a quote that is none
        '3,"first\n\n"x',  # there are no rows in it
    ],
)
def test_a_text_of_several_lines_is_one_bad_row(tmp_path, bad):
    source, out = tmp_path / "data.csv", tmp_path / "out"
    source.write_text(f"id,name,n\n1,a,2\n2,b,4\n{bad}\n6,f,12\n7,g,14\n")
    report = run([source], ConvertOptions(to="parquet", output=out, on_bad_row="skip"))
    (row,) = csv.DictReader(io.StringIO(rejected_csv(out).decode(), newline=""))
    assert row["raw"] == bad
    assert (report.rows, report.rejected_rows) == (4, 1)


def test_stray_quotes_give_the_same_rows_whatever_the_blocks(tmp_path):
    lines = [f'{i},"text, {i}",{2 * i}' for i in range(3000)]
    for i in range(5, 3000, 97):
        lines[i] = f'{i},"text {i},{2 * i}'
    source = tmp_path / "data.csv"
    source.write_text("id,name,n\n" + "\n".join(lines) + "\n")
    found = []
    for n_shards in (1, 7):
        out = tmp_path / str(n_shards)
        options = ConvertOptions(to="parquet", output=out, on_bad_row="skip", shards=n_shards)
        report = run([source], options)
        assert report.rejected_rows == len(range(5, 3000, 97))
        tables = [pq.read_table(path) for path in sorted(out.glob("[!_]*.parquet"))]
        found.append(([row for t in tables for row in t["id"].to_pylist()], rejected_csv(out)))
    packed = tmp_path / "data.csv.gz"
    packed.write_bytes(gzip.compress(source.read_bytes()))
    out = tmp_path / "packed"
    run([packed], ConvertOptions(to="parquet", output=out, on_bad_row="skip"))
    tables = [pq.read_table(path) for path in sorted(out.glob("[!_]*.parquet"))]
    assert [row for t in tables for row in t["id"].to_pylist()] == found[0][0]
    assert found[0][0] == found[1][0]
    assert found[0][1] == found[1][1]
