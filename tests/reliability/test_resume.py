"""What an unfinished conversion leaves, when it may go on, and what of its journal is believed."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bigdata_cli import convert, verify
from bigdata_cli.conversion import shard_record
from bigdata_cli.conversion.journal import JOURNAL_NAME, Entry, Journal, read_journal
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.run import run
from bigdata_cli.errors import BudgetError, DataError, UsageError
from bigdata_cli.io.local_store import LocalStore
from tests.examples import examples
from tests.manifest_files import read_document
from tests.reliability.children import KILLED, compressed, contents, write_source

OPTIONS = {"shards": 6, "on_bad_row": "skip"}
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def straight(children, source, tmp_path_factory):
    """What comes of the source when nobody disturbs it."""
    output = tmp_path_factory.mktemp("straight") / "out"
    assert children.run(source, output, **OPTIONS)["status"] == 0
    return contents(output)


def begin(children, source, output, **options):
    """A conversion that is killed when all shards are done and in the journal."""
    while True:
        assert children.run(source, output, die_at="before commit", **options)["status"] == KILLED
        entries = [
            entry for entry in read_journal(LocalStore(output)).entries if entry.kind == "shard"
        ]
        if len({entry.value["result"]["index"] for entry in entries}) == OPTIONS["shards"]:
            return output
        shutil.rmtree(output)  # it was killed before the last line was on the disk


@pytest.fixture(scope="module")
def unfinished(children, source, tmp_path_factory):
    """The folder of a conversion that was killed when all shards were done."""
    return begin(children, source, tmp_path_factory.mktemp("unfinished") / "out", **OPTIONS)


@pytest.fixture
def output(unfinished, tmp_path):
    """A copy of it."""
    return Path(shutil.copytree(unfinished, tmp_path / "out"))


def test_what_is_not_finished_is_seen_by_no_reader(output):
    pa_dataset = pytest.importorskip("pyarrow.dataset")
    assert pa_dataset.dataset(output, format="parquet").files == []
    assert not list(output.glob("[!_]*.parquet"))
    with pytest.raises(UsageError, match="is not a dataset"):
        verify(output)


def test_it_goes_on_and_says_so(children, source, output, straight):
    answer = children.run(source, output, verify=True, **OPTIONS)
    assert answer["resumed"] == 6
    assert answer["said"] == ["resuming: 6 of 6 shards are done"]
    assert contents(output) == straight


@pytest.mark.parametrize("damage", ["changed", "cut", "gone"])
def test_a_finished_shard_that_is_damaged_is_done_again(damage, children, source, output, straight):
    shard = sorted(output.glob("_*.parquet.partial"))[2]
    if damage == "changed":
        data = bytearray(shard.read_bytes())
        data[len(data) // 2] ^= 1
        shard.write_bytes(data)
    elif damage == "cut":
        os.truncate(shard, 100)
    else:
        shard.unlink()
    answer = children.run(source, output, verify=True, **OPTIONS)
    assert answer["resumed"] == 5
    assert answer["findings"] == []
    assert contents(output) == straight


def test_records_that_were_set_aside_are_checked_too(children, source, output, straight):
    pieces = sorted(output.glob("_rejects-*.partial"))
    pieces[0].write_text(pieces[0].read_text().replace("too", "TOO"))
    assert children.run(source, output, **OPTIONS)["resumed"] == 5
    assert contents(output) == straight


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"drop": ["when"]}, "--drop is when, and was not given"),
        ({"float": "32"}, "--float is 32, and was auto"),
        ({"type": {"id": "int64"}}, "--type is id=int64, and was not given"),
        ({"shards": 7}, "--shards is 7, and was 6"),
        ({"on_bad_row": "error"}, "--on-bad-row is error, and was skip"),
    ],
)
def test_other_options_are_refused(changed, told, children, source, output):
    before = contents(output)
    answer = children.run(source, output, **{**OPTIONS, **changed})
    assert answer["error"] == "UsageError"
    assert told in answer["message"]
    assert "--force starts over" in answer["message"]
    assert contents(output) == before


def test_what_changes_no_byte_may_change(children, source, output, straight):
    answer = children.run(source, output, **{**OPTIONS, "jobs": 1, "profile": True})
    assert answer["resumed"] == 6
    assert contents(output) == straight


def test_less_memory_goes_on_as_it_was_begun(children, source, output, straight):
    """The longest record that there is room for follows from it, and is of no other dataset."""
    answer = children.run(source, output, memory_limit=280_000_000, **OPTIONS)
    assert answer.get("resumed") == 6, answer.get("message")
    assert contents(output) == straight


def test_tables_are_those_that_it_was_begun_with(children, source, tmp_path):
    """How large they are follows from memory, where shards take turns, and changes the files."""
    path = compressed(source)
    options = {**OPTIONS, "sample_bytes": 1 << 12}
    little, much = {"memory_limit": 350_000_000}, {"memory_limit": 1_000_000_000}
    assert children.run(path, tmp_path / "straight", **options, **little)["status"] == 0
    written = contents(tmp_path / "straight")
    made = written["_manifest"]
    assert made["options"]["table_bytes"] == (64 << 20) // 6
    for before, after in ((little, much), (much, little)):
        output = begin(children, path, tmp_path / str(before["memory_limit"]), **options, **before)
        answer = children.run(path, output, **options, **after)
        if before == little:
            assert answer["resumed"] == 6
            assert contents(output) == written
            next(output.glob("*-00002-of-*")).unlink()
            assert children.run(path, output, repair=True, **options, **after)["resumed"] == 5
            assert contents(output) == written
        else:
            assert answer["error"] == "BudgetError"
            assert "was begun with more memory" in answer["message"]
            smallest = re.search(r"--memory-limit (\d+)MB", answer["message"])
            enough = {"memory_limit": 1_000_000 * (1 + int(smallest[1]))}
            assert children.run(path, output, **options, **enough)["resumed"] == 6


def test_a_source_that_changed_is_refused_and_force_starts_over(children, source, output, tmp_path):
    # The source of the journal is another file: a copy has the same bytes, and not the same name.
    grown = shutil.copy2(source, tmp_path / "data.csv")
    answer = children.run(grown, output, **OPTIONS)
    assert f"the sources are {grown}, and were {source}" in answer["message"]
    stat = source.stat()
    try:
        os.utime(source, ns=(stat.st_atime_ns, stat.st_mtime_ns + 10**9))
        assert "was written to at 20" in children.run(source, output, **OPTIONS)["message"]
        again = children.run(source, output, verify=True, force=True, **OPTIONS)
        assert again["resumed"] == 0
        assert again["findings"] == []
    finally:
        os.utime(source, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_a_bad_record_leaves_nothing_not_even_of_a_run_before(children, source, output):
    wrong = {**OPTIONS, "max_bad_rows": 1}
    answer = children.run(source, output, force=True, **wrong)
    assert answer["error"] == "DataError"
    assert not output.exists()


def test_a_source_that_is_written_to_meanwhile(tmp_path):
    path = write_source(tmp_path / "data.csv", 6_000)

    def append(progress):
        if progress.rows and not progress.note:
            with path.open("a") as file:
                file.write("1,2.5,a,b,3,,x\n")

    with pytest.raises(DataError, match=r"data\.csv changed while it was read: it had") as raised:
        convert(path, to="npy", output=tmp_path / "out", progress=append, **OPTIONS)
    assert raised.value.exit_code == 3
    assert not (tmp_path / "out").exists()


def test_a_source_that_vanishes_and_comes_back(tmp_path):
    path = write_source(tmp_path / "data.csv", 6_000)
    away = tmp_path / "away.csv"
    convert(path, to="npy", output=tmp_path / "straight", **OPTIONS)

    def move(progress):
        if progress.bytes_done > progress.bytes_total * 0.6 and path.exists():
            path.rename(away)

    with pytest.raises(DataError) as raised:
        convert(path, to="npy", output=tmp_path / "out", jobs=1, progress=move, **OPTIONS)
    assert "of 6 shards are done; the same command goes on" in raised.value.__notes__[0]
    away.rename(path)
    report = convert(path, to="npy", output=tmp_path / "out", **OPTIONS)
    assert report.resumed_shards > 0
    assert contents(tmp_path / "out") == contents(tmp_path / "straight")


@examples(12)
@given(data=st.data())
def test_a_torn_or_damaged_journal_is_never_trusted(
    data, children, source, unfinished, straight, tmp_path_factory
):
    output = tmp_path_factory.mktemp("torn") / "out"
    shutil.copytree(unfinished, output)
    journal = output / JOURNAL_NAME
    text = journal.read_bytes()
    place = data.draw(st.integers(0, len(text) - 1))
    damage = data.draw(st.sampled_from(["tail", "flip", "zeros", "garbage", "line"]))
    lines = text.splitlines(keepends=True)
    journal.write_bytes(
        {
            "tail": text[:place],
            "flip": text[:place] + bytes([text[place] ^ 1]) + text[place + 1 :],
            "zeros": text[:place] + bytes(len(text) - place),
            "garbage": text + data.draw(st.binary(min_size=1, max_size=64)),
            "line": b"".join(lines[:3] + lines[4:]),
        }[damage]
    )
    answer = children.run(source, output, verify=True, **OPTIONS)
    assert "error" not in answer, answer["message"]
    assert answer["findings"] == []
    assert contents(output) == straight
    if damage == "garbage":
        assert answer["resumed"] == 6
    if damage == "line":
        assert answer["resumed"] <= 3
    shutil.rmtree(output.parent)


@given(values=st.lists(VALUES, min_size=1, max_size=6), cut=st.integers(1, 40))
def test_lines_read_back_as_written_and_the_torn_one_is_cut_off(values, cut, tmp_path_factory):
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal(LocalStore(folder))
    journal.start({"a": 1})
    for value in values:
        journal.append("shard", lambda value=value: value)
    journal.close()
    written = read_journal(LocalStore(folder))
    assert written.entries == (Entry("begin", {"a": 1}), *(Entry("shard", v) for v in values))
    os.truncate(folder / JOURNAL_NAME, written.n_bytes - cut)
    rest = read_journal(LocalStore(folder))
    if rest is not None:
        assert rest.entries == written.entries[: len(rest.entries)]
        assert len(rest.entries) <= len(values)
        other = Journal(LocalStore(folder))
        other.resume(rest)
        other.append("shard", lambda: "new")
        other.close()
        assert read_journal(LocalStore(folder)).entries == (*rest.entries, Entry("shard", "new"))
    shutil.rmtree(folder)


def test_a_result_reads_back_as_it_was(unfinished):
    names = ["id", "price", "kind", "grows", "late", "when", "text"]
    lines = [e.value for e in read_journal(LocalStore(unfinished)).entries if e.kind == "shard"]
    assert len(lines) > 6  # some shards were done twice
    read, written = shard_record.Vocabularies(), shard_record.Vocabularies()
    for line in lines:
        result = shard_record.from_json(line, names, read)
        again = shard_record.to_json(result, written.changes(result.schema))
        assert json.loads(json.dumps(again)) == line
    assert any(line["result"]["rest"] for line in lines)
    assert any(line["result"]["recounted"] for line in lines)
    texts = [text for line in lines for text in line["result"]["distinct"][3]]
    assert len(texts) == len(set(texts)) == 12  # of a category each text once


@pytest.mark.parametrize("to", ["parquet", "hdf5", "npy", "tfrecord"])
@pytest.mark.parametrize("stream", [False, True])
def test_repair_writes_what_is_damaged_and_nothing_else(to, stream, children, source, tmp_path):
    path = compressed(source) if stream else source
    options = {**OPTIONS, "to": to, "sample_bytes": 1 << 20 if stream else 1 << 13}
    output = tmp_path / "out"
    assert children.run(path, output, **options)["status"] == 0
    before = contents(output)
    shards = read_document(output)["shards"]
    gone, flipped = (output / shards[i]["files"][0]["name"] for i in (1, 4))
    gone.unlink()
    data = bytearray(flipped.read_bytes())
    data[len(data) // 2] ^= 4
    flipped.write_bytes(data)
    times = {p.name: p.stat().st_mtime_ns for p in output.iterdir()}
    assert "already holds" in children.run(path, output, **options)["message"]
    answer = children.run(path, output, verify=True, repair=True, **options)
    assert "error" not in answer, answer["message"]
    assert (answer["resumed"], answer["findings"]) == (4, [])
    assert contents(output) == before
    untouched = {f["name"] for i in (0, 2, 3, 5) for f in shards[i]["files"]}
    assert all((output / name).stat().st_mtime_ns == times[name] for name in untouched)


def test_repair_is_of_the_same_conversion(children, source, tmp_path):
    output = tmp_path / "out"
    assert "holds no dataset" in children.run(source, output, repair=True)["message"]
    children.run(source, output, **OPTIONS)
    for changed in ({"drop": ["when"]}, {"shards": 5}, {"float": "64"}):
        answer = children.run(source, output, repair=True, **{**OPTIONS, **changed})
        assert "was made otherwise" in answer["message"]
    assert children.run(source, output, repair=True, **OPTIONS)["resumed"] == 6


def test_lines_that_found_no_room_are_written_when_there_is_some(tmp_path):
    journal = Journal(LocalStore(tmp_path))
    journal.start({"of": "a run"})
    (tmp_path / JOURNAL_NAME).mkdir()  # so that it cannot be written, as on a full disk
    journal.append("shard", lambda: 0)
    with pytest.raises(OSError, match="directory"):
        journal.flush()
    (tmp_path / JOURNAL_NAME).rmdir()
    journal.close()
    written = read_journal(LocalStore(tmp_path))
    assert written is not None
    assert written.entries == (Entry("begin", {"of": "a run"}), Entry("shard", 0))


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_what_was_finished_outlives_an_end_while_it_is_checked(
    error, source, output, straight, monkeypatch
):
    def ends(*_arguments, **_options):
        raise error

    options = ConvertOptions(to="parquet", output=output, **OPTIONS)
    before = {path.name for path in output.glob("_data-*")}
    with monkeypatch.context() as patched:
        patched.setattr("bigdata_cli.conversion.coordinator.check_files", ends)
        with pytest.raises((KeyboardInterrupt, BudgetError)) as raised:
            run([str(source)], options, sample_bytes=1 << 13)
    assert any("6 of 6 shards are done" in note for note in raised.value.__notes__)
    assert {path.name for path in output.iterdir()} >= before
    assert run([str(source)], options, sample_bytes=1 << 13).resumed_shards == 6
    assert contents(output) == straight
