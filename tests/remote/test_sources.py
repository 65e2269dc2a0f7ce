"""Sources at addresses give the datasets that the same files give here."""

from __future__ import annotations

import gzip
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bigdata_cli import convert, inspect, open_dataset, verify
from bigdata_cli.errors import DataError, MissingDependencyError, SourceLostError, UsageError
from bigdata_cli.io.remote import filesystems
from tests.manifest_files import read_document, rejected_csv
from tests.remote.servers import Faults, WebServer

N_ROWS = 60_000
HEADER = "id,name,value\n"


def rows(n_rows: int = N_ROWS) -> str:
    return "".join(f'{i},"name, {i % 97}",{i / 8}\n' for i in range(n_rows))


def contents(folder: Path) -> dict[str, bytes]:
    """The shards of a dataset."""
    return {path.name: path.read_bytes() for path in folder.glob("[!_]*.parquet")}


@pytest.fixture
def text() -> str:
    return HEADER + rows()


def expected(tmp_path: Path, name: str, data: bytes, **options) -> dict[str, bytes]:
    """The shards of a file of this machine."""
    path = tmp_path / "here" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    convert(path, to="parquet", output=tmp_path / "expected", force=True, **options)
    return contents(tmp_path / "expected")


def test_a_csv_of_a_web_server(web: WebServer, tmp_path: Path, text: str) -> None:
    web.folder.joinpath("trips.csv").write_text(text)
    report = convert(f"{web.url}/trips.csv", to="parquet", output=tmp_path / "out", shards=3)
    assert contents(tmp_path / "out") == expected(tmp_path, "trips.csv", text.encode(), shards=3)
    (entry,) = report.manifest.sources
    assert (entry.name, entry.bytes) == (f"{web.url}/trips.csv", len(text))
    assert entry.mtime_ns // 10**9 == int(web.folder.joinpath("trips.csv").stat().st_mtime)
    assert verify(tmp_path / "out", source=f"{web.url}/trips.csv").findings == ()
    assert verify(tmp_path / "out", source=tmp_path / "here/trips.csv").findings == ()


def test_ranges_are_read_once_and_ahead(web: WebServer, tmp_path: Path) -> None:
    text = HEADER + rows(1_500_000)
    web.folder.joinpath("long.csv").write_text(text)
    convert(f"{web.url}/long.csv", to="parquet", output=tmp_path / "out")
    bytes_read = 0
    for _, _, asked in web.requests:
        first, _, last = (asked or "bytes=0-0").removeprefix("bytes=").partition("-")
        bytes_read += int(last) - int(first) + 1
    assert bytes_read < 1.8 * len(text)  # a sample of it, and all of it
    assert len(web.requests) < 100


@pytest.mark.parametrize("name", ["trips.csv.gz", "trips.csv", "trips.zip"])
def test_a_server_without_ranges_is_a_stream(
    web: WebServer, tmp_path: Path, text: str, name: str
) -> None:
    web.has_ranges = False
    data = text.encode()
    if name.endswith(".gz"):
        data = gzip.compress(data, mtime=0)
    if name.endswith(".zip"):
        with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
            archive.writestr("trips.csv", data)
        data = (tmp_path / "x.zip").read_bytes()
    web.folder.joinpath(name).write_bytes(data)
    if name.endswith(".zip"):
        with pytest.raises(DataError, match="zip archive"):
            convert(f"{web.url}/{name}", to="parquet", output=tmp_path / "out")
        return
    report = convert(f"{web.url}/{name}", to="parquet", output=tmp_path / "out")
    assert report.rows == N_ROWS
    table = pq.read_table(next((tmp_path / "out").glob("[!_]*.parquet")))
    assert table.column("value").to_pylist() == [i / 8 for i in range(N_ROWS)]
    assert report.output.name == "out"


