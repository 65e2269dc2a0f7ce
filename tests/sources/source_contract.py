"""What every source of rows must do, whatever it is. A source's test class is a few lines:

    class TestParquet(SourceContract):
        def write(self, folder, rows):
            return write_parquet(folder / "a.parquet", rows)

and overrides what differs: what its columns are called, where a wrong value is located.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bigdata_cli.errors import DataError, SourceLostError
from bigdata_cli.sources.base import RowSource, all_in_one
from bigdata_cli.sources.csv.blocks import MAX_RECORD_BYTES
from bigdata_cli.sources.csv.records import ParsePlan, Reject
from bigdata_cli.sources.csv.sample import Sample
from bigdata_cli.sources.registry import open_rows
from bigdata_cli.types.lattice import TypeOptions
from tests.manifest_files import has_manifest, manifest_path

ROWS: list[dict[str, Any]] = [
    {"id": i, "name": f"n{i}é" if i % 5 else None, "size": i / 4, "is_new": i % 3 == 0}
    for i in range(120)
]
WRONG_ROW = 70
WRONG: list[dict[str, Any]] = [
    {**row, "name": "seventy" if i == WRONG_ROW else str(i)} for i, row in enumerate(ROWS)
]
"""Under a fixed type int32 of `name` one row cannot be kept."""


class SourceContract:
    """The behaviour of a source; `write` says what it is."""

    names: tuple[str, ...] = ("id", "name", "size", "is_new")
    dtypes: tuple[str, ...] = ("int8", "text", "float32", "bool")
    wrong_column: str = "name"
    has_wrong_values = True
    """A value can contradict a type that the user fixed."""

    # What a subclass says.

    def write(self, folder: Path, rows: Sequence[dict[str, Any]]) -> list[Path]:
        """Write the rows; the files that are the source, in order."""
        raise NotImplementedError

    def expected(self, rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """What must come back for the rows."""
        return list(rows)

    def place(self, row: int) -> str:
        """What an error says of the place of a row."""
        return f"line {row + 2}"

    # What is the same for all.

    @pytest.fixture
    def paths(self, tmp_path) -> list[Path]:
        return self.write(tmp_path, ROWS)

    @pytest.fixture
    def source(self, paths) -> RowSource:
        return open_rows(paths)

    def sample(self, source: RowSource, keep=None, *, types=None, skip=False, **options) -> Sample:
        return source.sample(
            types or TypeOptions(),
            keep=source.names if keep is None else keep,
            max_bytes=options.pop("max_bytes", 1 << 20),
            skip_bad_rows=skip,
            max_record_bytes=MAX_RECORD_BYTES,
        )

    def fed(self, source: RowSource, keep: Sequence[str], unit_bytes=1 << 20, locate=all_in_one):
        return source.feed(
            locate,
            keep=keep,
            unit_bytes=unit_bytes,
            max_record_bytes=MAX_RECORD_BYTES,
            strict=True,
        )

    def rows(
        self, source: RowSource, plan: ParsePlan, keep: Sequence[str], unit_bytes=1 << 20
    ) -> tuple[list[dict[str, Any]], list[tuple[int, Reject]]]:
        """All rows of a feed, and what it set aside, each with its file."""
        fields = source.fields_of(keep)
        rows: list[dict[str, Any]] = []
        rejects: list[tuple[int, Reject]] = []
        with self.fed(source, keep, unit_bytes) as feed:
            for fed in feed:
                unit = fed.parse(fields[fed.file], plan)
                assert unit.error is None
                assert unit.chunk is not None
                assert unit.chunk.rows == unit.chunk.batch.num_rows
                rows += unit.chunk.batch.to_pylist()
                rejects += [(fed.file, reject) for reject in unit.chunk.rejects]
        return rows, rejects

    def test_its_columns_and_what_the_sample_says_of_them(self, source):
        sample = self.sample(source)
        assert source.names == self.names
        found = [column.dtype for column in sample.schema]
        assert tuple("text" if d == "category" else d for d in found) == self.dtypes
        assert (sample.rows, sample.exact, sample.estimated_rows) == (len(ROWS), True, len(ROWS))
        assert source.total_rows in (None, len(ROWS))
        assert set(sample.statistics) == set(self.names)

    @pytest.mark.parametrize("unit_bytes", [1, 7, 100, 1000, 1 << 20])
    def test_rows_do_not_depend_on_the_size_of_blocks(self, unit_bytes, source):
        plan = self.sample(source).plan
        rows, rejects = self.rows(source, plan, self.names, unit_bytes)
        assert rows == self.expected(ROWS)
        assert not rejects

    def test_it_can_be_read_again(self, source):
        assert not source.comes_once
        plan = self.sample(source).plan
        first, _ = self.rows(source, plan, self.names)
        assert self.rows(source, plan, self.names)[0] == first

    def test_some_columns_in_another_order(self, source):
        keep = tuple(reversed(self.names))[: max(1, len(self.names) - 1)]
        plan = self.sample(source, keep).plan
        rows, _ = self.rows(source, plan, keep)
        assert rows == [{name: row[name] for name in keep} for row in self.expected(ROWS)]
        assert len(source.fields_of(keep)) == len(source.files)

    def test_pieces_of_it_have_the_types_of_the_plan(self, source):
        plan = self.sample(source).plan
        units = list(source.sample_units(plan, self.names, 1 << 20))
        batches = [unit.chunk.batch for unit in units if unit.chunk is not None]
        rows = [row for batch in batches for row in batch.to_pylist()]
        assert rows == self.expected(ROWS)
        assert {tuple(batch.schema.names) for batch in batches} == {self.names}

    def test_a_shard_has_the_rows_that_begin_in_its_portion(self, source):
        plan, fields = self.sample(source).plan, source.fields_of(self.names)
        step = 37

        def locate(position: int) -> tuple[int, int | None]:
            return position // step, (position // step + 1) * step

        shards, rows = [], []
        with self.fed(source, self.names, 1 << 20, locate) as feed:
            for fed in feed:
                chunk = fed.parse(fields[fed.file], plan).chunk
                shards.append(fed.shard)
                rows += chunk.batch.to_pylist()
        assert rows == self.expected(ROWS)
        assert shards == sorted(shards)
        assert len(set(shards)) > 1

    def test_how_much_was_read_grows_up_to_all_of_it(self, source):
        with self.fed(source, self.names, 50) as feed:
            consumed = [fed.consumed for fed in feed]
        assert all(a <= b for a, b in pairwise(consumed))
        assert 0 < consumed[-1] <= source.bytes

    def test_a_feed_that_is_left_early_ends(self, source):
        n_threads = threading.active_count()
        with self.fed(source, self.names, 1) as feed:
            assert next(iter(feed)).shard == 0
        assert threading.active_count() == n_threads

    def test_its_files_and_what_is_said_of_them(self, source, paths):
        with self.fed(source, self.names) as feed:
            list(feed)
            entries = feed.entries()
        assert entries == tuple(file.entry() for file in source.files)
        assert [file.name for file in source.files] == [str(path) for path in paths]
        assert all(entry.bytes > 0 and len(entry.digest) == 64 for entry in entries)
        assert json.loads(json.dumps(source.dialect.to_json()))
        assert source.stem
        assert source.bytes > 0

    def test_a_file_that_changes_or_goes_is_noticed(self, source, paths):
        for file in source.files:
            file.check_unchanged()
        target = manifest_path(paths[0]) if has_manifest(paths[0]) else paths[0]
        stat = target.stat()
        os.utime(target, ns=(stat.st_atime_ns, stat.st_mtime_ns + 5_000_000_000))
        with pytest.raises(DataError, match=paths[0].name):
            source.files[0].check_unchanged()
        target.rename(target.with_name("elsewhere"))
        with pytest.raises(SourceLostError, match=paths[0].name):
            source.files[0].check_unchanged()

    def test_other_folders_may_be_written_into(self, source, tmp_path):
        source.check_output(tmp_path / "other")

    def wrong(self, folder: Path, *, skip: bool) -> tuple[RowSource, ParsePlan]:
        """A source with a value that a fixed type refuses, and a plan with this type."""
        if not self.has_wrong_values:
            pytest.skip("a type that the user fixes is always text")
        source = open_rows(self.write(folder, WRONG))
        types = TypeOptions(fixed={self.wrong_column: "int32"})
        plan = self.sample(source, types=types, skip=True).plan
        return source, replace(plan, skip_bad_rows=skip)

    @pytest.mark.parametrize("unit_bytes", [1, 300, 1 << 20])
    def test_a_wrong_value_is_located(self, unit_bytes, tmp_path):
        source, plan = self.wrong(tmp_path, skip=False)
        fields = source.fields_of(source.names)
        with self.fed(source, source.names, unit_bytes) as feed:
            units = [(fed.file, fed.parse(fields[fed.file], plan)) for fed in feed]
        [(file, error)] = [(file, unit.error) for file, unit in units if unit.error is not None]
        located = source.located(file, error)
        assert isinstance(located, DataError)
        assert f"{source.files[file].name} {self.place(WRONG_ROW)}" in located.message
        assert "seventy" in located.message
        assert f"--type {self.wrong_column}=text" in (located.hint or "")

    @pytest.mark.parametrize("unit_bytes", [1, 300, 1 << 20])
    def test_a_wrong_value_is_set_aside_and_nothing_else(self, unit_bytes, tmp_path):
        source, plan = self.wrong(tmp_path, skip=True)
        rows, [(_, reject)] = self.rows(source, plan, source.names, unit_bytes)
        kept = [row for i, row in enumerate(WRONG) if i != WRONG_ROW]
        assert rows == [
            {**row, self.wrong_column: int(row[self.wrong_column])} for row in self.expected(kept)
        ]
        assert b"seventy" in reject.raw
        assert "is not int32" in reject.reason
        assert reject.line is None or str(reject.line) in self.place(WRONG_ROW)


def table_of(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """The rows as Arrow."""
    return pa.Table.from_pylist(list(rows))
