"""Streams: what can only be read from its start gives the same dataset as a plain file."""

from __future__ import annotations

import bz2
import contextlib
import csv
import gzip
import hashlib
import io
import json
import lzma
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli import open_dataset, verify
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.partition import BySize, Dealt, Evenly
from bigdata_cli.conversion.progress import Progress
from bigdata_cli.conversion.run import dry_run, run
from bigdata_cli.errors import DataError, UsageError
from bigdata_cli.formats.registry import FORMATS, get_traits
from bigdata_cli.sources.csv.options import SourceOptions
from tests.examples import examples
from tests.manifest_files import read_document, rejected_csv

try:
    from compression import zstd
except ImportError:
    from backports import zstd

ROOT = Path(__file__).resolve().parent.parent.parent


def make_zip(text: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("data.csv", text)
    return packed.getvalue()


PACKED = {
    "data.csv.gz": gzip.compress,
    "data.csv.bz2": bz2.compress,
    "data.csv.xz": lzma.compress,
    "data.csv.zst": zstd.compress,
    "data.zip": make_zip,
    "data.csv": lambda text: b"\xff\xfe" + text.decode().encode("utf-16-le"),
}


def table(n_rows: int, seed: int = 1) -> bytes:
    """A CSV with quoted line ends, empty fields and every kind of line end."""
    shuffled = random.Random(seed)
    lines = [b"id,text,x\n"]
    for i in range(n_rows):
        text = shuffled.choice(["x", '"a\nb"', '"say ""hi"", she said"', "", "é", '"\r\n,"'])
        end = shuffled.choice(["\n", "\n", "\n", "\r\n", "\r", "\n\n"])
        lines.append(f"{i},{text},{i / 8}{end}".encode())
    return b"".join(lines)


def rows_of(folder: Path) -> list[dict]:
    return [row for batch in open_dataset(folder).read() for row in batch.to_pylist()]


def tuples_of(folder: Path) -> list[tuple]:
    """The rows, as what is compared and sorted in a third of the time."""
    batches = open_dataset(folder).read()
    return [
        row
        for batch in batches
        for row in zip(*(c.to_pylist() for c in batch.columns), strict=True)
    ]


def digests(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if not path.name.startswith("_")
    }


@contextmanager
def piped(path: Path, data: bytes) -> Iterator[Path]:
    """A named pipe into which the data are written."""

    def write() -> None:
        with contextlib.suppress(BrokenPipeError):  # nobody reads on where a conversion failed
            path.write_bytes(data)

    os.mkfifo(path)
    writer = threading.Thread(target=write)
    writer.start()
    yield path
    writer.join()
    path.unlink()


# The same dataset.


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("shards", [1, 4])
def test_the_same_bytes_as_of_the_plain_file(tmp_path, name, shards):
    text = table(3000)
    plain, packed = tmp_path / "plain" / "data.csv", tmp_path / name
    plain.parent.mkdir()
    plain.write_bytes(text)
    packed.write_bytes(PACKED[name](text))
    for source, out in ((plain, "one"), (packed, "two")):
        run([source], ConvertOptions(to="parquet", output=tmp_path / out, shards=shards))
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    one, two = (open_dataset(tmp_path / out).manifest for out in ("one", "two"))
    assert one.statistics == two.statistics
    assert two.order == "source"
    assert verify(tmp_path / "two").passed
    (entry,) = two.sources
    assert entry.bytes == packed.stat().st_size
    if packed.suffix != ".csv":
        ranges = [shard.source_ranges for shard in one.shards]
        assert [shard.source_ranges for shard in two.shards] == ranges


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_from_a_stream_whose_length_is_not_known(tmp_path, form):
    text = table(6000)
    plain, packed = tmp_path / "data.csv", tmp_path / "data.csv.gz"
    plain.write_bytes(text)
    packed.write_bytes(gzip.compress(text))
    run([plain], ConvertOptions(to=form, output=tmp_path / "plain"))
    size = 3000 if form == "parquet" else 20_000
    found = []
    for out, unit_bytes, jobs in (("a", 1 << 20, 1), ("b", 4000, 2)):
        options = ConvertOptions(to=form, output=tmp_path / out, shard_bytes=size, jobs=jobs)
        report = run([packed], options, unit_bytes=unit_bytes, sample_bytes=10_000)
        assert 2 <= report.n_shards <= 60
        manifest = open_dataset(tmp_path / out).manifest
        names = [name for shard in manifest.shards for name in shard.file_names]
        assert all(f"-of-{report.n_shards:05d}" in name for name in names)
        assert verify(tmp_path / out).passed
        assert rows_of(tmp_path / out) == rows_of(tmp_path / "plain")
        found.append(digests(tmp_path / out))
        assert not list((tmp_path / out).glob("*.partial"))
    if get_traits(form).same_bytes:
        assert found[0] == found[1]


fields = st.text(st.sampled_from('ab,"\n\r é'), max_size=6)


@given(
    rows=st.lists(st.tuples(fields, fields), min_size=1, max_size=60),
    newline=st.sampled_from(["\n", "\r\n", "\r"]),
    unit_bytes=st.integers(1, 200),
    sample_bytes=st.integers(1, 300),
    shards=st.sampled_from([None, 1, 3]),
    shard_bytes=st.integers(700, 3000),
    pack=st.sampled_from(sorted(PACKED)),
)
@examples(50)
def test_any_cut_gives_the_same_rows(
    tmp_path_factory, rows, newline, unit_bytes, sample_bytes, shards, shard_bytes, pack
):
    folder = tmp_path_factory.mktemp("cut")
    written = io.StringIO(newline="")
    writer = csv.writer(written, lineterminator=newline, quoting=csv.QUOTE_ALL)
    writer.writerow(["a", "b", "n"])
    writer.writerows([a, b, i] for i, (a, b) in enumerate(rows))
    source = folder / pack
    source.write_bytes(PACKED[pack](written.getvalue().encode()))
    options = ConvertOptions(
        to="parquet",
        output=folder / "out",
        shards=shards,
        shard_bytes=None if shards else shard_bytes,
        types={"a": "text", "b": "text"},
        jobs=1,
        source=SourceOptions(delimiter=",", header=True, quote='"', escape="none", trim=False),
    )
    run([source], options, unit_bytes=unit_bytes, sample_bytes=sample_bytes)
    manifest = open_dataset(folder / "out").manifest
    found = rows_of(folder / "out")
    if manifest.order != "source":
        found.sort(key=lambda row: row["n"])
    assert found == [{"a": a, "b": b, "n": i} for i, (a, b) in enumerate(rows)]
    assert shards is None or len(manifest.shards) == shards


# Shards of a stream whose length is not known.


@pytest.mark.parametrize("n_shards", [2, 7])
def test_shards_of_an_unknown_length_are_dealt_in_turns(tmp_path, n_shards):
    source = tmp_path / "data.csv.gz"
    numbers = b"\n".join(b"%d" % i for i in range(2_600_000))
    source.write_bytes(gzip.compress(b"n\n" + numbers + b"\n", 1))
    found = []
    for out, unit_bytes in (("a", 100_000), ("b", None)):
        options = ConvertOptions(to="npy", output=tmp_path / out, shards=n_shards)
        report = run([source], options, unit_bytes=unit_bytes)
        found.append(digests(tmp_path / out))
    assert found[0] == found[1]
    assert report.manifest.order == "within shards"
    assert read_document(tmp_path / "a")["order"] == "within shards"
    sizes = [shard.rows for shard in report.manifest.shards]
    assert max(sizes) < 1.6 * min(sizes)
    values = [values_of_shard(tmp_path / "a", i, "n") for i in range(n_shards)]
    assert all((np.diff(part) > 0).all() for part in values)
    assert np.array_equal(np.sort(np.concatenate(values)), np.arange(2_600_000))
    assert verify(tmp_path / "a").passed


def values_of_shard(folder: Path, index: int, name: str) -> np.ndarray:
    """The values of a column in one shard."""
    dataset = open_dataset(folder)
    files = dataset.manifest.shards[index].file_names
    batches = dataset.format.read(dataset.store, files, dataset.schema, dataset.storage)
    return np.concatenate([batch.column(name).to_numpy() for batch in batches])


def test_too_many_shards_of_an_unknown_length_are_refused(tmp_path):
    source = tmp_path / "data.csv.gz"
    source.write_bytes(gzip.compress(b"n\n" + b"1\n" * 1000))
    options = ConvertOptions(to="npy", output=tmp_path / "out", shards=513)
    with pytest.raises(UsageError, match="512 are possible") as caught:
        run([source], options, sample_bytes=100)
    assert "--shard-size" in str(caught.value)
    assert run([source], options).n_shards == 513  # the sample is all of it


@given(st.integers(1, 600), st.integers(1, 1 << 33))
def test_ranges_follow_each_other(n_shards, position):
    for layout in (Evenly(1 << 33, n_shards), BySize(1 << 20), Dealt(n_shards)):
        if isinstance(layout, Dealt):
            position %= 1 << 26
        locate = layout.locator()
        shard, stop = locate(position)
        assert 0 <= shard < (n_shards if not isinstance(layout, BySize) else 1)
        assert stop is None or stop > position
        if stop is not None:
            assert locate(stop)[0] != shard or n_shards == 1


def test_a_header_alone_is_a_dataset_without_rows(tmp_path):
    source = tmp_path / "data.csv.gz"
    source.write_bytes(gzip.compress(b"a,b\n"))
    for shards in (None, 2):
        options = ConvertOptions(to="parquet", output=tmp_path / f"out{shards}", shards=shards,
                                 source=SourceOptions(header=True))  # fmt: skip
        report = run([source], options)
        assert (report.rows, report.n_shards) == (0, shards or 1)


# Surprises.


def surprising(n_rows: int = 40_000) -> bytes:
    rows = [b"%d,1,x%d\n" % (i % 100, i % 3) for i in range(n_rows)]
    rows[n_rows // 2] = b"1.5,1,new\n"
    rows[-2] = b"7,70000,x1\n"
    return b"a,b,c\n" + b"".join(rows)


@pytest.mark.parametrize("form", ["parquet", "npy", "hdf5"])
@pytest.mark.parametrize("origin", ["gz", "pipe", "packed pipe"])
@pytest.mark.parametrize("shards", [None, 3])
def test_a_late_surprise_makes_shards_be_done_again(tmp_path, form, origin, shards):
    text = surprising()
    plain = tmp_path / "plain.csv"
    plain.write_bytes(text)
    run([plain], ConvertOptions(to=form, output=tmp_path / "plain", label="b"))
    options = ConvertOptions(
        to=form, output=tmp_path / "out", label="b",
        shards=shards, shard_bytes=None if shards else 30_000,
    )  # fmt: skip
    if origin == "gz":
        source = tmp_path / "data.csv.gz"
        source.write_bytes(gzip.compress(text))
        report = run([source], options, sample_bytes=5000, unit_bytes=10_000)
    else:
        data = gzip.compress(text) if "packed" in origin else text
        with piped(tmp_path / "data.csv", data) as source:
            report = run([source], options, sample_bytes=5000, unit_bytes=10_000)
        (entry,) = report.manifest.sources
        assert (entry.bytes, entry.mtime_ns) == (len(text), 0)
        assert entry.digest == hashlib.sha256(text).hexdigest()
    assert report.redone_shards
    dataset = open_dataset(tmp_path / "out")
    assert [c.dtype for c in dataset.schema] == ["float32", "int32", "category"]
    found, expected = tuples_of(tmp_path / "out"), tuples_of(tmp_path / "plain")
    if report.manifest.order != "source":
        found, expected = sorted(found), sorted(expected)
    assert found == expected
    assert verify(tmp_path / "out").passed
    assert not list((tmp_path / "out").glob("*.partial"))


def test_ids_that_grow_are_foreseen(tmp_path):
    lines = [b"id,up,x\n", *(b"%d,%d,%d\n" % (i, 5000 - i, i % 90) for i in range(200_000))]
    source = tmp_path / "data.csv.gz"
    source.write_bytes(gzip.compress(b"".join(lines), 1))
    options = ConvertOptions(to="npy", output=tmp_path / "out", drop=("up",))
    report = run([source], options, sample_bytes=300_000)
    assert [c.dtype for c in report.manifest.schema] == ["int32", "int8"]
    assert report.redone_shards == 0
    options = ConvertOptions(to="npy", output=tmp_path / "again")
    again = run([source], options, sample_bytes=300_000, unit_bytes=300_000)
    assert again.redone_shards == 1  # what falls is not


@pytest.mark.parametrize("form", FORMATS)
def test_without_a_spool_numbers_may_widen(tmp_path, form):
    text = surprising()
    plain = tmp_path / "plain" / "data.csv"
    plain.parent.mkdir()
    plain.write_bytes(text)
    run([plain], ConvertOptions(to=form, output=tmp_path / "plain-out", shards=1))
    options = ConvertOptions(to=form, output=tmp_path / "out", shard_bytes=20_000, spool=False)
    with piped(tmp_path / "data.csv", text) as source:
        run([source], options, sample_bytes=5000, unit_bytes=20_000)
    assert rows_of(tmp_path / "out") == rows_of(tmp_path / "plain-out")
    assert verify(tmp_path / "out").passed


@pytest.mark.parametrize("form", ["parquet", "hdf5"])
def test_without_a_spool_a_lost_text_ends_the_run_when_it_is_seen(tmp_path, form):
    noise = random.Random(1)
    rows = [
        b"%d,%.3f,2021-03-01T10:00:%02d\n" % (i, noise.random() * 1e4, i % 60)
        for i in range(40_000)
    ]
    rows[20_000] = b"20000,7,later\n"
    rows[30_000] = b"30000,x,\n"
    text = b"i,a,t\n" + b"".join(rows)
    out = tmp_path / "out"
    options = ConvertOptions(to=form, output=out, shard_bytes=20_000, spool=False)
    with piped(tmp_path / "data.csv", text) as source, pytest.raises(DataError) as caught:
        run([source], options, sample_bytes=5000, unit_bytes=20_000)
    assert "line 20,002 " in caught.value.message
    assert "column \"t\" was timestamp[us], and 'later' makes it text" in caught.value.message
    assert "20000,7,later" in caught.value.message
    assert caught.value.hint == "--type 't=text', or leave out --no-spool"
    # What is finished stays, and is whole; it is no dataset.
    [note] = caught.value.__notes__
    assert "shards are finished and stay in" in note
    kept = sorted(path for path in out.iterdir() if path.name != "_lock")
    assert kept
    assert all(path.suffix == ".partial" for path in kept)
    if form == "parquet":
        assert sum(pq.read_metadata(path).num_rows for path in kept) > 5_000
    # The next conversion into the folder takes their place.
    options = replace(options, types={"t": "text", "a": "text"})
    with piped(tmp_path / "data.csv", text) as source:
        assert run([source], options, sample_bytes=5000).rows == 40_000
    assert not list(out.glob("*.partial"))


# Several files.


def test_files_pipes_and_archives_are_one_source(tmp_path):
    parts = [table(500, seed=seed) for seed in range(4)]
    plain = []
    for i, part in enumerate(parts):
        plain.append(tmp_path / f"{i}.csv")
        plain[-1].write_bytes(part)
    run(plain, ConvertOptions(to="parquet", output=tmp_path / "plain", shards=3))
    (tmp_path / "1.csv.gz").write_bytes(gzip.compress(parts[1]))
    (tmp_path / "2.zip").write_bytes(make_zip(parts[2]))
    with piped(tmp_path / "3", parts[3]) as pipe:
        sources = [plain[0], tmp_path / "1.csv.gz", f"{tmp_path}/2.zip::data.csv", pipe]
        report = run(sources, ConvertOptions(to="parquet", output=tmp_path / "out", shards=3))
    assert [entry.name for entry in report.manifest.sources] == [str(s) for s in sources]
    assert rows_of(tmp_path / "out") == rows_of(tmp_path / "plain")
    one, two = (open_dataset(tmp_path / out).manifest for out in ("plain", "out"))
    assert [s.source_ranges for s in one.shards] == [s.source_ranges for s in two.shards]


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_a_bad_record_of_each_of_three_files_is_located(tmp_path, bad):
    sources = []
    for i in range(3):
        text = b"a,b\n" + b'1,"x\r\ny"\n' * 5000
        if i == bad:
            text += b"\n1,2,3\n" + b"1,2\n" * 5000
        sources.append(tmp_path / f"{i}.csv.gz")
        sources[-1].write_bytes(gzip.compress(text))
    options = ConvertOptions(to="parquet", output=tmp_path / "out")
    with pytest.raises(DataError) as caught:
        run(sources, options, sample_bytes=1000, unit_bytes=3000)
    place = f"{bad}.csv.gz line 10,003 (byte {4 + 5000 * 9 + 1:,}): the record has more than the 2"
    assert place in caught.value.message
    assert caught.value.message.endswith(": '1,2,3'")
    assert not (tmp_path / "out").exists()


# Errors.


def test_an_error_in_the_data_leaves_nothing(tmp_path):
    text = table(60_000)
    packed = gzip.compress(text)
    source = tmp_path / "data.csv.gz"
    options = ConvertOptions(to="npy", output=tmp_path / "out", shard_bytes=100_000)
    before = threading.active_count()
    source.write_bytes(packed[: len(packed) * 2 // 3])
    with pytest.raises(DataError, match=r"data end in the middle, after [0-9,]{7,} bytes"):
        run([source], options, sample_bytes=10_000, unit_bytes=50_000)
    source.write_bytes(packed + b"more")
    with pytest.raises(DataError, match=f"followed by something else, after {len(text):,} bytes"):
        run([source], options, sample_bytes=10_000, unit_bytes=50_000)
    assert not (tmp_path / "out").exists()
    assert threading.active_count() == before


def test_a_bad_record_before_the_end_of_the_data_comes_first(tmp_path):
    text = b"a,b\n" + b"1,2\n" * 900_000 + b"1\n" + b"1,2\n" * 1000
    source = tmp_path / "data.csv.gz"
    source.write_bytes(gzip.compress(text)[:-4])
    with pytest.raises(DataError, match="line 900,002"):
        run([source], ConvertOptions(to="npy", output=tmp_path / "out"), sample_bytes=1000)


def test_a_byte_that_does_not_decode_is_an_error_or_a_rejected_row(tmp_path):
    good = b"id;name\r\n" + "".join(f"{i};Zoë\r\n" for i in range(5000)).encode("cp1252")
    source = tmp_path / "data.csv"
    source.write_bytes(good + b"5000;a\x81b\r\n" + b"5001;\x80\r\n")
    told = SourceOptions(encoding="cp1252")
    out = tmp_path / "out"
    with pytest.raises(DataError) as caught:
        run([source], ConvertOptions(to="parquet", output=out, source=told))
    assert f"line 5,002 (byte {len(good) + 6:,}): 0x81 is not cp1252" in caught.value.message
    options = ConvertOptions(to="parquet", output=out, source=told, on_bad_row="skip")
    for sample_bytes in (1000, 1 << 20):
        report = run([source], options, sample_bytes=sample_bytes)
        assert (report.rows, report.rejected_rows) == (5001, 1)
        assert rows_of(out)[-1] == {"id": 5001, "name": "€"}
        text = rejected_csv(out).decode("utf-8", "replace")
        (reject,) = csv.DictReader(io.StringIO(text, newline=""))
        assert reject["line"] == "5002"
        options = ConvertOptions(**{**vars(options), "force": True})


def test_what_is_not_utf8_names_likely_encodings(tmp_path):
    text = "id;name\n" + "".join(f"{i};Größe Übermaß fünf Straße\n" for i in range(300))
    for name, pack in (("data.csv", bytes), ("data.csv.gz", gzip.compress)):
        source = tmp_path / name
        source.write_bytes(pack(text.encode("cp1252")))
        with pytest.raises(DataError, match=r"line 2 .*not UTF-8") as caught:
            run([source], ConvertOptions(to="npy", output=tmp_path / "out"))
        assert caught.value.hint is not None
        assert caught.value.hint.startswith("--encoding ")
        encoding = caught.value.hint.split()[1]
        options = ConvertOptions(to="npy", output=tmp_path / f"{name}-out",
                                 source=SourceOptions(encoding=encoding))  # fmt: skip
        report = run([source], options)
        assert rows_of(tmp_path / f"{name}-out")[0]["name"] == "Größe Übermaß fünf Straße"
        assert report.manifest.dialect["encoding"] == encoding


@pytest.mark.parametrize("shards", [None, 3])
def test_rejects_of_a_stream_have_their_lines(tmp_path, shards):
    lines, expected = [b"a,b\n"], []
    offset = 4
    for i in range(20_000):
        line = b'%d,"x\r\n\ny"\r\n' % i if i % 3 else b"%d,y\r" % i
        if i % 997 == 0:
            line = b"%d\n" % i
            n_ends = b"".join(lines).replace(b"\r\n", b"\n").replace(b"\r", b"\n").count(b"\n")
            expected.append((n_ends + 1, offset, b"%d" % i))
        lines.append(line)
        offset += len(line)
    source = tmp_path / "data.csv.gz"
    source.write_bytes(gzip.compress(b"".join(lines)))
    options = ConvertOptions(to="npy", output=tmp_path / "out", on_bad_row="skip", shards=shards)
    report = run([source], options, unit_bytes=5000, sample_bytes=2000)
    assert report.rejected_rows == len(expected)
    text = rejected_csv(tmp_path / "out").decode()
    found = [
        (int(row["line"]), int(row["byte"]), row["raw"].encode())
        for row in csv.DictReader(io.StringIO(text, newline=""))
    ]
    assert found == expected


def test_a_quote_that_is_never_closed_is_an_error_in_bounded_memory(tmp_path):
    source = tmp_path / "data.csv.gz"
    text = b"a,b\n" + b"1,2\n" * 1000 + b'1,"' + b"x,y\n" * 2_000_000
    source.write_bytes(gzip.compress(text, 1))
    options = ConvertOptions(
        to="npy", output=tmp_path / "out", max_line_bytes=1_000_000,
        source=SourceOptions(delimiter=",", header=True, quote='"'),
    )  # fmt: skip
    with pytest.raises(DataError, match=r"line 1,002 \(byte 4,004\): a record is longer than 1,0"):
        run([source], options, sample_bytes=1000)


# The command line.


def bigdata(*arguments: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "bigdata_cli", *arguments],
        capture_output=True, encoding="utf-8", check=False, cwd=options.pop("cwd"), **options,
    )  # fmt: skip


def test_zcat_into_stdin(tmp_path):
    text = table(20_000)
    (tmp_path / "x.gz").write_bytes(gzip.compress(text))
    (tmp_path / "x.csv").write_bytes(text)
    with subprocess.Popen(["zcat", "x.gz"], stdout=subprocess.PIPE, cwd=tmp_path) as zcat:
        done = bigdata("convert", "-", "--to", "parquet", stdin=zcat.stdout, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run([tmp_path / "x.csv"], ConvertOptions(to="parquet", output=tmp_path / "plain"))
    (file,) = (tmp_path / "stdin-parquet").glob("[!_]*.parquet")
    assert file.name == "stdin-00000-of-00001.parquet"
    (plain,) = (tmp_path / "plain").glob("[!_]*.parquet")
    assert pq.read_table(file).equals(pq.read_table(plain))
    source = read_document(file.parent)["sources"][0]
    assert source == {"name": "-", "bytes": len(text), "mtime_ns": 0,
                      "digest": hashlib.sha256(text).hexdigest()}  # fmt: skip


def test_stdin_that_is_a_file_or_nothing(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"a;b\n1,5;x\n")
    with (tmp_path / "x.csv").open("rb") as file:
        done = bigdata("convert", "-", "--to", "npy", "--decimal", ",", stdin=file, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert rows_of(tmp_path / "stdin-npy") == [{"a": 1.5, "b": "x"}]
    done = bigdata("convert", "-", "--to", "npy", "-o", "out", stdin=subprocess.DEVNULL,
                   cwd=tmp_path)  # fmt: skip
    assert done.returncode == 3
    assert "Error: - is empty" in done.stderr


def test_inspect_of_a_stream_and_a_dry_run(tmp_path):
    text = b"a,b\n" + b"".join(b"%d,x\n" % i for i in range(1_200_000))
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(text, 1))
    done = bigdata("inspect", "x.csv.gz", "--json", cwd=tmp_path)
    report = json.loads(done.stdout)
    assert report["exact"] is False
    assert report["rows"] == pytest.approx(1_200_000, rel=0.2)
    done = bigdata("inspect", "-", cwd=tmp_path, input=text.decode())
    assert re.search(r"source +- \(size not known\)\n", done.stdout)
    assert re.search(r"rows +at least 9\d\d,", done.stdout)
    done = bigdata("convert", "x.csv.gz", "--to", "npy", "--dry-run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "about 1" in done.stdout
    done = bigdata("convert", "-", "--to", "npy", "--dry-run", cwd=tmp_path, input=text.decode())
    assert re.search(r"source +- \(size not known\)\n", done.stdout)
    assert re.search(r"rows +at least 9\d\d,", done.stdout)
    assert not (tmp_path / "stdin-npy").exists()


def test_an_interrupt_while_stdin_is_waited_for(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "bigdata_cli", "convert", "-", "--to", "npy", "-o", "out"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path,
    )  # fmt: skip
    assert process.stdin is not None
    process.stdin.write(b"a,b\n" + b"1,2\n" * 3_000_000)
    process.stdin.flush()
    until = time.monotonic() + 30
    while not (tmp_path / "out").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert (tmp_path / "out").exists()
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    started = time.monotonic()
    process.stdout.read()  # type: ignore[union-attr]
    error = process.stderr.read().decode()  # type: ignore[union-attr]
    assert process.wait() == 130, error
    assert time.monotonic() - started < 5
    assert "Traceback" not in error
    assert not (tmp_path / "out").exists()
    process.stdin.close()


def test_progress_of_streams(tmp_path):
    text = table(20_000)
    source = tmp_path / "data.csv.gz"
    source.write_bytes(gzip.compress(text))
    seen: list[Progress] = []
    options = ConvertOptions(to="npy", output=tmp_path / "gz")
    run([source], options, unit_bytes=20_000, sample_bytes=5000, progress=seen.append)
    assert seen[-1].bytes_done == seen[-1].bytes_total == source.stat().st_size
    assert seen[-1].rows == 20_000
    seen.clear()
    with piped(tmp_path / "pipe", text) as pipe:
        options = ConvertOptions(to="npy", output=tmp_path / "pipe-out")
        run([pipe], options, unit_bytes=20_000, sample_bytes=5000, progress=seen.append)
    assert {one.bytes_total for one in seen} == {0}
    assert seen[-1].bytes_done == len(text)


def test_the_plan_of_a_stream(tmp_path):
    source = tmp_path / "data.csv.gz"
    source.write_bytes(gzip.compress(table(1000)))
    planned = dry_run([source], ConvertOptions(to="npy", output=tmp_path / "out", shards=3))
    assert (planned.shards.count, planned.counts_shards) == (3, True)
    assert planned.sample.size_known
    assert planned.sample.estimated_rows == 1000
    assert planned.source.bytes == source.stat().st_size
