"""A read that the system refuses for a while: what is done stays, and the same command goes on."""

from __future__ import annotations

import errno
import zipfile
from string import ascii_lowercase

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bigdata_cli import convert
from bigdata_cli.conversion.options import ConvertOptions
from bigdata_cli.conversion.run import run
from bigdata_cli.errors import DataError, SourceLostError
from bigdata_cli.io.origin import FileStream
from tests.reliability.children import contents

ROWS = "a,b\n" + "".join(f"{i},{i * 7919 % 10007 / 8}\n" for i in range(200_000))
OPTIONS = {"to": "npy", "shards": 6, "jobs": 1}


class FailsOnce:
    """Counts the calls of a method, one of which the system refuses.

    owner, name: of the method. calls: before that one; so many that nothing is refused: its number.
    """

    def __init__(self, monkeypatch, owner, name, number=errno.EIO):
        self.calls, self.failing, self._number = 0, None, number
        method = getattr(owner, name)

        def counted(*arguments, **options):
            self.calls += 1
            if self.failing is not None and self.calls >= self.failing:
                raise OSError(self._number, "Input/output error")
            return method(*arguments, **options)

        monkeypatch.setattr(owner, name, counted)


def assert_it_fails_and_goes_on(source, folder, failure, share=0.9):
    """Converts a source straight; with a failure at a share of its calls; and again."""

    def once_more(name):  # in units of one size: memory, which decides on it, may change meanwhile
        return run([source], ConvertOptions(output=folder / name, **OPTIONS), unit_bytes=1 << 20)

    once_more("straight")
    failure.failing, failure.calls = int(failure.calls * share), 0
    with pytest.raises(SourceLostError, match=r"at present|reading byte") as raised:
        once_more("out")
    assert "of 6 shards are done; the same command goes on" in raised.value.__notes__[0]
    failure.failing = None
    report = once_more("out")
    assert report.resumed_shards > 0
    assert contents(folder / "out") == contents(folder / "straight")


class Batches:
    """The batches of a Parquet file, each read by a method that can fail."""

    def __init__(self, batches):
        self._batches = batches

    def __iter__(self):
        return self

    def __next__(self):
        return self.read()

    def read(self):
        return next(self._batches)


class Opened:
    """An open file."""

    def __init__(self, file):
        self._file = file
        self.close = file.close

    def read(self, n_bytes):
        return self._file.read(n_bytes)


@pytest.fixture
def parquet(tmp_path):
    path = tmp_path / "data.parquet"
    values = np.random.default_rng(0).random((26, 100_000))
    pq.write_table(
        pa.table(dict(zip(ascii_lowercase, values, strict=True))), path, row_group_size=5_000
    )
    return path


def test_a_parquet_file(tmp_path, monkeypatch, parquet):
    iter_batches = pq.ParquetFile.iter_batches
    monkeypatch.setattr(
        pq.ParquetFile, "iter_batches", lambda *args, **kw: Batches(iter_batches(*args, **kw))
    )
    failure = FailsOnce(monkeypatch, Batches, "read")
    assert_it_fails_and_goes_on(
        parquet, tmp_path, failure, share=0.97
    )  # most are those of the sample


def test_a_dataset(tmp_path, monkeypatch, parquet):
    convert(parquet, to="parquet", shards=12, output=tmp_path / "dataset")
    failure = FailsOnce(monkeypatch, pq.ParquetFile, "iter_batches")
    assert_it_fails_and_goes_on(tmp_path / "dataset", tmp_path, failure)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_member_of_an_archive(tmp_path, monkeypatch, method):
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("data.csv", ROWS)
    open_ = FileStream.__init__

    def opens(self, *arguments):
        open_(self, *arguments)
        self._file = Opened(self._file)

    monkeypatch.setattr(FileStream, "__init__", opens)
    failure = FailsOnce(monkeypatch, Opened, "read")
    assert_it_fails_and_goes_on(path, tmp_path, failure)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_member_that_the_standard_library_reads(tmp_path, monkeypatch, method):
    path = tmp_path / "data.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("data.csv", ROWS)
    failure = FailsOnce(monkeypatch, zipfile.ZipExtFile, "read")
    assert_it_fails_and_goes_on(path, tmp_path, failure)


def test_damage_is_for_good(tmp_path, parquet):
    whole = parquet.read_bytes()
    place = len(whole) // 2
    parquet.write_bytes(whole[:place] + bytes(70_000) + whole[place + 70_000 :])
    with pytest.raises(DataError, match="is damaged") as raised:
        convert(parquet, output=tmp_path / "out", **OPTIONS)
    assert not isinstance(raised.value, SourceLostError)
    assert not (tmp_path / "out").exists()
