"""A manifest made by somebody who wants to do harm: refused with a message, whatever is in it."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from click.testing import CliRunner

from bigdata_cli import convert, inspect, open_dataset, verify
from bigdata_cli.cli import main
from bigdata_cli.dataset.manifest import MANIFEST_VERSION
from bigdata_cli.dataset.manifest_file import MAX_MANIFEST_BYTES
from bigdata_cli.errors import BigdataError, DataError, UsageError, VerificationError
from bigdata_cli.io.manifest_names import JSON_MANIFEST
from tests.datasets import LAYOUTS, edited_manifest, sign_again, write_dataset
from tests.manifest_files import as_json, read_document

NAMES = [
    "../x-00000-of-00001.parquet",
    "/etc/x-00000-of-00001.parquet",
    "a/../../x-00000-of-00001.parquet",
    "..\\x-00000-of-00001.parquet",
    "C:x-00000-of-00001.parquet",
    "\\\\host\\share\\x-00000-of-00001.parquet",
    "x\0-00000-of-00001.parquet",
    "x" * 300 + "-00000-of-00001.parquet",
    "..",
    ".",
    "",
    "\ud800-00000-of-00001.parquet",
    JSON_MANIFEST,
]


def example(folder: Path, layout: tuple[str, str] = ("parquet", "rows")) -> Path:
    table = pa.table(
        {
            "a": np.arange(50, dtype=np.float32),
            "b": pa.array(range(50), pa.int8()),
            "c": pa.array([f"v{i % 3}" for i in range(50)]).dictionary_encode(),
            "label": pa.array([i % 2 for i in range(50)], pa.int8()),
        }
    )
    return write_dataset(folder, table, *layout, 2, "label")


def refuses(folder: Path) -> str:
    """The message of opening a dataset, which verification and the command line refuse too."""
    with pytest.raises((DataError, UsageError)) as caught:
        open_dataset(folder).format  # noqa: B018
    with pytest.raises(VerificationError):
        verify(folder)
    result = CliRunner().invoke(main, ["verify", str(folder)])
    assert (result.exit_code, "Traceback" in result.stderr) == (5, False)
    return caught.value.message


@pytest.mark.parametrize("name", NAMES)
def test_names_that_are_not_of_the_folder(tmp_path: Path, name: str) -> None:
    folder = example(tmp_path / "d")
    path = as_json(folder)
    whole = path.read_text()
    is_beginning = name in ("..", ".", "", JSON_MANIFEST)  # such as ".-00000-of-00001.parquet"
    for place in ("shards", "sidecars", "name")[: 2 if is_beginning else 3]:
        with edited_manifest(folder) as manifest:
            if place == "shards":
                manifest["shards"][0]["files"][0]["name"] = name
            elif place == "sidecars":
                manifest["sidecars"] = [{"name": name, "bytes": 0, "checksum": DIGEST}]
            else:
                manifest["name"] = name
        assert re.search("is not .* name|is the manifest itself|not JSON", refuses(folder))
        path.write_text(whole)


def test_sources_of_any_name_make_datasets_that_can_be_read(tmp_path: Path) -> None:
    names = [
        "x\\y.csv",
        "C:z.csv",
        "caf\udce9.csv",
        "n\nl\x1b[31m.csv",
        "..csv",
        "'\".csv",
        " .csv",
    ]
    for number, name in enumerate(names):
        path = tmp_path / name
        path.write_text("a,b\n1,2\nx\n")
        folder = tmp_path / str(number)
        for to in ("npy", "parquet", "tfrecord"):
            convert(path, to=to, output=folder, force=True, on_bad_row="skip")
            assert verify(folder, source=path).passed


def test_a_file_that_is_no_shard_is_not_removed(tmp_path: Path) -> None:
    folder = example(tmp_path / "d")
    (folder / "thesis.tex").write_text("mine")
    with edited_manifest(folder) as manifest:
        manifest["shards"][0]["files"][0]["name"] = "thesis.tex"
    source = tmp_path / "a.csv"
    source.write_text("a\n1\n")
    with pytest.raises(UsageError, match="is not replaced"):
        convert(source, to="parquet", output=folder, force=True)
    assert (folder / "thesis.tex").read_text() == "mine"


def test_links_pipes_and_devices(tmp_path: Path) -> None:
    folder = example(tmp_path / "d")
    first, second = sorted(folder.glob("[!_]*.parquet"))
    outside = tmp_path / "outside.parquet"
    first.rename(outside)
    first.symlink_to(outside)
    with pytest.raises(VerificationError, match="a link that leads out of the dataset's folder"):
        list(open_dataset(folder).read())
    (finding,) = verify(folder).findings
    assert (finding.file, finding.what) == (
        first.name,
        "the file is a link that leads out of the dataset's folder",
    )
    first.unlink()
    outside.rename(folder / "inside.bin")
    first.symlink_to("inside.bin")
    assert verify(folder).passed
    assert sum(batch.num_rows for batch in open_dataset(folder).read()) == 50
    second.unlink()
    second.symlink_to(second.name)
    assert [finding.file for finding in verify(folder).findings] == [second.name]
    second.unlink()
    os.mkfifo(second)  # opening it would never return
    assert [finding.what for finding in verify(folder).findings] == ["is not a file"]
    with pytest.raises(VerificationError, match="is not a file"):
        list(open_dataset(folder).read())


def test_a_manifest_that_is_no_file(tmp_path: Path) -> None:
    path = tmp_path / JSON_MANIFEST
    os.mkfifo(path)
    with pytest.raises(DataError, match="is not a file"):
        open_dataset(tmp_path)
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(DataError, match="is not a file"):
        open_dataset(tmp_path)
    path.unlink()
    path.write_bytes(b" ")
    os.truncate(path, MAX_MANIFEST_BYTES + 1)
    with pytest.raises(DataError, match="it has more than"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '"text"',
        "7",
        "{" * 100_000,
        "[" * 1_000_000 + "]" * 1_000_000,
        '{"a":' * 200_000 + "1" + "}" * 200_000,
        '{"manifest_version": 2, "manifest_version": 2}',
        '{"manifest_version": NaN}',
        '{"manifest_version": Infinity}',
        '{"manifest_version": 2e999}',
        '{"manifest_version": 2.0}',
        '{"manifest_version": true}',
        '{"manifest_version": ' + "9" * 10_000 + "}",
        '{"manifest_version": 3}',
        '{"manifest_version": 1}',
        '{"manifest_version": 2}',
        b"\xff\xfe{}".decode("latin-1"),
        '\ufeff{"manifest_version": 2}',
    ],
    ids=range(20),
)
def test_documents_that_are_no_manifest(tmp_path: Path, text: str) -> None:
    (tmp_path / JSON_MANIFEST).write_text(text, encoding="utf-8")
    assert len(refuses(tmp_path)) < 1000


def test_other_versions_say_what_to_do(tmp_path: Path) -> None:
    folder = example(tmp_path / "d")
    newer = MANIFEST_VERSION + 1
    for version, hint in ((0, "None"), (newer, "pip install -U bigdata-shards")):
        with edited_manifest(folder) as manifest:
            manifest["manifest_version"] = version
        said = f"manifest version {version} is not {MANIFEST_VERSION}"
        with pytest.raises(DataError, match=said) as caught:
            open_dataset(folder)
        assert hint in str(caught.value.hint)


DIGEST = f"sha256:{64 * '0'}"
HOSTILE: list[Any] = [
    None, True, 0, -1, 2**63, 10**300, 1.5, -1e308, "", "x", "../x", "\0", "\x1b[2J", "\ud83d",
    "x" * 100_000, [], [[]], [None], {}, {"a": 1}, [1, 2, 3], 2**62,
]  # fmt: skip


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """The way to every value of a document."""
    if path:
        yield path
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in pairs:
        if isinstance(item, dict | list):
            yield from places(item, (*path, key))
        else:
            yield (*path, key)


def changed(document: Any, path: tuple, value: Any) -> Any:
    """The document with another value at a place; without that key where it is `places`."""
    document = copy.deepcopy(document)
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    if value is places:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return document


def use(folder: Path) -> None:
    """All that is done with a dataset; anything but an error of ours fails the test."""
    for job in (
        lambda: verify(folder, jobs=1),
        lambda: inspect(folder).to_json(),
        lambda: [batch.nbytes for batch in open_dataset(folder).read(max_rows=20)],
        lambda: list(open_dataset(folder).xy_batches(16)),
        lambda: list(open_dataset(folder).iter_pandas(16)),
        lambda: repr(open_dataset(folder)),
        lambda: CliRunner().invoke(main, ["inspect", str(folder)], catch_exceptions=False),
    ):
        with contextlib.suppress(BigdataError):
            job()


def mutations(folder: Path, share: float) -> Iterator[None]:
    """The dataset with each value of its manifest replaced by hostile ones, or some of these."""
    path = as_json(folder)
    document = json.loads(path.read_text(encoding="utf-8"))
    del document["sha256"]
    document["dialect"] = {"delimiter": ",", "quote": '"', "header": True}
    document["sources"] = [{"name": "a.csv", "bytes": 1, "mtime_ns": 1, "digest": ""}]
    numbers = random.Random(repr(share))
    for way in places(document):
        for value in [*HOSTILE, places]:
            if numbers.random() < share:
                path.write_text(json.dumps(changed(document, way, value)))
                yield


def test_every_field_may_be_hostile(tmp_path: Path) -> None:
    count = 0
    for layout in LAYOUTS:
        for _ in mutations(example(tmp_path / "-".join(layout), layout), 0.012):
            use(tmp_path / "-".join(layout))
            count += 1
    assert count > 200


@pytest.mark.soak
def test_every_field_with_every_hostile_value(tmp_path: Path) -> None:
    count = 0
    for layout in LAYOUTS:
        for _ in mutations(example(tmp_path / "-".join(layout), layout), 1.0):
            use(tmp_path / "-".join(layout))
            count += 1
    assert count > 20_000


def test_columns_with_hostile_names(tmp_path: Path) -> None:
    names = ["../../x", "/etc/passwd", "\x1b[31mred", "a\nb", ".", "..", "", "<script>", "\u202e"]
    table = pa.table({name: pa.array([1, 2], pa.int8()) for name in names})
    for layout in LAYOUTS:
        folder = tmp_path / "-".join(layout)
        try:
            write_dataset(folder, table, *layout)
        except UsageError:
            continue
        assert verify(folder).passed
        assert open_dataset(folder).schema.names == tuple(names)
        assert {path.parent for path in tmp_path.rglob("*-of-*")} <= set(tmp_path.iterdir())
        result = CliRunner().invoke(main, ["inspect", str(folder)])
        assert result.exit_code == 0
        assert not any(mark in result.output for mark in "\x1b\u202e")


def test_terminals_are_safe_from_names_in_messages(tmp_path: Path) -> None:
    folder = example(tmp_path / "d\x1b]0;title\x07")
    with edited_manifest(folder) as manifest:
        manifest["columns"][1]["name"] = "b\x1b[2J\x9b\u202e"
    (folder / "other\x1b[1m-file").write_bytes(b"")
    for command in (["verify"], ["verify", "--json"], ["inspect"], ["convert", "--to", "npy"]):
        result = CliRunner().invoke(main, [*command, str(folder)])
        assert not any(mark in result.output for mark in "\x1b\x07\x9b\u202e"), command


def test_what_is_wrong_is_all_listed(tmp_path: Path) -> None:
    folder = example(tmp_path / "d")
    first, second = sorted(folder.glob("[!_]*.parquet"))
    first.unlink()
    second.write_bytes(b"PAR1")
    (folder / "data-00007-of-00008.parquet").write_bytes(b"x")
    with edited_manifest(folder) as manifest:
        manifest["rows"] = 7
        manifest["rejected_rows"] = 2
        manifest["columns"][0]["statistics"]["count"] = 3
        manifest["shards"][0]["source_ranges"] = [[0, 0, 9]]
        manifest["shards"][1]["source_ranges"] = [[0, 8, 20]]
    report = verify(folder)
    told = [str(finding) for finding in report.findings]
    assert len(told) == 10, told
    result = CliRunner().invoke(main, ["verify", str(folder)])
    assert result.exit_code == 5
    assert all(one in result.stderr for one in told)


def test_a_shard_of_other_columns(tmp_path: Path) -> None:
    """The files are whole, and are those of another dataset."""
    for layout in LAYOUTS:
        folder = example(tmp_path / "-".join(layout), layout)
        table = pa.table({"a": np.arange(50, dtype=np.float32), "b": pa.array([1] * 50, pa.int8())})
        for name, other in (
            ("less", table.append_column("label", table.column("b"))),
            ("more", table.append_column("label", table.column("b")).append_column(
                "c", pa.array(["v0"] * 50).dictionary_encode()).append_column("z", table["b"])),
            ("types", pa.table({**dict(zip(table.column_names, table.columns, strict=True)),
                                "c": pa.array(["v0"] * 50).dictionary_encode(),
                                "label": pa.array(np.arange(50) / 8)})),
        ):  # fmt: skip
            strange = write_dataset(tmp_path / f"{name}-{layout}", other, *layout, 2, "label")
            if layout == ("tfrecord", "rows") and name == "less":
                continue  # a feature that is absent is null there
            for path in folder.iterdir():
                if "-00000-of-" in path.name:
                    path.unlink()
            with edited_manifest(folder) as manifest:
                theirs = read_document(strange)
                manifest["shards"][0] = theirs["shards"][0]
            for file in theirs["shards"][0]["files"]:
                (folder / file["name"]).write_bytes((strange / file["name"]).read_bytes())
            sign_again(folder)
            found = [f for f in verify(folder).findings if f.file != JSON_MANIFEST]
            assert found, (layout, name)


@pytest.mark.parametrize("n_rows", [2**40, 2**62])
def test_more_rows_than_files_can_hold_are_refused(tmp_path: Path, n_rows: int) -> None:
    """What is planned from a number of rows, such as an epoch, would take all memory."""
    folder = example(tmp_path / "d", LAYOUTS[0])
    path = as_json(folder)
    document = json.loads(path.read_text(encoding="utf-8"))
    del document["sha256"]
    document["shards"][0]["rows"] = n_rows
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(DataError, match=r"shards\[0\]: [\d,]+ bytes cannot hold [\d,]+ rows"):
        open_dataset(folder)