@pytest.mark.parametrize("kind", ["gzip", "zip", "latin-1", "footer"])
def test_other_texts_of_a_server_with_ranges(web: WebServer, tmp_path: Path, kind: str) -> None:
    text = HEADER + rows(5_000)
    name, data = "trips.csv", text.encode()
    if kind == "gzip":
        name, data = "trips.csv.gz", gzip.compress(data, mtime=0)
    elif kind == "latin-1":
        data = text.replace("name, 3", "né, 3").encode("latin-1")
    elif kind == "footer":
        data = (text + "\nSource: us\n").encode()
    elif kind == "zip":
        name = "trips.zip"
        with zipfile.ZipFile(tmp_path / "trips.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("inner.csv", data)
        data = (tmp_path / "trips.zip").read_bytes()
    web.folder.joinpath(name).write_bytes(data)
    options = {"encoding": "latin-1"} if kind == "latin-1" else {}
    convert(f"{web.url}/{name}", to="parquet", output=tmp_path / "out", **options)
    assert contents(tmp_path / "out") == expected(tmp_path, name, data, **options)
    if kind == "zip":
        convert(f"{web.url}/{name}::inner.csv", to="parquet", output=tmp_path / "out", force=True)
        assert open_dataset(tmp_path / "out").rows == 5_000


def test_parquet_and_json_lines(web: WebServer, tmp_path: Path) -> None:
    table = pa.table({"id": np.arange(50_000), "t": [f"text {i % 9}" for i in range(50_000)]})
    pq.write_table(table, web.folder / "a.parquet", row_group_size=7_000)
    web.folder.joinpath("b.jsonl").write_text('{"a": 1}\n{"a": 2}\n')
    convert(f"{web.url}/a.parquet", to="arrow", output=tmp_path / "a")
    assert open_dataset(tmp_path / "a").rows == 50_000
    assert verify(tmp_path / "a", source=f"{web.url}/a.parquet").findings == ()
    convert(f"{web.url}/b.jsonl", to="arrow", output=tmp_path / "b")
    assert open_dataset(tmp_path / "b").rows == 2
    assert "columns" in inspect(f"{web.url}/a.parquet").to_json()


def test_errors_have_their_lines(web: WebServer, tmp_path: Path) -> None:
    web.folder.joinpath("bad.csv").write_text(HEADER + rows(70_000) + "1,2\n" + rows(10))
    with pytest.raises(DataError, match=r"bad.csv line 70,002 .*2 fields.*'1,2'"):
        convert(f"{web.url}/bad.csv", to="parquet", output=tmp_path / "out")
    report = convert(f"{web.url}/bad.csv", to="parquet", output=tmp_path / "out", on_bad_row="skip")
    assert report.rejected_rows == 1
    assert b",70002," in rejected_csv(tmp_path / "out")


@pytest.mark.parametrize("has_ranges", [True, False])
def test_ten_percent_of_faults_give_the_same_bytes(
    web: WebServer, tmp_path: Path, text: str, has_ranges: bool, fresh_connections: None
) -> None:
    web.has_ranges = has_ranges
    web.faults = Faults(0.1 if has_ranges else 0.5, seed=1)
    web.folder.joinpath("trips.csv").write_text(HEADER + rows(700_000))
    out = tmp_path / "out"
    convert(f"{web.url}/trips.csv", to="parquet", output=out, shards=2)
    assert web.faults.n_made > 0
    data = (HEADER + rows(700_000)).encode()
    if has_ranges:
        assert contents(out) == expected(tmp_path, "trips.csv", data, shards=2)
    else:
        assert open_dataset(out).rows == 700_000
        assert verify(out, source=tmp_path / "web/trips.csv").findings == ()


@pytest.fixture
def fresh_connections() -> None:
    """Let the file systems be made again, with the limits of the test."""
    from fsspec.implementations.http import HTTPFileSystem

    HTTPFileSystem.clear_instance_cache()


def test_a_server_that_is_gone_for_good(web: WebServer, tmp_path: Path, text: str) -> None:
    web.folder.joinpath("trips.csv").write_text(text)
    n_before = [0]

    def fail(path: str) -> None:
        n_before[0] += 1
        if n_before[0] > 6:
            web.faults.share = 1.0

    web.before = fail
    web.faults = Faults(0.0, kinds=("503",))
    with pytest.raises(SourceLostError, match="the server answers 503"):
        convert(f"{web.url}/trips.csv", to="parquet", output=tmp_path / "out")


def test_a_file_that_is_replaced_meanwhile(web: WebServer, tmp_path: Path) -> None:
    path = web.folder / "trips.csv"
    text = HEADER + rows(800_000)
    path.write_text(text)
    other = text.replace("name, 5", "NAME, 5")
    stat = path.stat()
    is_new = [False]

    def change(_: str) -> None:
        start, _, stop = (web.requests[-1][2] or "").removeprefix("bytes=").partition("-")
        is_block = stop.isdigit() and int(stop) - int(start) > 1 << 20
        if is_block and not is_new[0]:  # of the same size, at the same time
            is_new[0] = True
            path.write_text(other)
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    web.before = change
    with pytest.raises(DataError, match=r"changed while it was read|another file is there now"):
        convert(f"{web.url}/trips.csv", to="parquet", output=tmp_path / "out")


def test_secrets_are_nowhere(web: WebServer, tmp_path: Path, text: str, capsys) -> None:
    web.password = "me:pa55word"
    web.folder.joinpath("trips.csv").write_text(text)
    host = web.url.removeprefix("http://")
    address = f"http://me:pa55word@{host}/trips.csv?Signature=s1gnature"
    report = convert(address, to="parquet", output=tmp_path / "out")
    assert report.manifest.sources[0].name == f"http://{host}/trips.csv?Signature=…"
    with pytest.raises(UsageError) as caught:
        convert(address.replace("pa55word", "wr0ng"), to="parquet", output=tmp_path / "no")
    with pytest.raises(UsageError) as missing:
        convert(address.replace("trips", "other"), to="parquet", output=tmp_path / "no")
    told = [str(caught.value), str(missing.value), json.dumps(inspect(address).to_json())]
    told += [json.dumps(read_document(tmp_path / "out"))]
    for secret in ("pa55word", "s1gnature", "wr0ng"):
        assert not [one for one in told if secret in one]
    assert "401" in told[0]


def test_what_is_not_there(web: WebServer, s3: str, monkeypatch) -> None:
    with pytest.raises(UsageError, match=r"no.csv does not exist"):
        convert(f"{web.url}/no.csv", to="parquet")
    with pytest.raises(UsageError, match=r"no.csv does not exist"):
        convert(f"{s3}/no.csv", to="parquet")
    with pytest.raises(UsageError, match=r"x.csv (does not exist|cannot be read)"):
        convert("s3://no-such-bucket-there/x.csv", to="parquet")
    with pytest.raises(UsageError, match=r"matches no file"):
        convert(f"{s3}/*.csv", to="parquet")
    with pytest.raises(UsageError, match=r"ftp:// is not a scheme"):
        convert("ftp://host/x.csv", to="parquet")
    with pytest.raises(UsageError, match="credentials are not taken from an address"):
        convert("s3://key:secret@bucket/x.csv", to="parquet")


def test_an_extra_that_is_not_installed(monkeypatch) -> None:
    import fsspec

    def fail(*_: object, **__: object) -> None:
        raise ImportError("Install gcsfs to access Google Storage")

    monkeypatch.setattr(fsspec, "filesystem", fail)
    monkeypatch.setattr(filesystems, "_options", lambda url: {})
    with pytest.raises(MissingDependencyError, match="gs:// needs gcsfs") as caught:
        convert("gs://bucket/x.csv", to="parquet")
    assert "bigdata-shards[gcs]" in str(caught.value)
    assert caught.value.exit_code == 6


def test_s3_files_patterns_and_folders(s3: str, tmp_path: Path) -> None:
    import s3fs

    system = s3fs.S3FileSystem()
    halves = [HEADER + rows(3_000), HEADER + rows(2_000)]
    for index, half in enumerate(halves):
        system.pipe(f"{s3}/data/part={index}/{index}.csv", half.encode())
        system.pipe(f"{s3}/flat/{index}.csv", half.encode())
    for given in (f"{s3}/flat", f"{s3}/flat/*.csv", [f"{s3}/flat/0.csv", f"{s3}/flat/1.csv"]):
        report = convert(given, to="parquet", output=tmp_path / "out", force=True)
        assert report.rows == 5_000
        assert [entry.name for entry in report.manifest.sources] == [
            f"{s3}/flat/0.csv",
            f"{s3}/flat/1.csv",
        ]
        assert all(entry.mtime_ns for entry in report.manifest.sources)
    report = convert(f"{s3}/data", to="parquet", output=tmp_path / "out", force=True)
    assert open_dataset(tmp_path / "out").schema.names == ("id", "name", "value", "part")
    with pytest.raises(UsageError, match="named twice"):
        convert([f"{s3}/flat", f"{s3}/flat/0.csv"], to="parquet")


def test_file_addresses_are_paths(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n")
    report = convert(f"file://{path}", to="parquet", output=f"file://{tmp_path}/out")
    assert report.output == tmp_path / "out"
    assert open_dataset(tmp_path / "out").rows == 1


def test_an_interrupted_command_is_shown_without_secrets(capsys) -> None:
    from bigdata_cli.cli import main

    with pytest.raises(SystemExit) as caught:
        main(["inspect", "https://me:pa55word@127.0.0.1:9/a.csv?token=t0ken", "--label", "x"])
    told = capsys.readouterr().err
    assert caught.value.code == 2
    assert "https://127.0.0.1:9/a.csv?token=… cannot be read" in told
    assert "pa55word" not in told
    assert "t0ken" not in told
